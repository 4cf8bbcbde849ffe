"""Figures 4 and 6 to 8 of the paper, from our rows: bars of every student, and two students' lips over a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.files.disk import atomic_open
from distill.scoring.conditions import FPS, Item
from distill.scoring.metrics import frames_of, least_nearby
from distill.scoring.trackers import Tracker
from distill.speech.phones import SILENCE, Phone
from export.studies.table2.rows import Row, present
from sdk.faces.face import CLOSED_CM, Face
from sdk.rig import RigLayout

GREY, LIGHT_GREEN, DARK_GREEN = "#8c8c8c", "#a6d8a0", "#3b8f45"
LIGHT_BLUE, MEDIUM_BLUE, DARK_BLUE = "#a9cdec", "#4a90d0", "#1c4b86"
KINDS = {
    "teacher": (GREY, "teacher"),
    "no_kd": (LIGHT_GREEN, "baselines without distillation"),
    "kd": (DARK_GREEN, "baselines, distilled"),
    "plain": (LIGHT_BLUE, "heterogeneous"),
    "plus": (MEDIUM_BLUE, "hybrid"),
    "smooth": (DARK_BLUE, "hybrid, smoothed"),
}
LIP_FIGURES = (("6", "s0", "m_kd"), ("7", "s2", "s2_plus"), ("8", "s4", "s4_plus"))
SHOWN = frozenset("pbm")


def kind_of(name: str) -> str:
    """Which colour a row has (`KINDS`)."""
    if name == "teacher":
        return name
    for ending in ("no_kd", "kd", "smooth", "thirds", "plus"):
        if name.endswith(ending):
            return "smooth" if ending == "thirds" else ending
    return "plain"


def math_label(row: Row) -> str:
    """The row's name as matplotlib's mathematics."""
    if row.name == "teacher":
        return "$T$"
    letter, number = row.name[0].upper(), row.name[1:2]
    if letter in "MH":
        return rf"${letter}_{{{'-' if 'no' in row.name else ''}KD}}$"
    letter = rf"$\tilde{{S}}_{number}$" if kind_of(row.name) == "smooth" else f"$S_{number}$"
    return letter + ("+" if "plus" in row.name else "") + ("\nthirds" if "thirds" in row.name else "")


def draw_bars(rows: Sequence[Row], path: Path, key: str = "human") -> None:
    """Figure 4: PBM accuracy, MSE and jitter of every row that is there, the teacher as a line through all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from matplotlib.patheffects import withStroke

    shown = [row for row in present(rows).values() if row.score(key, "pbm") is not None]
    figure = Figure(figsize=(11, 8.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = (
        ("pbm", 100.0, "PBM accuracy, %", "{:.0f}"),
        ("mse", 1000.0, "MSE, $10^{-3}$", "{:.2f}"),
        ("jitter", 1.0, "jitter, cm$^2$/frame$^4$", "{:.3f}"),
    )
    for axes, (name, scale, title, form) in zip(figure.subplots(3, 1, sharex=True), panels, strict=True):
        heights = [scale * (row.score(key, name) or 0.0) for row in shown]
        bars = axes.bar(range(len(shown)), heights, 0.72, color=[KINDS[kind_of(row.name)][0] for row in shown])
        halo = [withStroke(linewidth=2.5, foreground="white")]  # figures stay legible on the teacher's line
        axes.bar_label(
            bars, [form.format(h) for h in heights], fontsize=8, padding=2, color="0.2", path_effects=halo, zorder=3
        )
        for row, height in zip(shown, heights, strict=True):
            if row.name == "teacher":
                axes.axhline(height, color=GREY, linestyle=(0, (4, 3)), linewidth=1, zorder=0)
        axes.set_ylabel(title)
        axes.set_ylim(0, max([*heights, 1e-9]) * 1.14)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xticks(range(len(shown)), [math_label(row) for row in shown], fontsize=11)
        axes.tick_params(axis="x", length=0)
    there = [kind for kind in KINDS if any(kind_of(row.name) == kind for row in shown)]
    handles = [Patch(color=KINDS[kind][0], label=KINDS[kind][1]) for kind in there]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=9)
    _save(figure, path)


@dataclass(frozen=True)
class Lips:
    """One student's lips on a clip: heights `(frames,)` in cm of the middle of the upper and of the lower lip."""

    row: Row
    upper_cm: np.ndarray
    lower_cm: np.ndarray

    @property
    def gap_cm(self) -> np.ndarray:
        return self.upper_cm - self.lower_cm


def lips_of(row: Row, item: Item, layout: RigLayout, track: Tracker, face: Face) -> Lips:
    """The lips of a tracker on a clip."""
    values = track(item, np.zeros((item.frames, 0)))
    return Lips(row, face.upper_lip_cm(values, layout)[:, 1], face.lower_lip_cm(values, layout)[:, 1])


def draw_lips(item: Item, students: Sequence[Lips], teacher: Lips | None, path: Path) -> None:
    """Figures 6 to 8: each student's lips in a panel of its own, the teacher's behind them, /p b m/ and pauses marked.

    A closure is judged as PBM accuracy judges it: shut within two frames of any of its own.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 2.7 * len(students) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    middle = float(np.mean([each.upper_cm.max() for each in students]))
    all_panels = figure.subplots(len(students), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, lips in zip(all_panels, students, strict=True):
        _draw_panel(axes, item, lips, teacher, middle)
    all_panels[-1].set_xlabel("seconds")
    _save(figure, path)


def _draw_panel(axes: Any, item: Item, lips: Lips, teacher: Lips | None, top_cm: float) -> None:
    colour = KINDS[kind_of(lips.row.name)][0]
    seconds = np.arange(len(lips.upper_cm)) / FPS
    if teacher is not None:
        for curve in (teacher.upper_cm, teacher.lower_cm):
            axes.plot(seconds, 10 * (curve - top_cm), color="0.62", linewidth=1, linestyle=(0, (3, 2)))
    upper, lower = 10 * (lips.upper_cm - top_cm), 10 * (lips.lower_cm - top_cm)
    axes.fill_between(seconds, lower, upper, color=colour, alpha=0.35, linewidth=0)
    axes.plot(seconds, upper, color="#222222", linewidth=1.3)
    axes.plot(seconds, lower, color="#222222", linewidth=1.3)
    found, asked = 0, 0
    for phone in item.phones:
        if phone.symbol == SILENCE:
            axes.axvspan(phone.start, phone.end, color="0.93", linewidth=0, zorder=0)
        elif phone.symbol[:1] in SHOWN:
            shut = is_shut(lips.gap_cm, phone)
            asked, found = asked + 1, found + shut
            axes.axvspan(phone.start, phone.end, color="#ffe3b0" if shut else "#f6b3a6", linewidth=0, zorder=0)
        axes.annotate(
            "" if phone.symbol == SILENCE else phone.symbol, ((phone.start + phone.end) / 2, 1.02),
            xycoords=("data", "axes fraction"), ha="center", fontsize=8.5,
            fontweight="bold" if phone.symbol[:1] in SHOWN else "normal",
            color="black" if phone.symbol[:1] in SHOWN else "0.5",
        )  # fmt: skip
    behind = "" if teacher is None else ", teacher dashed"
    axes.set_ylabel("lips, mm")
    axes.set_title(
        f"{math_label(lips.row)}: {found} of {asked} /p b m/ shut (yellow; red: missed){behind}; pauses grey",
        loc="left", fontsize=10, pad=18,
    )  # fmt: skip
    axes.set_xlim(0, seconds[-1])
    axes.spines[["top", "right"]].set_visible(False)


def is_shut(gap_cm: np.ndarray, phone: Phone) -> bool:
    """Whether the lips are shut at any frame of a phone, two frames earlier or later counting too."""
    frames = frames_of(phone.start, phone.end, FPS, len(gap_cm))
    return bool(len(frames) and least_nearby(gap_cm)[frames].min() <= CLOSED_CM)


def draw_lip_figures(
    item: Item, rows: Sequence[Row], opened: Mapping[str, tuple[RigLayout, Tracker]], folder: Path, face: Face
) -> list[Path]:
    """`table2-fig6.png` to `-fig8.png` of every pair that is there; returns what was written."""
    here, made = present(rows), []
    wanted = {name for _, *names in LIP_FIGURES for name in names} | {"teacher"}
    lips = {n: lips_of(here[n], item, *opened[n], face) for n in wanted if n in here and n in opened}
    for number, one, other in LIP_FIGURES:
        path = folder / f"table2-fig{number}.png"
        if one in lips and other in lips:
            draw_lips(item, [lips[one], lips[other]], lips.get("teacher"), path)
            made.append(path)
    return made


def _save(figure: Any, path: Path) -> None:
    with atomic_open(path) as stream:
        figure.savefig(stream, format="png", dpi=110)

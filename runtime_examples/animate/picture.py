"""One picture of an animated sentence: waveform, phones, lips over time (the paper's Fig. 6), faces at its moments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from runtime_examples.animate.raster import Camera, render
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import RigError
from sdk.faces.face import CLOSED_CM, Face
from sdk.faces.shapes import canonical
from sdk.rig import RigLayout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FACES = 8
_SLACK_FRAMES = 2  # labels may be this far off (4.2.2)
_SILENCES = {"sil", "", "sp", "pau", "_"}
_INK, _FAINT, _CLOSURE, _HIT, _MISS = "#22262b", "#8a929c", "#7b4fa3", "#1d8a5b", "#c8372d"
_UPPER, _LOWER, _MOUTH = "#b4534f", "#2f6f9f", "#5a2a2e"


class Segment(Protocol):
    """A labelled stretch of speech: an IPA symbol from `start` to `end` in seconds."""

    @property
    def symbol(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


def draw(
    path: Path | str,
    samples: np.ndarray,
    phones: Sequence[Segment],
    frames: np.ndarray,
    fps: Fraction | float,
    layout: RigLayout,
    face: Face,
    title: str = "",
) -> Path:
    """Write the picture of `frames` `(n, channels)` at `fps` for 16 kHz mono `samples`; whole or not at all.

    Raises `RigError` without frames, `FaceError` when they do not fit the rig or the rig does not fit the face.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path, frames = Path(path), np.asarray(frames, dtype=np.float32)
    if frames.ndim != 2 or not len(frames):
        raise RigError(
            f"frames of shape {frames.shape} cannot be drawn: give (frames, channels) with at least one frame"
        )
    gap = face.lip_gap_cm(frames, layout)
    seconds = max(len(samples) / SAMPLE_RATE_HZ, len(frames) / float(fps))
    figure = Figure(figsize=(float(np.clip(4 + 2.6 * seconds, 13, 26)), 8.6), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    with _fonts():
        rows = figure.add_gridspec(
            3, 1, height_ratios=(1.0, 0.38, 3.0), hspace=0.06, left=0.055, right=0.985, top=0.925, bottom=0.36
        )
        wave, strip, lips = (figure.add_subplot(rows[i]) for i in range(3))
        closures = [(p.start, p.end) for p in phones if p.symbol[:1] in "pbm" and p.symbol]
        _draw_wave(wave, samples)
        _draw_phones(strip, phones, seconds, figure.get_figwidth())
        _draw_lips(lips, face, layout, frames, gap, float(fps), closures)
        for axes in (wave, strip, lips):
            axes.set_xlim(0, seconds)
            for start, end in closures:
                axes.axvspan(start, end, color=_CLOSURE, alpha=0.13, lw=0, zorder=0)
        _draw_faces(figure, lips, face, layout, frames, moments(frames, gap, phones, float(fps), layout), float(fps))
        figure.suptitle(
            title or "lips over time", x=0.055, ha="left", y=0.975, fontsize=15, color=_INK, fontweight="bold"
        )
        temporary = path.with_name(f".{path.name}.{os.getpid()}.png")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(temporary, format="png")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def _fonts() -> Any:
    """Settings for the time of one drawing: a font that has the IPA."""
    from matplotlib import rc_context

    return rc_context(
        {
            "font.family": "DejaVu Sans",
            "axes.edgecolor": _FAINT,
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "text.parse_math": False,
        }
    )


def moments(
    frames: np.ndarray, gap_cm: np.ndarray, phones: Sequence[Segment], fps: float, layout: RigLayout, count: int = FACES
) -> list[tuple[int, str]]:
    """About `count` frames worth seeing, in order of time, each with what it shows.

    Silence, the first closures, the widest opening, the most rounded and the most spread lips, then other openings.
    """
    last = len(frames) - 1

    def at(seconds: float) -> int:
        return int(np.clip(round(seconds * fps), 0, last))

    wanted: list[tuple[int, str]] = [(int(gap_cm.argmax()), "widest")]
    quiet = [p for p in phones if p.symbol in _SILENCES and p.end - p.start > 0.08]
    wanted += [(at((quiet[0].start + quiet[0].end) / 2), "silence")] if quiet else []
    for phone in [p for p in phones if p.symbol[:1] in ("p", "b", "m")][:3]:
        first, stop = at(phone.start), at(phone.end) + 1
        wanted.append((first + int(gap_cm[first:stop].argmin()), f"/{phone.symbol}/"))
    for label, stems in (("rounded", ("pucker", "funnel")), ("spread", ("smile", "stretch", "dimple"))):
        columns = [i for i, name in enumerate(layout.names) if any(stem in canonical(name)[0] for stem in stems)]
        amount = frames[:, columns].sum(axis=1) if columns else np.zeros(1)
        if amount.max() > 0.1:
            wanted.append((int(amount.argmax()), label))
    wanted += [(i, _symbol_at(phones, i / fps)) for i in _peaks(gap_cm)]
    chosen: list[tuple[int, str]] = []
    for frame, label in wanted:
        if len(chosen) < count and all(abs(frame - other) / fps > 0.07 for other, _ in chosen):
            chosen.append((frame, label))
    return sorted(chosen)


def is_shut(gap_cm: np.ndarray, start: float, end: float, fps: float) -> bool:
    """Whether the lips meet between two times in seconds, or within two frames of them (4.2.2)."""
    first, stop = round(start * fps) - _SLACK_FRAMES, round(end * fps) + _SLACK_FRAMES + 1
    return bool((gap_cm[max(first, 0) : max(stop, 1)] <= CLOSED_CM).any())


def _peaks(gap_cm: np.ndarray) -> list[int]:
    """Local maxima, widest first."""
    padded = np.concatenate([[-np.inf], gap_cm, [-np.inf]])
    top = np.flatnonzero((gap_cm >= padded[:-2]) & (gap_cm > padded[2:]))
    return [int(i) for i in top[np.argsort(-gap_cm[top], kind="stable")]]


def _symbol_at(phones: Sequence[Segment], seconds: float) -> str:
    return next((f"/{p.symbol}/" for p in phones if p.start <= seconds < p.end and p.symbol not in _SILENCES), "")


def _bare(axes: Axes, label: str) -> None:
    axes.set_yticks([])
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9, labelpad=8)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_wave(axes: Axes, samples: np.ndarray) -> None:
    """The envelope, so that a minute of speech is as quick to draw as a second."""
    step = max(1, len(samples) // 3000)
    whole = np.asarray(samples[: len(samples) // step * step], dtype=np.float32).reshape(-1, step)
    times = (np.arange(len(whole)) + 0.5) * step / SAMPLE_RATE_HZ
    axes.fill_between(times, whole.min(axis=1, initial=0), whole.max(axis=1, initial=0), color=_INK, lw=0.3, alpha=0.85)
    peak = float(np.abs(whole).max(initial=1e-3))
    axes.set_ylim(-1.08 * peak, 1.08 * peak)
    _bare(axes, "speech")


def _draw_phones(axes: Axes, phones: Sequence[Segment], seconds: float, inches: float) -> None:
    """A box per phone; symbols shrink to fit, bilabials stand out."""
    axes.set_ylim(0, 1)
    for phone in phones:
        lips, silent = phone.symbol[:1] in ("p", "b", "m"), phone.symbol in _SILENCES
        axes.axvspan(
            phone.start, phone.end, 0.04, 0.96, facecolor=_CLOSURE if lips else "#f1f3f5", edgecolor="white", lw=1.2
        )
        room = (phone.end - phone.start) / seconds * inches * 66 / max(len(phone.symbol), 1)
        if not silent and room > 3:
            axes.text(
                (phone.start + phone.end) / 2, 0.46, phone.symbol, ha="center", va="center", clip_on=True,
                fontsize=min(12.5, 1.5 * room), color="white" if lips else _INK,
                fontweight="bold" if lips else "normal",
            )  # fmt: skip
    _bare(axes, "phones")


def _draw_lips(
    axes: Axes,
    face: Face,
    layout: RigLayout,
    frames: np.ndarray,
    gap: np.ndarray,
    fps: float,
    closures: list[tuple[float, float]],
) -> None:
    """Upper lip over lower lip; where they meet within the threshold the mouth is shut."""
    times = np.arange(len(frames)) / fps
    rest = float(face.neutral_cm[[face.upper_lip, face.lower_lip], 1].mean())
    upper, lower = (lip(frames, layout)[:, 1] - rest for lip in (face.upper_lip_cm, face.lower_lip_cm))
    low, high = float(min(lower.min(), -0.6)), float(upper.max())
    axes.fill_between(times, lower, upper, where=(upper > lower).tolist(), color=_MOUTH, alpha=0.13, lw=0)
    axes.fill_between(
        times, upper - CLOSED_CM, upper, color=_HIT, alpha=0.25, lw=0, label=f"closed: gap ≤ {CLOSED_CM} cm"
    )
    axes.plot(times, upper, color=_UPPER, lw=1.8, label="upper lip")
    axes.plot(times, lower, color=_LOWER, lw=1.8, label="lower lip")
    shut = gap <= CLOSED_CM
    axes.plot(times[shut], (upper + lower)[shut] / 2, ".", color=_HIT, ms=4, zorder=4)
    hits, top = 0, high + 0.09 * (high - low)
    for start, end in closures:
        hit = is_shut(gap, start, end, fps)
        hits += hit
        axes.plot(
            [(start + end) / 2], [top], "o" if hit else "X", color=_HIT if hit else _MISS, ms=7, clip_on=False, zorder=5
        )
    axes.set_ylim(low - 0.08 * (high - low), high + 0.17 * (high - low))
    axes.set_ylabel("lip height, cm from rest", fontsize=9)
    axes.set_xlabel("seconds", fontsize=9, loc="right", labelpad=1)
    axes.tick_params(labelsize=8, color=_FAINT)
    axes.grid(axis="y", color="#e6e9ec", lw=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if closures:
        axes.plot([], [], "o", color=_HIT, ms=7, label=f"/p b m/ shut: {hits} of {len(closures)}")
    if hits < len(closures):
        axes.plot([], [], "X", color=_MISS, ms=7, label="/p b m/ not shut")
    axes.legend(loc="lower left", ncols=5, fontsize=8.5, frameon=True, framealpha=0.9, edgecolor="none", borderpad=0.3)


def _draw_faces(
    figure: Figure,
    lips: Axes,
    face: Face,
    layout: RigLayout,
    frames: np.ndarray,
    shown: list[tuple[int, str]],
    fps: float,
) -> None:
    """A row of faces, each tied to its time."""
    from matplotlib.patches import ConnectionPatch

    camera = Camera.on(face, yaw_deg=14, height_cm=19)
    left, right, bottom, high = 0.012, 0.988, 0.012, 0.265
    step = (right - left) / max(len(shown), 1)
    pixels_high = int(high * figure.get_figheight() * figure.dpi)
    pixels_wide = int(min(step * 0.96 * figure.get_figwidth() * figure.dpi, pixels_high * 0.95))
    for place, (frame, label) in enumerate(shown):
        axes = figure.add_axes((left + place * step, bottom, step, high))
        vertices = face.vertices(frames[frame], layout)
        axes.imshow(render(face, vertices, pixels_wide, pixels_high, camera, (1.0, 1.0, 1.0)))
        axes.axis("off")
        axes.set_title(f"{label}  {frame / fps:.2f} s".strip(), fontsize=9.5, color=_INK, pad=4)
        tie = ConnectionPatch(
            (0.5, 1.105), (frame / fps, 0.0), "axes fraction", lips.get_xaxis_transform(), axesA=axes, axesB=lips,
            color=_FAINT, lw=0.9, zorder=0,
        )  # fmt: skip
        figure.add_artist(tie)
        lips.axvline(frame / fps, color=_FAINT, lw=0.8, ls=(0, (3, 3)), zorder=1)

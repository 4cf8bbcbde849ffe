"""The plots of a report, each as one piece of SVG that stands in the page and fetches nothing.

Dark on light, a colour for each artefact. What was measured is solid; what was estimated is hatched or hollow, with a
whisker as long as its uncertainty.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from profiles.judge.compare import Change
from profiles.model.figures import Case, Estimate, Setting
from profiles.show.words import show_bytes, show_ms

WIDTH_INCHES = 11.0
_INK, _LATE = "#20262d", "#c62828"
_CLEAR = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}  # figures stay readable where a line crosses them
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched and copied
    "font.family": ["DejaVu Sans"],  # comes with matplotlib; `_inline` names Verdana first, which is as wide
    "font.size": 8.5,
    "text.color": _INK,
    "text.parse_math": False,  # names are names: a dollar in one is no formula, and a bad formula ends the drawing
    "axes.labelcolor": _INK,
    "axes.edgecolor": "#8b95a1",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6eaee",
    "xtick.color": _INK,
    "ytick.color": _INK,
    "hatch.linewidth": 0.6,
}


def figure(name: str, height_inches: float, rows: int, draw: Any, sharex: bool = False) -> str:
    """What `draw(axes)` draws on `rows` axes, as SVG; its ids begin with `name`, so that figures do not collide."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    text = io.StringIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(rows, 1, squeeze=False, sharex=sharex)[:, 0]
        draw(list(axes))
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return _inline(text.getvalue(), name)


def _inline(svg: str, name: str) -> str:
    """SVG to stand inside HTML: no prolog, no metadata, no fixed size, ids under `name`."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = svg.replace("'DejaVu Sans'", "Verdana, 'DejaVu Sans', sans-serif")
    return re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg class="plot" role="img" viewBox="\1">', svg, count=1)


def _milliseconds(axis: Any) -> None:
    """Plain numbers on a logarithmic axis: 0.5, 1, 2, 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=15))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def comparison(
    cases: Sequence[Case], estimates: Sequence[Estimate], colour: Mapping[str, str], our_ms: float | None
) -> str:
    """Each case a line from the median to the 99th percentile, each estimate a hollow diamond with its interval."""
    rows = len(cases) + len(estimates)

    def draw(axes: list[Any]) -> None:
        (ax,) = axes
        for at, case in enumerate(cases):
            t, tint = case.timing, colour[case.artifact]
            ax.plot([t.p50_us / 1e3, t.p99_us / 1e3], [at, at], color=tint, lw=3, alpha=0.4, solid_capstyle="round")
            ax.plot(t.p50_us / 1e3, at, "o" if case.label == "measured_here" else "s", color=tint, ms=7)
            ax.plot(t.p99_us / 1e3, at, "|", color=tint, ms=11, mew=2)
            ax.annotate(
                f"{show_ms(t.p50_us)} | {show_ms(t.p99_us)}", (t.p99_us / 1e3, at), (7, -3), "data", "offset points"
            )
        for at, e in enumerate(estimates, len(cases)):
            tint, whisker = colour[e.artifact], [[(e.us - e.low_us) / 1e3], [(e.high_us - e.us) / 1e3]]
            ax.errorbar(
                e.us / 1e3, at, xerr=whisker, fmt="D", mfc="white", mec=tint, ecolor=tint, ms=7, capsize=4, ls="--"
            )
            text = f"{show_ms(e.us)} ({show_ms(e.low_us)} to {show_ms(e.high_us)})"
            ax.annotate(text, (e.high_us / 1e3, at), (7, -3), "data", "offset points", bbox=_CLEAR)
        titles = [case.title for case in cases]
        titles += [f"{e.artifact}: {Setting(e.backend, e.threads).title} on {e.device}, estimated" for e in estimates]
        ax.set_yticks(range(rows), titles)
        ax.set_ylim(rows - 0.4, -0.6)
        ax.set_xscale("log")
        ends = [us / 1e3 for case in cases for us in (case.timing.p50_us, case.timing.p99_us)]
        ends += [us / 1e3 for e in estimates for us in (e.low_us, e.high_us)] + ([our_ms] if our_ms is not None else [])
        low, high = min(ends) / 1.15, max(ends) * 1.15
        ax.set_xlim(low, high * (high / low) ** 0.2)  # room for the figures at the right
        _milliseconds(ax.xaxis)
        ax.set_xlabel("milliseconds a frame: ● median   | 99th percentile   ■ on the device   ◇ estimated")
        if our_ms is not None:
            ax.axvline(our_ms, color=_INK, lw=1.2, ls="--")
            ax.annotate(
                f"{our_ms:.3g} ms are ours",
                (our_ms, -0.6),
                (3, 3),
                "data",
                "offset points",
                bbox=_CLEAR,
                annotation_clip=False,
            )

    return figure("comparison", 0.9 + 0.3 * rows, 1, draw)


def histogram(cases: Sequence[Case], colour: Mapping[str, str]) -> str:
    """How often a frame took how long, one line of axes for each case; the tail is kept, none is cut off."""
    from matplotlib.ticker import FuncFormatter

    lowest = min(min(case.timing.samples_us) for case in cases) / 1e3
    highest = max(case.timing.max_us for case in cases) / 1e3 * 1.02
    edges = [lowest * (highest / lowest) ** (step / 120) for step in range(121)]

    def draw(axes: list[Any]) -> None:
        for ax, case in zip(axes, cases, strict=True):
            t, tint = case.timing, colour[case.artifact]
            ax.hist([us / 1e3 for us in t.samples_us], bins=edges, color=tint, alpha=0.75, log=True)
            for us, words in ((t.p50_us, "p50"), (t.p99_us, "p99")):
                ax.axvline(us / 1e3, color=_INK, lw=1, ls="-" if words == "p50" else ":")
            figures = (
                f"p50 {show_ms(t.p50_us)}, p95 {show_ms(t.p95_us)}, p99 {show_ms(t.p99_us)}, max {show_ms(t.max_us)} ms"
            )
            ax.set_title(f"{case.title}: {figures}, {len(t.samples_us)} frames", loc="left", fontsize=8.5)
            ax.set_xscale("log")
            _milliseconds(ax.xaxis)
            ax.set_ylabel("frames")
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ax.tick_params(labelbottom=True)
        axes[-1].set_xlabel("milliseconds a frame (line: median, dots: 99th percentile)")

    return figure("histogram", 0.4 + 1.45 * len(cases), len(cases), draw, sharex=True)


def timeline(cases: Sequence[Case], colour: Mapping[str, str]) -> str:
    """A run at the speed of speech: when each frame was there after it fell due, the late ones marked."""

    def draw(axes: list[Any]) -> None:
        for ax, case in zip(axes, cases, strict=True):
            pace = case.pace
            assert pace is not None
            seconds = [at * pace.period_us / 1e6 for at in range(len(pace.response_us))]
            ms, late = [us / 1e3 for us in pace.response_us], pace.late
            gaps = [math.nan] * len(ms)
            spikes = [x for triple in zip(seconds, seconds, gaps, strict=True) for x in triple]
            ax.plot(spikes, [y for value in ms for y in (0.0, value, math.nan)], color=colour[case.artifact], lw=0.8)
            if late:
                ax.plot([seconds[at] for at in late], [ms[at] for at in late], "v", color=_LATE, ms=6, clip_on=False)
            ax.axhline(pace.deadline_us / 1e3, color=_INK, lw=1, ls="--")
            due_ms = pace.deadline_us / 1e3
            ax.annotate(
                f"due: {due_ms:.1f} ms", (1, due_ms), (-2, 3), ("axes fraction", "data"), "offset points", ha="right"
            )
            ax.set_title(f"{case.title}: {len(late)} late of {len(ms)} frames", loc="left", fontsize=8.5)
            ax.set_ylim(0, max(max(ms), pace.deadline_us / 1e3) * 1.18)
            ax.set_xlim(0, seconds[-1] + pace.period_us / 1e6)
            ax.set_ylabel("ms")
        axes[-1].set_xlabel("seconds of speech")

    return figure("timeline", 0.4 + 1.5 * len(cases), len(cases), draw, sharex=True)


def memory(cases: Sequence[Case], colour: Mapping[str, str], budget_bytes: int | None) -> str:
    """The parts that add up, side by side; the total that is counted as a tick; the budget as a line."""

    def draw(axes: list[Any]) -> None:
        (ax,) = axes
        for at, case in enumerate(cases):
            left, tint = 0.0, colour[case.artifact]
            parts = [row for row in case.memory if row.part]
            for shade, row in enumerate(parts):
                hatch = "////" if row.label == "estimated" else None
                alpha = 0.95 - 0.7 * shade / max(len(parts), 1)
                ax.barh(at, row.bytes / 1e6, left=left, height=0.55, color=tint, alpha=alpha, hatch=hatch, ec="white")
                left += row.bytes / 1e6
            counted = case.memory_bytes("counted")
            text = f"{show_bytes(left * 1e6)} in parts"
            if counted:
                ax.plot([counted / 1e6] * 2, [at - 0.38, at + 0.38], color=_INK, lw=2)
                text = f"{show_bytes(counted)} counted"
            ax.annotate(text, (max(left, (counted or 0) / 1e6), at), (7, -3), "data", "offset points", bbox=_CLEAR)
        if budget_bytes is not None:
            ax.axvline(budget_bytes / 1e6, color=_LATE, lw=1.2, ls="--")
            ax.annotate(f"budget {show_bytes(budget_bytes)}", (budget_bytes / 1e6, 1), (-4, -2),
                        ("data", "axes fraction"), "offset points", ha="right", va="top", color=_LATE)  # fmt: skip
        ax.set_yticks(range(len(cases)), [case.title for case in cases])
        ax.set_ylim(len(cases) - 0.4, -0.75)
        ax.set_xlim(0, ax.get_xlim()[1] * 1.15)
        ax.set_xlabel("megabytes (10^6 bytes); line: counted against the budget; hatched: estimated")

    return figure("memory", 0.95 + 0.42 * len(cases), 1, draw)


def latency(cases: Sequence[Case], limits_ms: Mapping[str, float]) -> str:
    """From sound to frame at the 99th percentile, part by part, against the limits."""
    tints = {"block": "#9fb3c8", "resampler": "#627d98", "future": "#334e68", "ensemble": "#b08d2f",
             "inference": "#c8541b", "interpolation": "#2b8a57"}  # fmt: skip

    def draw(axes: list[Any]) -> None:
        (ax,) = axes
        for at, case in enumerate(cases):
            row = next(row for row in case.latency if row.percentile == "p99")
            left = 0.0
            for name, ms in row.parts_ms.items():
                ax.barh(at, ms, left=left, height=0.55, color=tints[name], ec="white", label=name if not at else None)
                left += ms
            ax.annotate(f"{left:.0f} ms", (left, at), (5, -3), "data", "offset points", fontweight="bold")
        for limit in limits_ms.values():
            ax.axvline(limit, color=_LATE, lw=1.1, ls="--")
            ax.annotate(f"{limit:.0f}", (limit, 1), (0, 2), ("data", "axes fraction"), "offset points", ha="center",
                        color=_LATE, annotation_clip=False)  # fmt: skip
        ax.set_yticks(range(len(cases)), [case.place for case in cases])
        ax.set_ylim(len(cases) - 0.4, -0.6)
        ax.set_xlim(0, ax.get_xlim()[1] * 1.06)
        ax.set_xlabel("milliseconds from a sound to its frame")
        ax.figure.legend(loc="outside lower center", ncols=6, frameon=False)

    return figure("latency", 1.3 + 0.42 * len(cases), 1, draw)


def changes(rows: Sequence[Change], colour: str = "#1f6fb2") -> str:
    """New over old with its interval, beside the threshold that makes a regression."""

    def draw(axes: list[Any]) -> None:
        (ax,) = axes
        for at, change in enumerate(rows):
            tint = {"regression": _LATE, "improvement": "#2b8a57"}.get(change.verdict, colour)
            if change.low is not None and change.high is not None:
                ax.plot([change.low, change.high], [at, at], color=tint, lw=2.5, alpha=0.5)
            ax.plot(change.ratio, at, "o", color=tint, ms=7)
            ax.plot(change.threshold, at, "|", color=_INK, ms=12, mew=1.5)
        ax.axvline(1.0, color=_INK, lw=1)
        ax.set_yticks(range(len(rows)), [f"{change.case}: {change.quantity}" for change in rows])
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.set_xlabel("new / old, with its interval of 90 %; | is where a regression begins")

    return figure("changes", 0.9 + 0.3 * len(rows), 1, draw)

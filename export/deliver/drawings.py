"""The plots of a build's page, each one piece of SVG: curves, memory, sensitivity, and the table as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from export.plan.quality import RECALL, WHOLE
from profiles.show.plots import figure
from profiles.show.words import show_bytes

_BEFORE, _AFTER, _LOST, _WON, _INK = "#8b95a1", "#1f6fb2", "#c62828", "#2b8a57", "#20262d"
_CLOSURES = {"kept": _BEFORE, "lost": _LOST, "won": _WON, "open in both": "#b08d2f"}
_ROWS = {
    "packed_weights_bytes": "packed weights", "in_place_bytes": "weights in place", "operators_bytes": "operators",
    "planned_arenas_bytes": "planned arenas", "workspace_bytes": "workspace", "opening_bytes": "opening",
    "stream_state_bytes": "stream state",
}  # fmt: skip
_SHADES = ("#1f6fb2", "#7fb0d8", "#c8541b", "#2b8a57", "#8446a6", "#5b6470", "#b08d2f")


def curves(heard: Mapping[str, Any]) -> str:
    """Lip gap and the curves that move most, checkpoint against artefact; /p b m/ as bands by what became of them."""
    named, fps = heard["curves"], heard["fps"]

    def draw(axes: list[Any]) -> None:
        for ax, (name, pair) in zip(axes, named.items(), strict=True):
            seconds = [at / fps for at in range(len(pair["checkpoint"]))]
            for one in heard["closures"]:
                ax.axvspan(one["start_s"], one["end_s"], color=_CLOSURES[one["verdict"]], alpha=0.22, lw=0)
            ax.plot(seconds, pair["checkpoint"], color=_BEFORE, lw=3, label="checkpoint, float32, in torch")
            ax.plot(seconds, pair["artefact"], color=_AFTER, lw=1.2, label="artefact, as shipped")
            ax.set_ylabel(name)
            ax.set_xlim(0, seconds[-1])
        axes[0].axhline(heard["closed_cm"], color=_INK, lw=0.8, ls=":")
        axes[0].legend(loc="upper right", ncols=2, frameon=False)
        axes[-1].set_xlabel("seconds")

    return figure("curves", 1.0 + 1.35 * len(named), len(named), draw, sharex=True)


def memory(report: Mapping[str, Any]) -> str:
    """Computed rows stacked, measured ones below, and the budget where there is one in sight. Workspace and what is
    held while opening are never there together: the larger one is stacked."""
    parts, measured = report["memory"]["computed"], report["memory"]["measured"]
    counted = report["memory"]["counted_bytes"]
    state = parts["stream_state_bytes"] + parts["in_place_bytes"]

    def draw(axes: list[Any]) -> None:
        (ax,) = axes
        left, smaller = 0.0, min("workspace_bytes", "opening_bytes", key=lambda row: parts[row])
        for (row, words), tint in zip(_ROWS.items(), _SHADES, strict=True):
            if parts[row] and row != smaller:
                ax.barh(0, parts[row] / 1e3, left=left, color=tint, ec="white", label=words, hatch="///", alpha=0.75)
                left += parts[row] / 1e3
        ax.annotate(show_bytes(left * 1e3), (left, 0), (6, -3), "data", "offset points")
        if measured["steady_bytes"] is not None:
            heap = [(measured["load_peak_bytes"], "#5b6470"), (measured["steady_bytes"], "#334e68")]
            for at, (size, tint) in enumerate(heap, 1):
                ax.barh(at, size / 1e3, color=tint, ec="white")
                ax.barh(at, state / 1e3, left=size / 1e3, color="#b08d2f", ec="white")
                ax.annotate(show_bytes(size + state), ((size + state) / 1e3, at), (6, -3), "data", "offset points")
        ax.set_yticks([0, 1, 2], ["computed", "measured: load peak", "measured: after running"])
        ax.set_ylim(2.6, -0.6)
        budget = report["budget_bytes"]
        if budget < 4 * counted:
            ax.axvline(budget / 1e3, color=_LOST, lw=1.2, ls="--")
            ax.annotate(f"budget {show_bytes(budget)}", (budget / 1e3, 1), (-4, -2), ("data", "axes fraction"),
                        "offset points", ha="right", va="top", color=_LOST)  # fmt: skip
        ax.set_xlim(0, ax.get_xlim()[1] * 1.12)
        ax.set_xlabel("kilobytes (1000 bytes); hatched: computed before lowering")
        ax.figure.legend(loc="outside lower center", ncols=7, frameon=False)

    return figure("memory", 2.6, 1, draw)


def pareto(rows: Sequence[Mapping[str, Any]], budget_bytes: int) -> str:
    """Quality over memory: the chosen point filled, what another beats pale. A picture for each measure that points
    were scored by, the one that goes before above; those without any stand in the last, at 0."""
    measures = [name for name in (WHOLE, RECALL) if any(row["quality_is"] == name for row in rows)] or [RECALL]

    def needs(row: Mapping[str, Any]) -> float:
        return float(row["measured_counted_bytes"] or row["computed_counted_bytes"])

    def draw(axes: list[Any]) -> None:
        for ax, measure in zip(axes, measures, strict=True):
            ax.set_ylabel(measure)
            for row in rows:
                if (row["quality_is"] or measures[-1]) == measure:
                    _point(ax, row, needs(row))
            ax.set_xscale("log")
            if budget_bytes < 20 * max(needs(row) for row in rows):
                ax.axvline(budget_bytes, color=_LOST, lw=1.2, ls="--")
        from matplotlib.ticker import FuncFormatter, NullFormatter

        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: show_bytes(value)))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xlabel("memory counted; □ float32, ○ integers; blue XNNPACK, orange portable; dashed: the budget")

    return figure("pareto", 1.0 + 2.8 * len(measures), len(measures), draw, sharex=True)


def _point(ax: Any, row: Mapping[str, Any], needs_bytes: float) -> None:
    """One point of the table, with its name."""
    beaten = bool(row["dominated_by"]) or not row["is_real_time"]
    tint = _AFTER if row["backend"] == "xnnpack" else "#c8541b" if row["backend"] == "portable" else _WON
    face = tint if row["is_chosen"] else "white"
    marker = "s" if row["precision"] == "fp32" else "o"
    ax.plot(needs_bytes, row["quality"], marker, ms=8, mec=tint, mfc=face, alpha=0.4 if beaten else 1.0)
    ax.annotate(row["name"], (needs_bytes, row["quality"]), (6, 4), "data", "offset points", fontsize=7.5,
                alpha=0.5 if beaten else 1.0, fontweight="bold" if row["is_chosen"] else "normal")  # fmt: skip


def sensitivity(found: Mapping[str, Any]) -> str:
    """How far the lips move when one layer alone is rounded; layers that `mixed` keeps in float in orange."""
    layers = found["layers"]
    names = list(layers)

    def draw(axes: list[Any]) -> None:
        (ax,) = axes
        tints = ["#c8541b" if name in found["keep"] else _AFTER for name in names]
        ax.barh(range(len(names)), [1000 * layers[name]["lip_error_cm"] for name in names], color=tints)
        ax.axvline(1000 * found["tolerance_cm"], color=_INK, lw=0.9, ls=":")
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_xlabel("lip gap moves in /p b m/, root mean square, 0.001 cm; orange stays float in mixed precision")

    return figure("sensitivity", 0.9 + 0.24 * len(names), 1, draw)

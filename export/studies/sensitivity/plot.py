"""A sensitivity file as a picture: what each layer does to the lips alone, what it saves, and what that adds up to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill.files.disk import atomic_open

_INTEGERS, _FLOAT = "tab:blue", "tab:orange"


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Write a PNG of the content of a sensitivity file to `path`, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    layers, together = found["layers"], found["together"]
    names = list(layers)
    colours = [_FLOAT if name in found["keep"] else _INTEGERS for name in names]
    figure = Figure(figsize=(12, 0.32 * len(names) + 2.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3, width_ratios=(3, 2, 2))
    left.barh(names, [1000 * layers[name]["lip_error_cm"] for name in names], color=colours)
    left.axvline(1000 * found["tolerance_cm"], color="0.4", linestyle=":", label="tolerance, of all together")
    left.set(xlabel="lip gap moves in /p b m/, rms, 0.001 cm", title=f"{found['student']}: one layer alone in int8")
    left.legend(frameon=False, loc="lower right")
    saved = [(layers[name]["float_bytes"] - layers[name]["int8_bytes"]) / 1000 for name in names]
    middle.barh(names, saved, color=colours)
    middle.set(xlabel="KB that int8 saves", yticklabels=[], title="orange stays float in `mixed`")
    kinds = list(together)
    right.barh(kinds, [1000 * together[kind]["lip_error_cm"] for kind in kinds], color="tab:green")
    for at, kind in enumerate(kinds):
        right.annotate(f" PBM {together[kind]['pbm']:.1%}", (0, at), va="center", fontsize=8)
    right.set(xlabel="lip gap moves, rms, 0.001 cm", title="all together, measured")
    for axes in (left, middle, right):
        axes.invert_yaxis()
        axes.grid(alpha=0.3, axis="x")
        axes.set_axisbelow(True)
    with atomic_open(path) as stream:
        figure.savefig(stream, format="png", dpi=100)

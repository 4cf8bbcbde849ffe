"""The mean mouth in the middle of each phone, one row a system: whether sounds have shapes, to look at.

    python -m distill.recipes.evaluate SYSTEM --people ... --conditions quiet --whole --poses build/SYSTEM.poses.json
    python -m runtime_examples.animate.mouths build/exact.poses.json build/s6.poses.json --out build/mouths.png

A file of poses: `title`, `names` of the rig's channels, `poses`: a mean rig vector by a phone's IPA symbol.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime_examples.animate.raster import Camera, render
from sdk.errors import RigError
from sdk.faces.face import Face
from sdk.rig import RigLayout
from sdk.tools.command import ending
from sdk.tools.limits import read_json_file

PHONES = {"u": "u", "oʊ": "o", "w": "w", "i": "i", "ɑ": "a", "f": "f", "m": "m", "s": "s"}
_PIXELS = 180


@dataclass(frozen=True)
class Poses:
    """One system: its name, its rig, a mean pose by IPA symbol."""

    title: str
    layout: RigLayout
    of: dict[str, np.ndarray]

    @classmethod
    def read(cls, path: Path) -> Poses:
        """Raises `RigError` that names a file which holds no poses."""
        try:
            found = read_json_file(path, RigError)
            layout = RigLayout(tuple(found["names"]))
            poses = {str(phone): np.array(pose, dtype=np.float32) for phone, pose in found["poses"].items()}
            title = str(found["title"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RigError(
                f"{path}: no file of poses ({error}); `python -m distill.recipes.evaluate ... --poses` writes one"
            ) from error
        if wrong := [phone for phone, pose in poses.items() if pose.shape != (len(layout),)]:
            raise RigError(f"{path}: the poses of {', '.join(wrong)} do not fit the {len(layout)} channels named")
        return cls(title, layout, poses)


def draw_mouths(path: Path, rows: Sequence[Poses], face: Face, title: str = "") -> None:
    """Writes the picture: a column a phone of `PHONES`, a row a system; a phone that nobody said stays empty."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    camera = Camera.on(face, yaw_deg=14, height_cm=14)
    height = 1.6 * len(rows) + 0.6  # inches
    figure = Figure(figsize=(1.6 * len(PHONES) + 0.4, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), len(PHONES), squeeze=False)
    for place, (axes_row, system) in enumerate(zip(grid, rows, strict=True)):
        for axes, (phone, label) in zip(axes_row, PHONES.items(), strict=True):
            axes.set_xticks([])
            axes.set_yticks([])
            if place == 0:
                axes.set_title(f"/{label}/", fontsize=10)
            if phone in system.of:
                vertices = face.vertices(system.of[phone], system.layout)
                axes.imshow(render(face, vertices, _PIXELS, _PIXELS, camera))
        axes_row[0].set_ylabel(system.title, fontsize=8)
    figure.suptitle(title or "Mean mouth in the middle of a phone", fontsize=10, y=1 - 0.06 / height)
    figure.subplots_adjust(left=0.05, right=0.99, top=1 - 0.55 / height, bottom=0.02, wspace=0.05)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m runtime_examples.animate.mouths", description=__doc__.split("\n")[0]
    )
    parser.add_argument("poses", type=Path, nargs="+", help="files that `distill.recipes.evaluate --poses` wrote")
    parser.add_argument("--face", type=Path, help="npz or glTF face instead of the default head")
    parser.add_argument("--title", default="", help="above the picture")
    parser.add_argument("--out", type=Path, required=True, help="png to write")
    options = parser.parse_args(arguments)
    with ending() as end:
        face = Face.from_file(options.face) if options.face else Face.default()
        draw_mouths(options.out, [Poses.read(path) for path in options.poses], face, options.title)
        print(f"picture   {options.out}")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())

"""One sentence in several emotions, a row an emotion, a column a moment of it: whether styles can be seen.

    python -m distill.recipes.styled_student ... --moods build/moods.json
    python -m runtime_examples.animate.moods build/moods.json --out build/moods.png

The file: `title`, `names` of the rig's channels, `moments`: a phone each, `rows`: poses at them by emotion.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime_examples.animate.raster import Camera, render
from sdk.errors import RigError
from sdk.faces.face import Face
from sdk.rig import RigLayout
from sdk.tools.command import ending
from sdk.tools.limits import read_json_file

_PIXELS = 200


@dataclass(frozen=True)
class Moods:
    """The same moments of a sentence, `(moments, channels)` by emotion."""

    title: str
    layout: RigLayout
    moments: list[str]
    rows: dict[str, np.ndarray]

    @classmethod
    def read(cls, path: Path) -> Moods:
        """Raises `RigError` that names a file which holds none."""
        try:
            found = read_json_file(path, RigError)
            layout, moments = RigLayout(tuple(found["names"])), list(map(str, found["moments"]))
            rows = {str(name): np.array(poses, dtype=np.float32) for name, poses in found["rows"].items()}
            title = str(found["title"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RigError(
                f"{path}: no file of moods ({error}); `distill.recipes.styled_student --moods` writes one"
            ) from error
        if not rows or any(poses.shape != (len(moments), len(layout)) for poses in rows.values()):
            raise RigError(f"{path}: its poses are not {len(moments)} moments of {len(layout)} channels")
        return cls(title, layout, moments, rows)


def draw_moods(path: Path, moods: Moods, face: Face) -> None:
    """Writes the picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    camera = Camera.on(face, yaw_deg=14, height_cm=26)
    wide, high = 1.35 * len(moods.moments) + 0.5, 1.35 * len(moods.rows) + 0.5
    figure = Figure(figsize=(wide, high), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(moods.rows), len(moods.moments), squeeze=False)
    for row, (axes_row, (name, poses)) in enumerate(zip(grid, moods.rows.items(), strict=True)):
        for axes, moment, pose in zip(axes_row, moods.moments, poses, strict=True):
            axes.set_xticks([])
            axes.set_yticks([])
            axes.imshow(render(face, face.vertices(pose, moods.layout), _PIXELS, _PIXELS, camera))
            if row == 0:
                axes.set_title(f"/{moment}/", fontsize=9)
        axes_row[0].set_ylabel(name, fontsize=9)
    figure.subplots_adjust(left=0.4 / wide, right=0.995, top=1 - 0.3 / high, bottom=0.02, wspace=0.04, hspace=0.04)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m runtime_examples.animate.moods", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("moods", type=Path, help="file that `distill.recipes.styled_student --moods` wrote")
    parser.add_argument("--face", type=Path, help="npz or glTF face instead of the default head")
    parser.add_argument("--out", type=Path, required=True, help="png to write")
    options = parser.parse_args(arguments)
    with ending() as end:
        face = Face.from_file(options.face) if options.face else Face.default()
        draw_moods(options.out, Moods.read(options.moods), face)
        print(f"picture   {options.out}")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())

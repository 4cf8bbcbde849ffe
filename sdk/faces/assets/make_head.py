"""Makes the embedded head: `python -m sdk.faces.assets.make_head [OUT.npz]`. No randomness: same code, same head.

Skin, lips and lids are welded into one surface; eyes, brows, teeth and tongue are parts of their own. Every shape is
a smooth field on top (`head_shapes`). Nothing here is measured from a person or taken from another model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from sdk.faces.assets import head_parts as parts
from sdk.faces.assets import head_surface as surface
from sdk.faces.assets.head_shapes import Anatomy, shapes
from sdk.faces.face import Face
from sdk.rig import ARKIT_52


def skin(outlines: list[np.ndarray]) -> parts.Patch:
    """The head around the outlines `(n, 2)` of mouth and eye, for x >= 0; its first vertices are those outlines."""
    rims = [surface.front(outline) for outline in outlines]
    discs = [surface.unroll(rim) for rim in rims]
    fixed = np.concatenate(discs)
    free = surface.scatter(fixed, discs)
    disc = np.concatenate([fixed, free])
    triangles = surface.delaunay(disc)
    middle = disc[triangles].mean(axis=1)
    triangles = triangles[~(surface.inside(middle, discs[0]) | surface.inside(middle, discs[1]))]
    points = np.concatenate([*rims, surface.roll(free)])
    return parts.Patch(points, triangles, np.tile(np.array(parts.SKIN, dtype=float), (len(points), 1)), "skin")


def build() -> Face:
    """The head as a `Face` with all 52 ARKit shapes."""
    mouth, mouth_outline = parts.mouth()
    lids, lid_outline = parts.lids()
    halves = [
        mouth,
        lids,
        skin([mouth_outline[:-1], lid_outline]),
        parts.eyeball(),
        parts.glint(),
        parts.brow(),
        parts.ear(),
    ]
    whole = [parts.teeth(True), parts.teeth(False), parts.tongue()]
    anatomy = _welded([*halves, *(parts.mirrored(half) for half in halves), *whole])
    middle = (anatomy.part == "mouth") & (anatomy.ring == 0) & (anatomy.q == 0)
    upper = int(np.flatnonzero(middle & (anatomy.half > 0))[0])
    lower = int(np.flatnonzero(middle & (anatomy.half < 0))[0])
    deltas = shapes(anatomy, (upper, lower))
    stack = np.stack([deltas[name] for name in ARKIT_52])
    return Face(ARKIT_52, anatomy.points, stack, anatomy.triangles, upper, lower, anatomy.colours / 255)


def _welded(patches: list[parts.Patch]) -> Anatomy:
    """All patches as one mesh; vertices of skin, lips and lids that coincide become one."""
    join = {"mouth", "lids", "skin"}
    first: dict[tuple[int, ...], int] = {}
    keep: list[tuple[parts.Patch, int]] = []
    triangles = []
    for patch in patches:
        places = []
        for i, point in enumerate(np.round(patch.points * 1e4).astype(int)):
            key = (*map(int, point), int(patch.half[i]) if patch.part == "mouth" and patch.ring[i] < 0 else 9)
            place = first.get(key) if patch.part in join else None
            if place is None:
                place = len(keep)
                keep.append((patch, i))
                if patch.part in join:
                    first[key] = place
            places.append(place)
        triangles.append(np.array(places)[patch.triangles])
    corners = np.concatenate(triangles)
    proper = (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2]) & (corners[:, 2] != corners[:, 0])
    gather = {
        name: np.array([getattr(p, name)[i] for p, i in keep]) for name in ("points", "colours", "q", "ring", "half")
    }
    return Anatomy(part=np.array([p.part for p, _ in keep]), triangles=corners[proper], **gather)


def main() -> None:
    """Write the head and say how large it is."""
    parser = argparse.ArgumentParser(description="make the embedded head")
    parser.add_argument("out", nargs="?", type=Path, default=Path(__file__).parent / "head.npz")
    out = parser.parse_args().out
    face = build()
    face.to_npz(out)
    print(
        f"{out}: {len(face.neutral_cm)} vertices, {len(face.triangles)} triangles, {out.stat().st_size / 1000:.0f} kB"
    )


if __name__ == "__main__":
    main()

"""Somebody's head as it is driven by us: what its controls get, and how far apart its lips then are.

head = RiggedHead.read("head.glb")               by the names it has; or with a map of `tinyface retarget`
head.gap_cm(values, layout)                      as `Face.lip_gap_cm`, on that head

A game's head has no shape called jawOpen, so its lips are found by what our jawOpen becomes there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdk.errors import FaceError
from sdk.faces.container import reading
from sdk.faces.face import Face
from sdk.faces.gltf import read_morphs
from sdk.faces.shapes import find_lips
from sdk.names.retarget import Retarget
from sdk.rig import ARKIT_52, RigLayout
from sdk.scenes.glb import read_scene
from sdk.scenes.targets import Targets, find_targets, target_names

Weigh = Callable[[np.ndarray, RigLayout], np.ndarray]  # our values (frames, channels) -> its controls (frames, K)
Lips = tuple[int, int]
_UNIT_CM = 100.0  # glTF counts metres
_SMALLEST_CM = 0.005  # at a channel's full value


@dataclass(frozen=True, eq=False)
class RiggedHead:
    """`controls`: names of the head's shapes. gap in cm = `rest_cm` + controls `(..., K)` @ `row_cm` `(K,)`."""

    controls: tuple[str, ...]
    weigh: Weigh
    rest_cm: float
    row_cm: np.ndarray

    @classmethod
    def of(
        cls, names: Sequence[str], neutral_cm: np.ndarray, deltas_cm: np.ndarray, weigh: Weigh, lips: Lips | None = None
    ) -> RiggedHead:
        """A mesh `(V, 3)` with shapes `(K, V, 3)`. Raises `FaceError` where our jawOpen moves no lips of it."""
        if lips is None:
            layout = RigLayout.arkit()
            jaw = weigh(layout.vector({"jawOpen": 1.0})[None], layout)[0]
            lips = find_lips(neutral_cm, np.einsum("k,kvx->vx", jaw, deltas_cm))
        upper, lower = lips
        row = deltas_cm[:, upper, 1].astype(np.float64) - deltas_cm[:, lower, 1]
        return cls(tuple(names), weigh, float(neutral_cm[upper, 1] - neutral_cm[lower, 1]), row)

    @classmethod
    def mapped(
        cls, made: Retarget, names: Sequence[str], neutral_cm: np.ndarray, deltas_cm: np.ndarray, lips: Lips | None
    ) -> RiggedHead:
        """A mesh whose shapes are the controls of a map, others still. Raises `FaceError` where it has none of them."""
        shared = [control for control in made.controls if control in names]
        if not shared:
            raise FaceError(f"this head has none of the controls; it has: {', '.join(names[:30])}")
        there, here = [names.index(c) for c in shared], [made.controls.index(c) for c in shared]

        def weigh(values: np.ndarray, layout: RigLayout) -> np.ndarray:
            out = np.zeros((*values.shape[:-1], len(names)), np.float32)
            out[..., there] = np.clip(made.values(values, layout)[..., here], 0.0, 1.0)
            return out

        return cls.of(names, neutral_cm, deltas_cm, weigh, lips)

    @classmethod
    def read(cls, head: Path, named: Mapping[str, Mapping[str, float]] | None = None) -> RiggedHead:
        """A `.glb`, `.gltf` or `.vrm` by its names, or any head that `Face` reads by a map: channel -> {shape: weight}.

        Raises `FaceError`, `RigError`.
        """
        if head.suffix.lower() == ".npz":
            face = Face.from_npz(head)
            made = Retarget.from_map(named or {name: {name: 1.0} for name in face.names if name in ARKIT_52})
            return cls.mapped(made, face.names, face.neutral_cm, face.deltas_cm, (face.upper_lip, face.lower_lip))
        try:
            names, neutral, deltas, _ = read_morphs(head)
            if named:
                return cls.mapped(Retarget.from_map(named), names, neutral * _UNIT_CM, deltas * _UNIT_CM, None)
            return cls.of(names, neutral * _UNIT_CM, deltas * _UNIT_CM, _by_names(head, names))
        except FaceError as error:
            raise FaceError(str(error) if str(head) in str(error) else f"{head}: {error}") from error

    def controls_of(self, values: np.ndarray, layout: RigLayout) -> np.ndarray:
        """Our values `(frames, channels)` as its controls `(frames, K)`, each 0..1."""
        return self.weigh(np.asarray(values, np.float32), layout)

    def gap_cm(self, values: np.ndarray, layout: RigLayout) -> np.ndarray:
        """How far apart the lips' middles are on y `(frames,)`, for our values `(frames, channels)`."""
        gap: np.ndarray = self.rest_cm + self.controls_of(values, layout) @ self.row_cm
        return gap


def shut_as_ours(made: Retarget, head: RiggedHead) -> Retarget:
    """The map with more of the control that shuts the lips, so that each channel closes them as far as on our head.

    What shuts our lips is not mouthClose alone: the lower lip's shrug, both rolls, the press; a rig that has none of
    them stays 0.2 cm open at every /p b m/. Gaps are in units of what jawOpen opens on either head. Raises `FaceError`
    where jawOpen opens nothing there, or no control shuts.
    """
    layout = RigLayout.arkit()
    _, ours = Face.default().lip_gap_row(layout)
    rows = np.array([head.row_cm[head.controls.index(c)] if c in head.controls else 0.0 for c in made.controls])
    theirs, shutter, jaw = made.weights @ rows, int(rows.argmin()), layout.index("jawOpen")
    if theirs[jaw] <= 0 or rows[shutter] >= 0:
        raise FaceError("no control of the map opens the lips with jawOpen, or none shuts them: add pairs that do")
    lacking = theirs - ours * (theirs[jaw] / ours[jaw])
    weights = made.weights.copy()
    weights[:, shutter] += np.where(lacking > _SMALLEST_CM, lacking / -rows[shutter], 0.0).astype(np.float32)
    return Retarget(made.controls, weights)


def _by_names(head: Path, names: Sequence[str]) -> Weigh:
    """What `animate --mesh` writes into that file: a shape that several meshes share has one weight."""
    content = read_scene(head).json
    with reading(head):
        places = {mesh: [names.index(name) for name in theirs] for mesh, theirs in target_names(content).items()}
    known: dict[tuple[str, ...], Targets] = {}

    def weigh(values: np.ndarray, layout: RigLayout) -> np.ndarray:
        targets = known.get(layout.names) or known.setdefault(layout.names, find_targets(content, layout))
        out = np.zeros((*values.shape[:-1], len(names)), np.float32)
        for mesh, weights in targets.weights(values, layout).items():
            out[..., places[mesh]] = weights
        return out

    return weigh

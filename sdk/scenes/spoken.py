"""A recording's frames as an animation in somebody's head: morph-target weights at the frames' own times.

glTF 2.0: a channel with path `weights` on each node whose mesh moves; an input of seconds with min and max, an output
of targets x frames scalars, frame by frame. Everything else in the file stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from sdk.errors import FaceError
from sdk.faces.container import reading
from sdk.rig import Frame, RigLayout
from sdk.scenes.glb import Scene, read_scene
from sdk.scenes.targets import Targets, find_targets, target_names


def animate_scene(
    scene: Scene,
    frames: Sequence[Frame],
    layout: RigLayout,
    fps: Fraction,
    named: Mapping[str, Mapping[str, float]] | None = None,
    name: str = "speech",
) -> Targets:
    """Add the frames to `scene` as an animation; returns what they move. Raises `FaceError` where that is nothing."""
    if not frames:
        raise FaceError("no frames to animate a head with")
    with reading():
        targets = find_targets(scene.json, layout, named)
        weights = targets.weights(np.stack([frame.values for frame in frames]), layout)
        times = np.array([float(frame.index / fps) for frame in frames], "<f4")
        clock = scene.accessor(times, bounds=True)
        samplers: list[dict[str, Any]] = []
        channels: list[dict[str, Any]] = []
        outputs: dict[int, int] = {}
        for number, node in enumerate(scene.json.get("nodes", [])):
            mesh = node.get("mesh")
            if mesh not in weights:
                continue
            if mesh not in outputs:
                rest = node.get("weights", scene.json["meshes"][mesh].get("weights"))
                outputs[mesh] = _output(scene, weights[mesh], targets.driven(mesh), rest)
            channels.append({"sampler": len(samplers), "target": {"node": number, "path": "weights"}})
            samplers.append({"input": clock, "output": outputs[mesh], "interpolation": "LINEAR"})
        if not channels:
            raise FaceError("its meshes with morph targets hang on no node of a scene")
        scene.json.setdefault("animations", []).append({"name": name, "samplers": samplers, "channels": channels})
    return targets


def _output(scene: Scene, weights: np.ndarray, driven: np.ndarray, rest: Sequence[float] | None) -> int:
    """The accessor of a mesh's weights; targets that we do not drive keep the value the file gives them."""
    if rest is not None:
        weights = weights.copy()
        kept = np.asarray(rest, "<f4")
        if kept.shape != driven.shape:
            raise FaceError(f"a mesh of it has {driven.size} morph targets and {kept.size} weights")
        weights[:, ~driven] = kept[~driven]
    return scene.accessor(weights.reshape(-1))


def spoken_glb(
    head: Path,
    frames: Sequence[Frame],
    layout: RigLayout,
    fps: Fraction,
    named: Mapping[str, Mapping[str, float]] | None = None,
    name: str = "speech",
) -> tuple[bytes, Targets]:
    """The head in `head` (`.glb`, `.gltf`, `.vrm`) speaking: GLB bytes, and what moves in it. Raises `FaceError`."""
    scene = read_scene(head)
    try:
        targets = animate_scene(scene, frames, layout, fps, named, name)
    except FaceError as error:
        raise FaceError(f"{head}: {error}") from None
    return scene.to_bytes(), targets


def weights_at(scene: Scene, second: float) -> dict[int, dict[str, float]]:
    """The first animation's weights at a time, mesh -> target -> weight: what a viewer shows then."""
    found: dict[int, dict[str, float]] = {}
    animation = scene.json["animations"][0]
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        mesh = scene.json["nodes"][channel["target"]["node"]]["mesh"]
        names = target_names(scene.json)[mesh]
        times, values = scene.array(sampler["input"]), scene.array(sampler["output"])
        rows = values.reshape(len(times), len(names))
        found[mesh] = {
            name: float(np.interp(second, times, column)) for name, column in zip(names, rows.T, strict=True)
        }
    return found

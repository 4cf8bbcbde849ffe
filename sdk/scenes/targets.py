"""Which morph targets of somebody's head our channels move: found by name, in the spelling that fits the head best.

The spelling that drives most of the mouth wins: ARKit's names (any case, `_L` for Left, ICT's halves), CC4, MetaHuman,
Oculus visemes (`viseme_aa`, `aa`, `O`), VRM expressions (the file's own binds, or VRoid's `Fcl_MTH_A`). What that
spelling cannot carry, lids and brows of a head with visemes, goes by ARKit's names where the head has them and nobody
drives them. A map of the user's goes before all, and stands alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdk.errors import FaceError, RigError
from sdk.faces.container import reading
from sdk.faces.shapes import canonical, mapping
from sdk.names.convert import Convention, arkit_values, check_mouth, convention
from sdk.names.visemes import OVR_OTHER_SPELLING
from sdk.rig import ARKIT_52, RigLayout
from sdk.tools.limits import read_json_file

Binds = dict[str, list[tuple[int, int, float]]]  # a VRM expression: (mesh, target, weight)
_SAID = {
    "arkit": "ARKit",
    "cc4": "CC4",
    "metahuman": "MetaHuman",
    "oculus": "Oculus visemes",
    "vrm1": "VRM",
    "map": "the map",
}
_VROID = {
    "aa": "Fcl_MTH_A", "ih": "Fcl_MTH_I", "ou": "Fcl_MTH_U", "ee": "Fcl_MTH_E", "oh": "Fcl_MTH_O",
    "blinkLeft": "Fcl_EYE_Close_L", "blinkRight": "Fcl_EYE_Close_R",
}  # fmt: skip
_VRM0 = {"a": "aa", "i": "ih", "u": "ou", "e": "ee", "o": "oh", "blink_l": "blinkLeft", "blink_r": "blinkRight"}


@dataclass(frozen=True, eq=False)
class Targets:
    """How frames become morph-target weights of each mesh.

    spelling: the convention that fitted. shares: mesh -> `(convention's channels, its targets)`. besides: mesh ->
    `(52, its targets)`, what ARKit's channels move beside those. missing: ARKit channels of the rig that move nothing
    on this head. mapped: the channels of the map. nowhere: its targets that no mesh has.
    """

    spelling: str
    source: Convention | None
    shares: dict[int, np.ndarray]
    missing: tuple[str, ...]
    besides: dict[int, np.ndarray]
    mapped: tuple[str, ...] = ()
    nowhere: tuple[str, ...] = ()

    def driven(self, mesh: int) -> np.ndarray:
        """Which targets of a mesh that moves are driven, `(targets,)` bool."""
        return np.asarray(self.shares[mesh].any(axis=0) | self.besides[mesh].any(axis=0))

    def weights(self, values: np.ndarray, layout: RigLayout) -> dict[int, np.ndarray]:
        """Rig values `(frames, channels)` as weights `(frames, targets)` of each mesh that moves, from 0 to 1."""
        ours = shaped = arkit_values(values, layout)
        if self.source:
            shaped = self.source.from_arkit(ours) / np.float32(self.source.scale)
        return {
            mesh: np.clip(shaped @ share + ours @ self.besides[mesh], 0.0, 1.0).astype("<f4")
            for mesh, share in self.shares.items()
        }

    def said(self) -> str:
        """In one line: what was found and what was not."""
        moved = sum(int(self.driven(mesh).sum()) for mesh in self.shares)
        meshes = f"{len(self.shares)} mesh{'es' if len(self.shares) > 1 else ''}"
        besides = " and ARKit" if any(share.any() for share in self.besides.values()) else ""
        parts = [f"{moved} targets on {meshes} by {_SAID[self.spelling]}{besides}"]
        left_out = [name for name in self.missing if name not in self.mapped]
        if left_out:
            where = "in the map" if self.spelling == "map" else "on this head"
            parts.append(f"not {where}: {', '.join(left_out)}")
        if self.nowhere:
            parts.append(f"in the map, and on no mesh: {', '.join(self.nowhere)}")
        return "; ".join(parts if len(parts) > 1 else [*parts, "nothing is missing"])


def target_names(content: dict[str, Any]) -> dict[int, list[str]]:
    """Mesh -> the names of its morph targets, where it has any; those without are called by their number."""
    found = {}
    for number, mesh in enumerate(content.get("meshes", [])):
        count = max((len(part.get("targets", [])) for part in mesh["primitives"]), default=0)
        names = mesh.get("extras", {}).get("targetNames") or mesh["primitives"][0].get("extras", {}).get("targetNames")
        if count:
            called = [str(name) for name in (names or ())][:count]
            found[number] = called + [str(place) for place in range(len(called), count)]
    return found


def find_targets(
    content: dict[str, Any], layout: RigLayout, named: Mapping[str, Mapping[str, float]] | None = None
) -> Targets:
    """The targets of a glTF's meshes. `named`: our channel -> {their target: weight}, before all spellings.

    Raises `FaceError` where nothing of the mouth is found, naming what the head has; `RigError` for a rig
    that has not ARKit's mouth.
    """
    check_mouth(layout, "a head")
    with reading():
        meshes = target_names(content)
        if not meshes:
            raise FaceError("no mesh of it has morph targets; export the head with its blendshapes")
        vrm = _by_vrm(content, meshes)
        if not all(np.isfinite(share).all() for share in vrm.values()):
            raise FaceError("its expressions have weights that are NaN or infinite")
    known = [name for name in ARKIT_52 if name in layout.names]
    tries: list[tuple[str, Convention | None, dict[int, np.ndarray]]] = []
    tries += [("map", None, _by_map(named, meshes))] if named else []
    tries += [("arkit", None, {m: mapping(ARKIT_52, names) for m, names in meshes.items()})]
    tries += [(s, convention(s), _by_spelling(convention(s).names, meshes)) for s in ("cc4", "metahuman", "oculus")]
    tries += [("vrm1", convention("vrm1"), vrm)]
    judged = [(_lacking(source, shares, known), spelling, source, shares) for spelling, source, shares in tries]
    lacking, spelling, source, shares = (
        judged[0] if named else min(judged, key=lambda one: _mouth(one[0], one[2], one[3]))
    )
    besides = {mesh: np.zeros((len(ARKIT_52), len(names)), np.float32) for mesh, names in meshes.items()}
    if source:
        besides = _besides(lacking, shares, meshes)
        lacking = [n for n in lacking if not any(own[ARKIT_52.index(n)].any() for own in besides.values())]
    has = list(dict.fromkeys(name for names in meshes.values() for name in names))
    aimed = [target for parts in (named or {}).values() for target in parts]
    nowhere = tuple(dict.fromkeys(target for target in aimed if target not in has))
    moving = [mesh for mesh, share in shares.items() if share.any() or besides[mesh].any()]
    if not moving and named:
        raise FaceError(
            f"no mesh of it has a target that the map moves: {', '.join(nowhere[:40])}; it has: {', '.join(has[:40])}. "
            "Write their names as they are there"
        )
    if not moving:
        raise FaceError(
            f"no morph target of it has a name that is known here; it has: {', '.join(has[:40])}. Give a map "
            'as JSON: {"jawOpen": {"their name": 1.0}, ...}'
        )
    shares, besides = ({mesh: all_of[mesh] for mesh in moving} for all_of in (shares, besides))
    return Targets(spelling, source, shares, tuple(lacking), besides, tuple(named or ()), nowhere)


def read_map(path: Path) -> dict[str, dict[str, float]]:
    """Channels to targets, JSON: `{"jawOpen": {"Jaw_Drop": 0.9}}` or `{"jawOpen": "Jaw_Drop"}`. Raises `RigError`."""
    try:
        raw = read_json_file(path, RigError)
        raw = raw.get("channels", raw)
        named = {
            str(c): {t: 1.0} if isinstance(t, str) else {str(k): float(w) for k, w in t.items()} for c, t in raw.items()
        }
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise RigError(f'{path}: no map {{"jawOpen": {{"their name": 1.0}}}}: {error}') from error
    if strange := [channel for channel, parts in named.items() if not all(map(math.isfinite, parts.values()))]:
        raise RigError(f"{path}: weights that are NaN or infinite: {', '.join(strange)}")
    unknown = [channel for channel in named if channel not in ARKIT_52]
    if unknown:
        raise RigError(f"{path}: no ARKit channels: {', '.join(unknown)}")
    return named


def _by_map(named: Mapping[str, Mapping[str, float]], meshes: dict[int, list[str]]) -> dict[int, np.ndarray]:
    shares = {mesh: np.zeros((len(ARKIT_52), len(names)), np.float32) for mesh, names in meshes.items()}
    for channel, parts in named.items():
        for target, weight in parts.items():
            for mesh, names in meshes.items():
                if target in names:
                    shares[mesh][ARKIT_52.index(channel), names.index(target)] = weight
    return shares


def _plain(name: str) -> str:
    """`blendShape1.viseme_aa` and `Viseme_AA` alike: no prefix, case or separator."""
    name = re.split(r"[.:|/]", name)[-1]
    return re.sub(r"[^0-9a-z]", "", re.sub(r"(?i)^(viseme|vrc\.v|v)_", "", name).lower())


def _by_spelling(theirs: Sequence[str], meshes: dict[int, list[str]]) -> dict[int, np.ndarray]:
    shares = {}
    for mesh, names in meshes.items():
        share = np.zeros((len(theirs), len(names)), np.float32)
        plain = [_plain(name) for name in names]
        for row, name in enumerate(theirs):
            for spelled in (name, OVR_OTHER_SPELLING.get(name, name)):
                if _plain(spelled) in plain and not share[row].any():
                    share[row, plain.index(_plain(spelled))] = 1.0
        shares[mesh] = share
    return shares


def _by_vrm(content: dict[str, Any], meshes: dict[int, list[str]]) -> dict[int, np.ndarray]:
    theirs = convention("vrm1").names
    shares = {mesh: np.zeros((len(theirs), len(names)), np.float32) for mesh, names in meshes.items()}
    binds = _binds(content)
    for row, name in enumerate(theirs):
        for mesh, target, weight in binds.get(name, []):
            if mesh in shares and target < shares[mesh].shape[1]:
                shares[mesh][row, target] = weight
        if not binds:
            for mesh, names in meshes.items():
                spelled = [canonical(n) for n in names]
                for word in (_VROID.get(name, name), name):
                    if canonical(word) in spelled and not shares[mesh][row].any():
                        shares[mesh][row, spelled.index(canonical(word))] = 1.0
    return shares


def _binds(content: dict[str, Any]) -> Binds:
    """What a VRM says of its own expressions, either version."""
    extensions, nodes = content.get("extensions", {}), content.get("nodes", [])
    found: Binds = {}
    for name, entry in extensions.get("VRMC_vrm", {}).get("expressions", {}).get("preset", {}).items():
        for bind in entry.get("morphTargetBinds", []):
            found.setdefault(name, []).append((nodes[bind["node"]]["mesh"], bind["index"], float(bind["weight"])))
    for group in extensions.get("VRM", {}).get("blendShapeMaster", {}).get("blendShapeGroups", []):
        name = _VRM0.get(str(group.get("presetName", "")).lower())
        for bind in group.get("binds", []) if name else []:
            found.setdefault(str(name), []).append((bind["mesh"], bind["index"], float(bind["weight"]) / 100.0))
    return found


def _lacking(source: Convention | None, shares: dict[int, np.ndarray], known: Sequence[str]) -> list[str]:
    """The channels of the rig that move nothing."""
    moved = np.any([share.any(axis=1) for share in shares.values()], axis=0)
    if source is None:
        return [name for name in known if not moved[ARKIT_52.index(name)]]
    if not moved.any():
        return list(known)
    sums = source.matrix @ moved
    return [
        n
        for n in known
        if n in source.lacking or (source.matrix[ARKIT_52.index(n)].any() and not sums[ARKIT_52.index(n)])
    ]


def _besides(
    lacking: Sequence[str], shares: dict[int, np.ndarray], meshes: dict[int, list[str]]
) -> dict[int, np.ndarray]:
    """Mesh -> `(52, its targets)`: what the channels that are lacking move by ARKit's names, but for what is driven."""
    rows = np.isin(ARKIT_52, lacking)[:, None]
    return {
        mesh: np.where(rows & ~shares[mesh].any(axis=0), mapping(ARKIT_52, names), np.float32(0))
        for mesh, names in meshes.items()
    }


def _mouth(lacking: Sequence[str], source: Convention | None, shares: dict[int, np.ndarray]) -> tuple[int, int]:
    """Smaller is better: nothing found, then how many channels of the mouth and how many poses are not there."""
    moved = np.any([share.any(axis=1) for share in shares.values()], axis=0)
    poses = [not there for there, parts in zip(moved, source.mix.values(), strict=True) if not parts] if source else []
    return int(not moved.any()), sum(name.startswith(("jaw", "mouth")) for name in lacking) + sum(poses)

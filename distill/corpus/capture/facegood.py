"""FACEGOOD's production rig in ARKit's names, where its 116 channels have a counterpart there.

Both rigs are FACS in other words: a `mouth_stretch` is the jaw, a `lipCornerPull` a smile, a `suck` a rolled lip. Left
and right of one ARKit channel are averaged, and so are the quarters of a funnel. What moves in the recordings and is
not mapped: `mouth_oh_c` (a whole viseme; beside the other channels it explains nothing of what a teacher hears in the
same speech), `tooth_d_d` (the lower teeth without the lip) and `mouth_stretch_u`. `mouth_oo_c` joins the pucker, which
is what it goes with. FACEGOOD has no `mouthClose`: its lips shut by pressing and by a jaw that is shut, so closures of
these curves are closures of that rig, and a full jaw opens it about a third as far as ours on the same speech.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdk.errors import DataError

_SIDES = (("Left", "l"), ("Right", "r"))
_PAIRED = {
    "browDown": "brow_lower", "browOuterUp": "brow_raise", "cheekSquint": "cheek_raise", "eyeBlink": "eye_blink1",
    "eyeLookDown": "eye_lookDown1", "eyeLookUp": "eye_lookUp", "eyeSquint": "eye_lidTight",
    "eyeWide": "eye_upperLidRaise", "jaw": "jaw_sideways", "mouth": "mouth_sideways", "mouthDimple": "mouth_dimple",
    "mouthFrown": "mouth_lipCornerDepress", "mouthLowerDown": "mouth_lowerLipDepress", "mouthPress": "mouth_press",
    "mouthSmile": "mouth_lipCornerPull", "mouthStretch": "mouth_lipStretch", "mouthUpperUp": "mouth_upperLipRaise",
    "noseSneer": "nose_wrinkle",
}  # fmt: skip
_SINGLE: dict[str, tuple[str, ...]] = {
    "browInnerUp": ("brow_raise_c",),
    "cheekPuff": ("cheek_puff_l", "cheek_puff_r"),
    "eyeLookInLeft": ("eye_lookRight_l",),
    "eyeLookOutLeft": ("eye_lookLeft_l",),
    "eyeLookInRight": ("eye_lookLeft_r",),
    "eyeLookOutRight": ("eye_lookRight_r",),
    "jawForward": ("jaw_thrust_c",),
    "jawOpen": ("mouth_stretch_c",),
    "mouthFunnel": ("mouth_funnel_dl", "mouth_funnel_dr", "mouth_funnel_ul", "mouth_funnel_ur"),
    "mouthPucker": ("mouth_pucker_l", "mouth_pucker_r"),
    "mouthRollLower": ("mouth_suck_dl", "mouth_suck_dr"),
    "mouthRollUpper": ("mouth_suck_ul", "mouth_suck_ur"),
    "mouthShrugLower": ("mouth_chinRaise_d",),
    "mouthShrugUpper": ("mouth_chinRaise_u",),
}
_JOINS = {"mouthPucker": "mouth_oo_c"}  # the larger of the two counts


def arkit_sources() -> dict[str, tuple[str, ...]]:
    """ARKit name -> the FACEGOOD channels whose mean it is."""
    paired = {f"{ours}{side}": (f"{theirs}_{short}",) for ours, theirs in _PAIRED.items() for side, short in _SIDES}
    return {**paired, **_SINGLE}


def to_arkit(names: Sequence[str], values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """ARKit names and their values `(frames, names)` float32 from FACEGOOD's `(frames, 116)`.

    Raises `DataError` naming a channel that is not there: the other name list of that project is shifted.
    """
    place = {name: number for number, name in enumerate(names)}
    sources = arkit_sources()
    wanted = [*(name for group in sources.values() for name in group), *_JOINS.values()]
    if missing := sorted(set(wanted) - place.keys()):
        raise DataError(f"no FACEGOOD channel {', '.join(missing)}; are these shirley_1015_bs_name.npy's names?")
    columns = [values[:, [place[name] for name in group]].mean(1) for group in sources.values()]
    mapped = np.stack(columns, 1).astype(np.float32)
    for ours, theirs in _JOINS.items():
        column = list(sources).index(ours)
        mapped[:, column] = np.maximum(mapped[:, column], values[:, place[theirs]])
    return list(sources), mapped

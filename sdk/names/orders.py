"""The orders and spellings that only rename ARKit's channels, and two that split one channel among several shapes.

Each table says, for every channel of a convention in its order, which ARKit channels make it and how much of each.
Sources: Apple's ARFaceAnchor.BlendShapeLocation; Unreal's EARFaceBlendShape; recordings of the Live Link Face app;
Unity's ARKitBlendShapeLocation; MediaPipe's face blendshapes; ICT-FaceKit; Reallusion CC4's extended profile.
"""

from __future__ import annotations

from sdk.rig import ARKIT_52

Mix = dict[str, dict[str, float]]

# Live Link sends nine rotations after the 52; none of them is a blendshape of ARKit
ROTATIONS = (
    "headYaw", "headPitch", "headRoll", "leftEyeYaw", "leftEyePitch", "leftEyeRoll", "rightEyeYaw", "rightEyePitch",
    "rightEyeRoll",
)  # fmt: skip
# The app's files swap these against the app's packets.
SWAPPED = {"jawLeft": "jawRight", "jawRight": "jawLeft", "mouthLeft": "mouthRight", "mouthRight": "mouthLeft"}
PACKET_ORDER: tuple[str, ...] = ARKIT_52 + ROTATIONS
IPHONE_ORDER: tuple[str, ...] = tuple(SWAPPED.get(name, name) for name in ARKIT_52) + ROTATIONS

_ICT_WHOLE = (
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel", "mouthLeft", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
)  # fmt: skip
_ICT_OWN = ("PupilDilate_L", "PupilDilate_R", "cheekRaiser_L", "cheekRaiser_R")

_CC4 = {
    "eyeBlink": "Eye_Blink", "eyeSquint": "Eye_Squint", "eyeWide": "Eye_Wide", "mouthSmile": "Mouth_Smile",
    "mouthFrown": "Mouth_Frown", "mouthDimple": "Mouth_Dimple", "mouthStretch": "Mouth_Stretch",
    "mouthPress": "Mouth_Press", "mouthLowerDown": "Mouth_Down_Lower", "mouthUpperUp": "Mouth_Up_Upper",
    "browDown": "Brow_Drop", "browOuterUp": "Brow_Raise_Outer", "cheekSquint": "Cheek_Raise", "noseSneer": "Nose_Sneer",
}  # fmt: skip
_CC4_WHOLE = {
    "jawForward": ("Jaw_Forward",), "jawLeft": ("Jaw_L",), "jawRight": ("Jaw_R",), "jawOpen": ("Jaw_Open",),
    "mouthClose": ("Mouth_Close",), "mouthLeft": ("Mouth_L",), "mouthRight": ("Mouth_R",),
    "mouthFunnel": ("Mouth_Funnel_Up_L", "Mouth_Funnel_Up_R", "Mouth_Funnel_Down_L", "Mouth_Funnel_Down_R"),
    "mouthPucker": ("Mouth_Pucker_Up_L", "Mouth_Pucker_Up_R", "Mouth_Pucker_Down_L", "Mouth_Pucker_Down_R"),
    "mouthRollLower": ("Mouth_Roll_In_Lower_L", "Mouth_Roll_In_Lower_R"),
    "mouthRollUpper": ("Mouth_Roll_In_Upper_L", "Mouth_Roll_In_Upper_R"),
    "mouthShrugLower": ("Mouth_Shrug_Lower",), "mouthShrugUpper": ("Mouth_Shrug_Upper",),
    "browInnerUp": ("Brow_Raise_Inner_L", "Brow_Raise_Inner_R"), "cheekPuff": ("Cheek_Puff_L", "Cheek_Puff_R"),
    "tongueOut": ("Tongue_Out",),
    # an eye looks out to its own side, in to the other
    "eyeLookOutLeft": ("Eye_L_Look_L",), "eyeLookInLeft": ("Eye_L_Look_R",), "eyeLookUpLeft": ("Eye_L_Look_Up",),
    "eyeLookDownLeft": ("Eye_L_Look_Down",), "eyeLookInRight": ("Eye_R_Look_L",), "eyeLookOutRight": ("Eye_R_Look_R",),
    "eyeLookUpRight": ("Eye_R_Look_Up",), "eyeLookDownRight": ("Eye_R_Look_Down",),
}  # fmt: skip


def pascal(name: str) -> str:
    """`jawOpen` as Unreal spells it: `JawOpen`."""
    return name[0].upper() + name[1:]


def arkit_name(name: str) -> str:
    """`JawOpen` as ARKit spells it, `jawOpen`; names that Live Link does not know stay as they are."""
    spelled = name[:1].lower() + name[1:]
    return spelled if spelled in PACKET_ORDER else name


def same(names: tuple[str, ...]) -> Mix:
    """ARKit's own spelling in another order; names that ARKit does not know stay empty."""
    return {name: {name: 1.0} if name in ARKIT_52 else {} for name in names}


def live_link(order: tuple[str, ...]) -> Mix:
    return {pascal(name): {name: 1.0} if name in ARKIT_52 else {} for name in order}


def mediapipe() -> Mix:
    """Alphabetical, `_neutral` first, no tongue."""
    return {"_neutral": {}, **same(tuple(sorted(set(ARKIT_52) - {"tongueOut"})))}


def ict() -> Mix:
    """ICT-FaceKit's 57, alphabetical as its files are: sides as `_L` and `_R`, no tongue."""
    mix: Mix = {name: {} for name in _ICT_OWN}
    for name in ARKIT_52:
        if name in _ICT_WHOLE:
            mix[name] = {name: 1.0}
        elif name.endswith(("Left", "Right")):
            side = "Left" if name.endswith("Left") else "Right"
            mix[f"{name.removesuffix(side)}_{side[0]}"] = {name: 1.0}
        elif name != "tongueOut":  # browInnerUp, cheekPuff: halves
            mix |= {f"{name}_L": {name: 1.0}, f"{name}_R": {name: 1.0}}
    return {name: mix[name] for name in sorted(mix)}


def cc4() -> Mix:
    """Reallusion CC4 (extended): the head's shapes. On some exports `Jaw_Open` is the jaw bone's business."""
    mix: Mix = {}
    for name in ARKIT_52:
        side = name.endswith(("Left", "Right")) and ("Left" if name.endswith("Left") else "Right")
        base = name.removesuffix(side) if side else name
        if base in _CC4 and side:
            mix[f"{_CC4[base]}_{side[0]}"] = {name: 1.0}
        else:
            mix |= {shape: {name: 1.0} for shape in _CC4_WHOLE[name]}
    return mix

"""MetaHuman's control curves from ARKit's channels.

The mouth's rows are those of Unreal's own ARKit mapping pose. It has none for mouthClose, and that is why lips driven
through it stay open; `mouthLipsTogether*` are the curves that shut them. They act on what the jaw has opened
(RigLogic multiplies both), while ARKit's mouthClose says how much of the jaw's opening is undone: so the curve is
mouthClose / jawOpen. Names are those of Unreal 5's archetype; not yet seen moving on a MetaHuman.
"""

from __future__ import annotations

from sdk.names.orders import Mix

PREFIX = "CTRL_expressions_"
TOGETHER = tuple(f"{PREFIX}mouthLipsTogether{corner}" for corner in ("UL", "UR", "DL", "DR"))
LEAST_JAW = 0.05  # below this opening there is nothing to shut

_SIDED = {
    "eyeBlink": "eyeBlink", "eyeSquint": "eyeSquintInner", "eyeWide": "eyeWiden", "browOuterUp": "browRaiseOuter",
    "cheekSquint": "eyeCheekRaise", "noseSneer": "noseWrinkle", "mouthSmile": "mouthCornerPull",
    "mouthFrown": "mouthCornerDepress", "mouthDimple": "mouthDimple", "mouthStretch": "mouthStretch",
    "mouthLowerDown": "mouthLowerLipDepress", "mouthUpperUp": "mouthUpperLipRaise", "eyeLookUp": "eyeLookUp",
    "eyeLookDown": "eyeLookDown",
}  # fmt: skip
_WHOLE = {
    "jawForward": "jawFwd", "jawLeft": "jawLeft", "jawRight": "jawRight", "jawOpen": "jawOpen",
    "mouthLeft": "mouthLeft", "mouthRight": "mouthRight", "tongueOut": "tongueOut",
}  # fmt: skip
_CORNERS = ("UL", "UR", "DL", "DR")


def metahuman() -> Mix:
    """Curves in the order in which they are first needed; `mouthLipsTogether*` are made by `convert`, not by sums."""
    mix: Mix = {}

    def add(curve: str, channel: str, weight: float = 1.0) -> None:
        mix.setdefault(PREFIX + curve, {})[channel] = weight

    for channel, curve in _WHOLE.items():
        add(curve, channel)
    for channel, curve in _SIDED.items():
        for side in ("Left", "Right"):
            add(curve + side[0], channel + side)
    for eye, out, into in (("L", "Left", "Right"), ("R", "Right", "Left")):
        side = "Left" if eye == "L" else "Right"
        add(f"eyeLook{out}{eye}", f"eyeLookOut{side}")
        add(f"eyeLook{into}{eye}", f"eyeLookIn{side}")
        add(f"browDown{eye}", f"browDown{side}")
        add(f"browLateral{eye}", f"browDown{side}")
        add(f"browRaiseIn{eye}", "browInnerUp")
        add(f"mouthPressU{eye}", f"mouthPress{side}")
        add(f"mouthPressD{eye}", f"mouthPress{side}")
        add(f"mouthCheekBlow{eye}", "cheekPuff")
        add(f"mouthLowerLipRollIn{eye}", "mouthRollLower")
        add(f"mouthUpperLipRollIn{eye}", "mouthRollLower", 0.499)
        add(f"mouthUpperLipRollIn{eye}", "mouthRollUpper", 0.998)
        add(f"jawChinRaiseD{eye}", "mouthShrugLower")
        add(f"jawChinRaiseU{eye}", "mouthShrugUpper")
    for corner in _CORNERS:
        add(f"mouthFunnel{corner}", "mouthFunnel")
        add(f"mouthFunnel{corner}", "mouthPucker", 0.752)
        add(f"mouthLipsPurse{corner}", "mouthPucker")
        add(f"mouthLipsTowards{corner}", "mouthPucker", 0.412)
    return {**mix, **{curve: {} for curve in TOGETHER}}

"""The 52 ARKit shapes of the embedded head: one displacement field each, in centimetres at full weight.

A field is a sum of smooth weights (jaw, upper lip, lower lip, mouth corner, lids) times directions. The lip gap of
each shape is then set to `GAP_CM`, the amounts by which full-size production heads open and close, so that one
animation closes the lips alike on this head and on theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdk.faces.assets.head_parts import EYE, LID_CORNER, LID_RADIUS, MOUTH_HALF_WIDTH, MOUTH_Y, lid_opening, slit_y

GAP_CM = {
    "jawOpen": 3.28, "mouthClose": -3.70, "mouthFunnel": 1.30, "mouthPucker": -0.105, "mouthShrugLower": -0.69,
    "mouthShrugUpper": 0.51, "mouthUpperUp": 0.35, "mouthLowerDown": 0.34, "mouthRollLower": -0.26,
    "mouthRollUpper": 0.22, "mouthPress": -0.12, "noseSneer": 0.30, "jawForward": 0.13,
}  # fmt: skip

_CORNER_JAW = 0.42  # how far the mouth's corners follow the jaw
_HINGE, _JAW_DEG, _JAW_SLIDE = np.array((0.0, 0.6, 1.2)), 17.0, np.array((0.0, -0.25, 0.45))


@dataclass(frozen=True)
class Anatomy:
    """All vertices of the head with what they are; fields as in `head_parts.Patch`."""

    part: np.ndarray
    points: np.ndarray
    triangles: np.ndarray
    colours: np.ndarray
    q: np.ndarray
    ring: np.ndarray
    half: np.ndarray


def _smooth(x: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _gauss(*terms: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-sum(term * term for term in terms)))


class _Head:
    """Weights of every vertex, made once: `jaw`, `upper`, `lower`, `corner`, `around` (the mouth), by side `left`."""

    def __init__(self, a: Anatomy) -> None:
        self.a = a
        x, y, z = a.points.T
        self.x, self.y, self.z = x, y, z
        mouth = a.part == "mouth"
        lining = mouth & (a.ring < 0)
        self.lining = np.where(lining, np.interp(a.ring, (-5, -3, -2, -1), (0.0, 0.1, 0.45, 1.0)), 1.0)
        q = np.where(mouth, a.q, np.abs(x) / MOUTH_HALF_WIDTH)
        line = slit_y(np.minimum(q, 1.0))
        off = np.where(lining, 0.0, y - line)
        half = np.where(mouth & (a.half != 0), a.half, np.sign(off))
        self.half, self.q, self.off = half, q, np.abs(off)
        soft = np.isin(a.part, ("skin", "mouth"))  # what bends; teeth, eyes and ears do not
        self.face = soft * _smooth(z, 1.0, 6.5)
        self.open = np.sqrt(np.clip(1 - q * q, 0, 1))
        outside = np.maximum(self.off - 0.6 * self.open, 0)
        self.upper = self.face * (half > 0) * self.open**1.4 * _gauss(outside / 1.0) * self.lining
        self.lower = self.face * (half < 0) * self.open**1.4 * _gauss(outside / 1.2) * self.lining
        corner = _gauss((np.abs(x) - MOUTH_HALF_WIDTH) / 1.25, (y - MOUTH_Y) / 1.15)
        self.corner = self.face * np.where(lining, _gauss((q - 1) / 0.45) * self.lining, corner)
        far = np.maximum(np.hypot(x / MOUTH_HALF_WIDTH, (y - MOUTH_Y) / 1.4) - 0.8, 0)
        self.around = self.face * _gauss(far / 1.1) * self.lining * (1 - _smooth(y, -2.6, -0.9))
        self.left = {"Left": _smooth(x, -1.3, 1.3), "Right": _smooth(-x, -1.3, 1.3)}
        self.jaw = self._jaw()

    def _jaw(self) -> np.ndarray:
        """How much of the jaw's movement each vertex makes: lower face 1, corners part, upper face 0."""
        lens = np.clip(1 - np.square(self.q), 0, 1)
        above = _CORNER_JAW * (1 - lens) * _gauss(self.off / 2.4)
        below = 1 - (1 - _CORNER_JAW) * (1 - lens) * _gauss(self.off / 2.6)
        soft = np.where(self.half > 0, above, np.where(self.half < 0, below, _CORNER_JAW))
        throat = 1 - _smooth(-self.y, 7.4, 9.6) * (1 - _smooth(self.z, 3.6, 7.0))
        soft = soft * np.isin(self.a.part, ("skin", "mouth")) * _smooth(self.z, -0.5, 4.0) * throat
        return np.where(np.isin(self.a.part, ("lower teeth", "tongue")), 1.0, soft)

    def spot(self, x: float, y: float, wide: float, high: float) -> np.ndarray:
        """A soft round weight on the front of the face, around (x, y)."""
        on = np.isin(self.a.part, ("skin", "brow", "lids", "mouth")) & ~((self.a.part == "mouth") & (self.a.ring < 0))
        return np.asarray(on * _smooth(self.z, 2.0, 6.0) * _gauss((self.x - x) / wide, (self.y - y) / high))


def _move(weight: np.ndarray, x: float | np.ndarray, y: float | np.ndarray, z: float | np.ndarray) -> np.ndarray:
    """Displacement `(V, 3)`: a weight times a direction."""
    return np.column_stack([weight * x, weight * y, weight * z])


def _jaw_open(h: _Head) -> np.ndarray:
    angle = np.radians(_JAW_DEG)
    y, z = h.y - _HINGE[1], h.z - _HINGE[2]
    turned = np.column_stack(
        [0 * y, y * np.cos(angle) - z * np.sin(angle) - y, z * np.cos(angle) + y * np.sin(angle) - z]
    )
    inward = _move(h.corner, -0.30 * np.sign(h.x) * _smooth(np.abs(h.x), 0, 1), 0, 0)
    return np.asarray((turned + _JAW_SLIDE) * h.jaw[:, None] + inward + _move(h.upper, 0, -0.1, 0))


def _mouth_close(h: _Head, jaw: np.ndarray) -> np.ndarray:
    """The lips come back to one line while the jaw stays down: most of the way is the lower lip's."""
    meet = 0.08 + (_CORNER_JAW - 0.08) * (1 - np.clip(1 - h.q**2, 0, 1))
    near = (
        h.face * _gauss(np.maximum(h.off - 0.75 * h.open, 0) / 1.35) * _gauss(np.maximum(h.q - 1, 0) / 0.3) * h.lining
    )
    way = (meet - h.jaw) * near
    whole = np.where(h.jaw[:, None] > 0.02, jaw / np.maximum(h.jaw, 0.02)[:, None], 0)
    lower = h.half < 0
    lip = np.array((0.0, -3.2, -1.5))
    return np.asarray(np.where(lower[:, None], whole, lip) * way[:, None] * (1.0, 1.0, 0.85))


def _mouth_shapes(h: _Head) -> dict[str, np.ndarray]:
    jaw = _jaw_open(h)
    lip = h.upper + h.lower
    narrow = -h.x * h.around
    thick = h.half * h.off * (h.around > 0.5)
    out = {
        "jawOpen": jaw,
        "mouthClose": _mouth_close(h, jaw),
        "jawForward": _move(h.jaw, 0, -0.13, 0.95),
        "jawLeft": _move(h.jaw, 0.9, 0, 0),
        "jawRight": _move(h.jaw, -0.9, 0, 0),
        "mouthLeft": _move(h.around, 1.25, 0.05, -0.15),
        "mouthRight": _move(h.around, -1.25, 0.05, -0.15),
        "mouthFunnel": _move(h.upper, 0, 0.52, 0.75) + _move(h.lower, 0, -0.78, 0.75) + _move(h.around, 0, 0, 0.5)
        + _move(narrow, 0.34, 0, 0),
        "mouthPucker": _move(h.around, 0, 0, 0.62) + _move(lip, 0, 0, 0.55) + _move(narrow, 0.46, 0, 0)
        + _move(h.around, 0, 0.16 * thick, 0) + _move(h.corner, 0, 0.05, 0.25),
        "mouthShrugLower": _move(h.lower, 0, 0.69, 0.45) + _move(h.spot(0, -6.0, 2.0, 1.6), 0, 0.55, 0.2),
        "mouthShrugUpper": _move(h.upper, 0, 0.51, 0.3) + _move(h.spot(0, -1.8, 1.6, 0.8), 0, 0.2, 0.05),
        "mouthRollLower": _roll(h, h.lower),
        "mouthRollUpper": _roll(h, h.upper),
    }  # fmt: skip
    for name, half in h.left.items():
        corner, x = h.corner * (half > 0.5), 1.0 if name == "Left" else -1.0
        cheek = h.spot(4.0 * x, -1.2, 1.9, 1.5)
        upper, lower = h.upper * half, h.lower * half
        out |= {
            f"mouthSmile{name}": _move(corner, 0.85 * x, 0.80, -0.35) + _move(cheek, 0.15 * x, 0.35, 0.3)
            + _move(lip * half, 0, 0.25, -0.15),
            f"mouthFrown{name}": _move(corner, 0.15 * x, -0.75, -0.1) + _move(lip * half, 0, -0.08, 0),
            f"mouthDimple{name}": _move(corner, 0.45 * x, 0.12, -0.5) + _move(lip * half, 0.1 * x, 0, -0.1),
            f"mouthStretch{name}": _move(corner, 0.85 * x, -0.35, -0.4) + _move(lip * half, 0.2 * x, 0, -0.12),
            f"mouthPress{name}": _move(upper, 0, -0.05, -0.12) + _move(lower, 0, 0.1, -0.06)
            + _move(lip * half, 0, -0.3 * h.half * h.off, 0) + _move(corner, 0.1 * x, 0, -0.15),
            f"mouthLowerDown{name}": _move(lower, 0.05 * x, -0.75, -0.05) + _move(corner * (h.half <= 0), 0, -0.15, 0),
            f"mouthUpperUp{name}": _move(upper, 0.05 * x, 0.75, -0.05)
            + _move(h.spot(1.6 * x, -1.4, 1.1, 1.0), 0, 0.25, 0.1),
            f"cheekSquint{name}": _move(h.spot(3.9 * x, 0.1, 1.7, 1.1), 0, 0.42, 0.22),
            f"noseSneer{name}": _move(h.spot(1.25 * x, -0.5, 0.9, 1.1), 0, 0.42, 0.12) + _move(upper, 0, 0.5, 0),
        }  # fmt: skip
    puff = {x: h.spot(4.1 * x, -3.3, 2.0, 1.9) for x in (1.0, -1.0)}
    out["cheekPuff"] = sum((_move(puff[x], 0.85 * x, 0, 0.75) for x in puff), _move(lip, 0, 0, 0.3))
    out["tongueOut"] = _tongue_out(h)
    return out


def _roll(h: _Head, lip: np.ndarray) -> np.ndarray:
    """The red of the lip turns in over the teeth: the border comes to the slit, the slit goes inwards."""
    border = _smooth(h.off, 0.05, 0.7)
    return _move(lip, 0, -h.half * (0.22 + 0.36 * border), -0.75 + 0.45 * border)


def _tongue_out(h: _Head) -> np.ndarray:
    along = np.where(h.a.part == "tongue", h.a.q, 0.0)
    reach = along**1.6
    flat = -0.35 * (h.y + 4.3) * along
    return _move(
        (h.a.part == "tongue").astype(float), 0, 0.75 * _smooth(along, 0.1, 0.6) - 1.5 * reach**3 + flat, 4.6 * reach
    )


def _eye_shapes(h: _Head) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for name in ("Left", "Right"):
        sign = 1.0 if name == "Left" else -1.0
        here = sign * h.x > 0
        lid = (h.a.part == "lids") & here
        x = h.a.q  # lids carry their own x, from the eye's centre outwards
        upper = lid & (h.a.half >= 0) & (h.a.ring < 0.9)
        edge = np.interp(h.a.ring, (0.0, 0.3, 0.6, 0.8, 1.0), (1.0, 0.9, 0.62, 0.25, 0.0)) * lid
        shut = np.zeros_like(h.a.points)
        centre = EYE * (sign, 1, 1)
        floor, roof = lid_opening(x, False) + 0.03, h.y - centre[1]
        share = np.interp(h.a.ring, (0.0, 0.3, 0.6, 0.8), (0.0, 0.22, 0.55, 0.85))
        target = floor + (roof - floor) * share + 0.05 * share
        radius = LID_RADIUS + 0.09 + np.where(h.a.ring < 0, -0.04, 0.0)
        ball = centre[2] + np.sqrt(np.clip(radius**2 - (h.x - centre[0]) ** 2 - target**2, 0.3, None))
        mix = np.interp(h.a.ring, (0.0, 0.6, 0.8), (1.0, 0.9, 0.3))
        shut[:, 1] = upper * (target - roof)
        shut[:, 2] = upper * mix * (ball - h.z) * (np.abs(x) < 0.93 * LID_CORNER)
        bow = np.sqrt(np.clip(1 - (x / LID_CORNER) ** 2, 0, 1)) * edge
        lower, top = bow * (h.a.half < 0), bow * (h.a.half > 0)
        turn = {"Down": (25.0, 0.0), "Up": (-22.0, 0.0), "In": (0.0, -28.0 * sign), "Out": (0.0, 28.0 * sign)}
        looks = {way: _turned(h, here, centre, *degrees) for way, degrees in turn.items()}
        brows = {k: h.spot(px * sign, py, w, t) * (1 - edge) for k, px, py, w, t in (
            ("inner", 1.5, 4.3, 1.6, 1.5), ("outer", 4.3, 4.6, 1.6, 1.5), ("low", 2.6, 4.1, 2.2, 1.2))}  # fmt: skip
        out |= {
            f"eyeBlink{name}": shut + _move(lower, 0, 0.04, 0),
            f"eyeLookDown{name}": looks["Down"] + 0.42 * shut + _move(lower, 0, -0.10, 0),
            f"eyeLookUp{name}": looks["Up"] + _move(top, 0, 0.20, 0.02) + _move(lower, 0, 0.05, 0),
            f"eyeLookIn{name}": looks["In"],
            f"eyeLookOut{name}": looks["Out"],
            f"eyeSquint{name}": _move(lower, 0, 0.27, 0.04) + _move(top, 0, -0.16, 0.03)
            + _move(h.spot(3.2 * sign, 1.0, 1.6, 0.6) * (1 - edge), 0, 0.15, 0.08),
            f"eyeWide{name}": _move(top, 0, 0.26, 0.0) + _move(lower, 0, -0.10, 0),
            f"browDown{name}": _move(brows["low"], -0.15 * sign, -0.50, 0.12),
            f"browOuterUp{name}": _move(brows["outer"], 0, 0.75, 0),
        }  # fmt: skip
        out["browInnerUp"] = out.get("browInnerUp", np.zeros_like(shut)) + _move(brows["inner"], 0, 0.72, 0.05)
    return out


def _turned(h: _Head, here: np.ndarray, centre: np.ndarray, down_deg: float, out_deg: float) -> np.ndarray:
    """The eyeball turned about its centre."""
    ball = (h.a.part == "eye") & here
    p = h.a.points - centre
    a, b = np.radians(down_deg), np.radians(out_deg)
    y, z = p[:, 1] * np.cos(a) - p[:, 2] * np.sin(a), p[:, 1] * np.sin(a) + p[:, 2] * np.cos(a)
    x, z = p[:, 0] * np.cos(b) + z * np.sin(b), -p[:, 0] * np.sin(b) + z * np.cos(b)
    return np.asarray((np.column_stack([x, y, z]) - p) * ball[:, None])


def shapes(anatomy: Anatomy, lips: tuple[int, int]) -> dict[str, np.ndarray]:
    """ARKit name -> displacement `(V, 3)`, each with the lip gap of `GAP_CM` (0 where it is silent)."""
    head = _Head(anatomy)
    moves = _mouth_shapes(head) | _eye_shapes(head)
    upper, lower = lips

    def gap(field: np.ndarray) -> float:
        return float(field[upper, 1] - field[lower, 1])

    for name, field in moves.items():
        wanted = GAP_CM.get(name.removesuffix("Left").removesuffix("Right"), 0.0)
        if name in ("jawOpen", "mouthClose"):
            moves[name] = field * (wanted / gap(field))
        elif abs(wanted - gap(field)) > 1e-9:
            even = _move((wanted - gap(field)) * (head.upper - head.lower) / 2, 0, 1, 0)
            moves[name] = field + even / (gap(even) / (wanted - gap(field)))
    return moves

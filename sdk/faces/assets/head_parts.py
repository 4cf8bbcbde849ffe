"""The parts of the embedded head, each a patch of vertices with what the shapes need to know about them. Centimetres.

Lips and lids are rings of columns: `ring` counts outwards from the slit (negative: inside, unseen when shut).
Only parts at x >= 0 are made; `mirrored` makes the other half. x > 0 is the face's own left.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from sdk.faces.assets import head_surface as surface

MOUTH_Y, MOUTH_HALF_WIDTH, NEUTRAL_GAP = -3.4, 2.35, 0.05
EYE = np.array((3.15, 2.45, 6.66))
EYE_RADIUS, LID_RADIUS = 1.5, 1.6
LID_CORNER = 1.42

SKIN, LIP, LASH, WHITE, IRIS, PUPIL = (
    (222, 172, 148),
    (186, 98, 92),
    (92, 62, 52),
    (236, 234, 230),
    (88, 118, 128),
    (18, 16, 18),
)
MOUTH, DEEP, TEETH, GUM, TONGUE, BROW, GLINT = (
    (120, 46, 44), (34, 12, 14), (240, 234, 220), (196, 112, 108), (204, 104, 104), (92, 66, 52), (255, 255, 255),
)  # fmt: skip


@dataclass(frozen=True)
class Patch:
    """Vertices `(V, 3)`, triangles, colours `(V, 3)` in 0..255, the part's name, and where vertices lie in it.

    `q`: column of the lips, 0 in the middle and 1 in the corner (lids: x from the eye's centre; tongue: 0 root, 1 tip).
    `ring` counts outwards from the slit; `half` is +1 on the upper lip or lid, -1 on the lower, 0 in the corners.
    """

    points: np.ndarray
    triangles: np.ndarray
    colours: np.ndarray
    part: str
    q: np.ndarray = field(default_factory=lambda: np.zeros(0))
    ring: np.ndarray = field(default_factory=lambda: np.zeros(0))
    half: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        for name in ("q", "ring", "half"):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.zeros(len(self.points)))


def mirrored(patch: Patch) -> Patch:
    """The same patch on the other side of the face."""
    return replace(patch, points=patch.points * (-1.0, 1.0, 1.0), triangles=patch.triangles[:, ::-1])


def grid(rows: int, columns: int, closed: bool = False) -> np.ndarray:
    """Triangles of a grid of vertices, row by row; facing the viewer when rows go up and columns go right."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    quads = np.stack([a, b, b + columns, a, b + columns, a + columns], axis=-1)
    return np.asarray(quads.reshape(-1, 3))


def _bump(x: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.asarray(np.exp(-(((x - centre) / width) ** 2)))


# (ring, x outwards, share of the vermilion's height, extra height, z from the skin)
_LIP_RINGS = (
    (-6.0, -2.35, 0.0, 0.0, -6.8),
    (-5.0, -1.5, 0.0, 0.5, -6.5),
    (-4.0, 0.1, 0.0, 1.3, -4.6),
    (-3.0, 0.4, 0.0, 1.6, -2.6),
    (-2.0, 0.35, 0.0, 1.1, -1.05),
    (-1.0, 0.12, 0.0, 0.32, -0.72),
    (-0.5, 0.03, 0.0, 0.0, -0.42),
    (0.0, 0.0, 0.0, 0.0, -0.1),
    (0.2, 0.02, 0.16, 0.0, 0.17),
    (0.45, 0.04, 0.42, 0.0, 0.27),
    (0.75, 0.07, 0.74, 0.0, 0.25),
    (1.0, 0.10, 1.0, 0.0, 0.13),
    (1.2, 0.20, 1.0, 0.14, 0.03),
    (1.6, 0.38, 1.0, 0.34, 0.004),
    (2.0, 0.62, 1.0, 0.62, 0.0),
)
LIP_COLUMNS = 14


def slit_y(q: np.ndarray) -> np.ndarray:
    """Height of the line where the lips meet, a little lower in the middle and higher at the corners."""
    return np.asarray(MOUTH_Y + 0.14 * np.square(q) + 0.05 * (1 - _bump(q, 0.0, 0.3)))


def mouth() -> tuple[Patch, np.ndarray]:
    """Both lips and the mouth's lining for x >= 0, and the front-view outline `(n, 2)` where the skin takes over."""
    q = np.sin(np.pi / 2 * np.linspace(0, 1, LIP_COLUMNS))
    q = np.concatenate([q, q[-2::-1]])  # upper middle -> corner -> lower middle
    half = np.concatenate([np.ones(LIP_COLUMNS - 1), [0], -np.ones(LIP_COLUMNS - 1)])
    open_ = np.sqrt(1 - q * q)
    upper = 0.58 * open_**1.1 + 0.12 * _bump(q, 0.26, 0.16) - 0.06 * _bump(q, 0, 0.11)
    lower = 0.78 * open_**1.25
    body = np.where(half > 0, upper, np.where(half < 0, lower, 0.0))
    rows = []
    for ring, wide, share, extra, deep in _LIP_RINGS:
        x = q * (MOUTH_HALF_WIDTH + wide * (1 if ring < 0 else 1.0))
        round_ = np.where(ring < 0, 0.25 + 0.75 * open_, 0.4 + 0.6 * open_**0.7)
        y = slit_y(q) + half * (NEUTRAL_GAP / 2 * (1 - q * q) * (ring > -0.4) + share * body + extra * round_)
        rim = np.column_stack([np.abs(x), y])
        base = surface.front(rim if ring >= 0 else np.column_stack([q * MOUTH_HALF_WIDTH, slit_y(q)]))[:, 2]
        fullness = np.where(half < 0, 1.2, 1.0) * np.sqrt(open_) if 0 < ring < 1.5 else 1.0
        corner = -0.12 * _bump(q, 1.0, 0.15) * float(np.interp(ring, (-0.5, 0, 0.5, 1.6), (0, 1, 0.9, 0)))
        rows.append(np.column_stack([x, y, base + deep * fullness + corner]))
    points = np.concatenate(rows)
    rings = np.repeat([row[0] for row in _LIP_RINGS], len(q))
    columns = np.tile(q, len(rows))
    colours = _blend(
        rings, ((-4, DEEP), (-2.5, DEEP), (-1, MOUTH), (-0.5, (112, 50, 48)), (0.1, LIP), (0.8, LIP), (1.12, SKIN))
    )
    fade = np.clip((columns - 0.86) / 0.14, 0, 1)[:, None] * (rings > -0.4)[:, None]
    colours = colours * (1 - fade) + np.array(SKIN) * 0.86 * fade
    outer = points[-len(q) :]
    outline = np.concatenate([outer[:, :2], [[0.0, float(outer[-1, 1])]]])
    halves = np.tile(half, len(rows)) * (rings > -5.5)  # the end of the throat belongs to both
    triangles = grid(len(rows), len(q))
    return Patch(points, triangles, colours, "mouth", columns, rings, halves), outline


def _blend(at: np.ndarray, stops: tuple[tuple[float, tuple[int, ...]], ...]) -> np.ndarray:
    """Colours `(n, 3)` between stops (position, colour)."""
    place = [s[0] for s in stops]
    return np.column_stack([np.interp(at, place, [s[1][k] for s in stops]) for k in range(3)])


# (ring, outwards in cm, how much of the eyeball's curve is left, radius there)
_LID_RINGS = (
    (-1.0, -0.03, 1.0, 1.50),
    (-0.5, 0.0, 1.0, 1.56),
    (0.0, 0.05, 1.0, 1.62),
    (0.3, 0.20, 0.96, 1.66),
    (0.6, 0.42, 0.75, 1.64),
    (0.8, 0.62, 0.35, 1.66),
    (1.0, 0.88, 0.0, 1.66),
)
LID_COLUMNS = 28


def lid_opening(x: np.ndarray, upper: bool) -> np.ndarray:
    """Height of the open lid's edge over the eye's centre at `x` from it, `(n,)`."""
    span = np.clip(1 - (x / LID_CORNER) ** 2, 0, None)
    slant = 0.10 * x / LID_CORNER
    return np.asarray(slant + (0.60 * span**0.75 if upper else -0.44 * span**0.85))


def lids() -> tuple[Patch, np.ndarray]:
    """Both lids of the left eye, and the front-view outline `(n, 2)` where the skin takes over."""
    angle = np.linspace(0, 2 * np.pi, LID_COLUMNS, endpoint=False)
    x0, upper = LID_CORNER * np.cos(angle), np.sin(angle) > -1e-9
    y0 = np.where(upper, lid_opening(x0, True), lid_opening(x0, False))
    out = np.column_stack([np.cos(angle), np.sin(angle)]) * np.array((0.8, 1.0))
    rows = []
    for _, away, curve, radius in _LID_RINGS:
        xy = np.column_stack([x0, y0]) + away * out
        ball = EYE[2] + np.sqrt(np.clip(radius**2 - (xy**2).sum(axis=1), 0.18, None))
        skin = surface.front(xy + EYE[:2])[:, 2]
        rows.append(np.column_stack([xy + EYE[:2], curve * ball + (1 - curve) * skin]))
    ring = np.repeat([row[0] for row in _LID_RINGS], LID_COLUMNS)
    half = np.tile(np.where(upper, 1.0, -1.0), len(rows))
    half[np.tile(np.abs(np.sin(angle)) < 1e-9, len(rows))] = 0
    edge = _blend(ring, ((-0.5, (190, 128, 112)), (0.05, (206, 150, 130)), (0.4, SKIN)))
    lash = _blend(ring, ((-0.5, LASH), (0.0, LASH), (0.28, SKIN)))
    colours = np.where((half >= 0)[:, None], lash, edge)
    points = np.concatenate(rows)
    outline = points[-LID_COLUMNS:, :2]
    triangles = grid(len(rows), LID_COLUMNS, closed=True)[:, ::-1]
    return Patch(points, triangles, colours, "lids", np.tile(x0, len(rows)), ring, half), outline


def eyeball() -> Patch:
    """The left eyeball, looking along z: white, iris with a dark rim, pupil."""
    stops = (
        (0.0, PUPIL), (0.11, PUPIL), (0.12, IRIS), (0.30, tuple(int(c * 1.25) for c in IRIS)), (0.37, (38, 52, 60)),
        (0.40, (38, 52, 60)), (0.42, WHITE), (0.8, WHITE), (1.05, (206, 190, 184)), (1.4, (180, 150, 145)),
    )  # fmt: skip
    count, rings = 28, np.array([s[0] for s in stops])
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    rows = [
        np.column_stack([np.sin(r) * np.cos(turn), np.sin(r) * np.sin(turn), np.full(count, np.cos(r))]) for r in rings
    ]
    colours = np.repeat([s[1] for s in stops], count, axis=0).astype(float)
    return Patch(EYE + EYE_RADIUS * np.concatenate(rows), grid(len(rows), count, closed=True)[:, ::-1], colours, "eye")


def glint() -> Patch:
    """The light's reflection: a small disc that stays while the eye turns."""
    turn = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    disc = np.concatenate([np.zeros((1, 2)), 0.085 * np.column_stack([np.cos(turn), np.sin(turn)])])
    xy = disc + np.array((-0.2, 0.24))
    points = EYE + np.column_stack([xy, np.sqrt((EYE_RADIUS + 0.03) ** 2 - (xy**2).sum(axis=1))])
    fan = np.array([[0, 1 + i, 1 + (i + 1) % 10] for i in range(10)])
    return Patch(points, fan, np.tile(np.array(GLINT, dtype=float), (11, 1)), "glint")


def brow() -> Patch:
    """The left eyebrow, a strip laid on the skin."""
    t = np.linspace(0, 1, 15)
    x, y = 1.15 + 3.95 * t, 4.02 + 0.78 * np.sin(np.pi * np.clip(t * 0.78 + 0.08, 0, 1)) - 0.25 * t
    thick = 0.50 * np.minimum(1, 0.5 + 3 * t) * (1 - t) ** 0.55 + 0.06
    rows = [np.column_stack([x, y + (k - 0.5) * thick]) for k in (0.0, 0.3, 0.7, 1.0)]
    xy = np.concatenate(rows)
    z = surface.front(xy)[:, 2] + np.repeat([0.01, 0.11, 0.11, 0.01], len(t))
    colours = np.repeat([BROW, BROW, BROW, BROW], len(t), axis=0).astype(float)
    return Patch(np.column_stack([xy, z]), grid(4, len(t)), colours, "brow")


def ear() -> Patch:
    """The left ear: a shell of rings from the edge behind it to its hollow, turned away from the head."""
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    back, up = -np.cos(turn), np.sin(turn)
    size = 1 / np.sqrt((back / np.where(up > 0, 1.75, 1.45)) ** 2 + (up / np.where(up > 0, 2.6, 3.2)) ** 2)
    fade = np.clip(0.35 - 0.9 * back, 0, 1)  # towards the cheek the rim sinks into the head
    rows = []
    for share, lift in (
        (0.93, -0.9),
        (1.0, 0.05),
        (0.98, 0.28),
        (0.90, 0.34),
        (0.80, 0.12),
        (0.68, 0.02),
        (0.56, 0.2),
        (0.46, 0.12),
        (0.32, -0.3),
        (0.05, -0.45),
    ):
        z, y = -back * size * share, up * size * share
        rows.append(np.column_stack([lift * (1 - 0.6 * fade), y, z]))
    local = np.concatenate(rows)
    tilt, lean = np.radians(24), np.radians(-8)
    x, y, z = local.T
    y, z = y * np.cos(lean) - z * np.sin(lean), y * np.sin(lean) + z * np.cos(lean)
    x, z = x * np.cos(tilt) - z * np.sin(tilt), x * np.sin(tilt) + z * np.cos(tilt)
    colours = np.tile(np.array(SKIN, dtype=float), (len(local), 1))
    return Patch(
        np.column_stack([x + 7.08, y + 1.0, z - 0.9]), grid(len(rows), 32, closed=True)[:, ::-1], colours, "ear"
    )


def teeth(upper: bool) -> Patch:
    """A whole row of teeth (both sides), scalloped, with its gum."""
    front = float(surface.front(np.array([[0.0, MOUTH_Y]]))[0, 2]) - (1.2 if upper else 1.5)
    turn = np.radians(np.linspace(-72, 72, 85))
    scallop = np.abs(np.sin(np.linspace(0, 12 * np.pi, 85)))
    wide, deep = (2.25, 3.0) if upper else (2.05, 2.75)
    edge, sign = (-3.52, 1) if upper else (-3.82, -1)
    rows, colours = [], []
    for height, out, colour in (
        (0.0, -0.06, TEETH),
        (0.12, 0.0, TEETH),
        (0.75, 0.04, TEETH),
        (0.95, 0.0, GUM),
        (1.8, -0.1, GUM),
    ):
        swell = 1 + (0.025 * scallop if colour == TEETH else 0)
        x, z = (wide + out) * swell * np.sin(turn), front - deep + (deep + out) * swell * np.cos(turn)
        y = edge + sign * (height + (0.07 * (1 - scallop**0.5) if height < 0.5 else 0))
        rows.append(np.column_stack([x, y + 0 * x, z]))
        dim = (0.62 + 0.38 * np.cos(turn) ** 1.5) * (0.82 + 0.18 * (scallop > 0.3))
        colours.append(np.array(colour) * dim[:, None])
    triangles = grid(5, 85) if upper else grid(5, 85)[:, ::-1]
    return Patch(np.concatenate(rows), triangles, np.concatenate(colours), "upper teeth" if upper else "lower teeth")


def tongue() -> Patch:
    """The tongue at rest behind the lower teeth (both sides); `q` runs from root 0 to tip 1."""
    turn, along = np.linspace(0, 2 * np.pi, 20, endpoint=False), np.linspace(0, np.pi, 12)
    front = float(surface.front(np.array([[0.0, MOUTH_Y]]))[0, 2]) - 1.9
    rows = []
    for a in along:
        size = np.sin(a) ** 0.6
        groove = 0.12 * np.exp(-((np.cos(turn) / 0.25) ** 2)) * (np.sin(turn) > 0) * size
        rows.append(
            np.column_stack(
                [
                    1.5 * size * np.cos(turn),
                    -4.3 + 0.42 * size * np.sin(turn) - groove,
                    np.full(20, front - 2.3 - 2.3 * np.cos(a)),
                ]
            )
        )
    points = np.concatenate(rows)
    shade = np.interp(np.repeat((1 - np.cos(along)) / 2, 20), (0.2, 0.9), (0.45, 1.0))[:, None]
    return Patch(
        points, grid(12, 20, closed=True), np.array(TONGUE) * shade, "tongue", np.repeat((1 - np.cos(along)) / 2, 20)
    )

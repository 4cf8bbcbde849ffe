"""The skin of the embedded head: smooth blends of ellipsoids, sampled by rays and triangulated. Centimetres.

The surface is implicit (`distance_cm`). Points on it come from rays out of the head's axis, or from the front along
-z for what is laid out as seen from the front (lips, lids, brows). For triangulation the surface is unrolled into a
half disc around the tip of the nose (`unroll`): only the half x >= 0 is built, and mirrored.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

_STRAIGHT_CM = 5.5  # rays are level for |y| below this, and fan out above and below
_FAN_CM = 8.0
_REACH_CM = _STRAIGHT_CM + _FAN_CM * np.pi / 2
_DISC_CM = 11.0  # unrolled centimetres a radian

# centre, radii, blend: what is joined to the skull, in this order
_JOINED = (
    ((0, -1.1, 2.6), (6.3, 6.6, 6.6), 1.6),  # face
    ((0, -4.8, 3.4), (4.7, 3.0, 4.8), 1.6),  # jaw
    ((0, -6.7, 6.8), (1.5, 1.2, 1.5), 1.8),  # chin
    ((3.6, -0.5, 5.7), (2.2, 1.7, 2.2), 2.0),  # cheekbone
    ((2.6, 4.0, 6.9), (2.7, 0.9, 1.5), 1.6),  # brow ridge
    ((0, -3.2, 7.0), (3.1, 2.3, 2.6), 2.4),  # muzzle
    ((0, -13.0, -2.0), (4.7, 9.5, 4.5), 1.8),  # neck
)
_NOSE = (((0, 3.6, 8.0), 0.62), ((0, 1.5, 9.15), 0.62), ((0, -0.3, 10.2), 0.86))


def _ellipsoid(p: np.ndarray, centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    q = p - np.array(centre, dtype=float)
    outer = np.linalg.norm(q / np.array(radii), axis=-1)
    inner = np.linalg.norm(q / np.square(np.array(radii)), axis=-1)
    return np.asarray(outer * (outer - 1) / np.maximum(inner, 1e-9))


def _capsule(p: np.ndarray, a: tuple[float, ...], b: tuple[float, ...], ra: float, rb: float) -> np.ndarray:
    start, along = np.array(a, dtype=float), np.array(b, dtype=float) - np.array(a, dtype=float)
    t = np.clip((p - start) @ along / (along @ along), 0, 1)
    return np.asarray(np.linalg.norm(p - start - t[..., None] * along, axis=-1) - (ra + (rb - ra) * t))


def _join(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    h = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.asarray(np.minimum(a, b) - h * h * blend / 4)


def _carve(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    return -_join(-a, b, blend)


def distance_cm(points: np.ndarray) -> np.ndarray:
    """Signed distance `(...)` to the skin (negative inside), left and right alike, for points `(..., 3)`."""
    p = points * np.array((1.0, 1.0, 1.0))
    p[..., 0] = np.abs(p[..., 0])
    d = _ellipsoid(p, (0, 4.5, -0.6), (7.2, 7.6, 9.0))
    for centre, radii, blend in _JOINED:
        d = _join(d, _ellipsoid(p, centre, radii), blend)
    d = _carve(d, _ellipsoid(p, (7.9, 4.2, 7.6), (2.2, 3.2, 3.0)), 1.5)  # temple
    d = _carve(d, _ellipsoid(p, (3.15, 2.3, 9.6), (1.9, 1.15, 1.5)), 0.9)  # eye socket
    for (a, ra), (b, rb) in pairwise(_NOSE):
        d = _join(d, _capsule(p, a, b, ra, rb), 0.75)
    d = _join(d, _ellipsoid(p, (0.95, -0.62, 9.45), (0.66, 0.6, 0.95)), 0.45)  # nostril wing
    d = _carve(d, _ellipsoid(p, (0.52, -1.15, 9.75), (0.28, 0.24, 0.45)), 0.25)  # nostril
    d = _carve(d, _ellipsoid(p, (0, -1.95, 10.25), (0.22, 0.75, 0.35)), 0.5)  # philtrum
    d = _carve(d, _ellipsoid(p, (0, -5.0, 9.95), (1.7, 0.4, 0.75)), 0.9)  # fold above the chin
    return d


def _march(origin: np.ndarray, step: np.ndarray, length: float) -> np.ndarray:
    """The outermost point of the skin on each ray: walked from its far end inwards."""
    reach = np.full(len(origin), length)
    for _ in range(90):
        reach -= 0.7 * distance_cm(origin + step * reach[:, None])
    return np.asarray(origin + step * np.maximum(reach, 0.1)[:, None])


def front(xy: np.ndarray) -> np.ndarray:
    """Points `(n, 3)` of the skin as seen from the front at `(n, 2)`."""
    origin = np.column_stack([xy, np.zeros(len(xy))])
    return _march(origin, np.tile((0.0, 0.0, 1.0), (len(xy), 1)), 16.0)


def unroll(points: np.ndarray) -> np.ndarray:
    """Disc coordinates `(n, 2)` of skin points `(n, 3)` at |y| < 5.5."""
    turn, rise = np.arctan2(points[:, 0], points[:, 2]), points[:, 1] / _REACH_CM * np.pi / 2
    d = np.column_stack([np.sin(turn) * np.cos(rise), np.sin(rise), np.cos(turn) * np.cos(rise)])
    flat = np.maximum(np.linalg.norm(d[:, :2], axis=1, keepdims=True), 1e-12)
    return np.asarray(_DISC_CM * np.arccos(np.clip(d[:, 2:], -1, 1)) * d[:, :2] / flat)


def roll(disc: np.ndarray) -> np.ndarray:
    """Skin points `(n, 3)` at disc coordinates `(n, 2)`."""
    angle = np.linalg.norm(disc, axis=1) / _DISC_CM
    flat = disc / np.maximum(np.linalg.norm(disc, axis=1, keepdims=True), 1e-12) * np.sin(angle)[:, None]
    rise = np.arcsin(np.clip(flat[:, 1], -1, 1))
    turn = np.arctan2(flat[:, 0], np.cos(angle))
    height = rise / (np.pi / 2) * _REACH_CM
    level = np.clip(height, -_STRAIGHT_CM, _STRAIGHT_CM)
    pitch = (height - level) / _FAN_CM
    step = np.column_stack([np.sin(turn) * np.cos(pitch), np.sin(pitch), np.cos(turn) * np.cos(pitch)])
    points = _march(np.column_stack([0 * level, level, 0 * level]), step, 20.0)
    points[disc[:, 0] < 1e-9, 0] = 0.0
    return points


def spacing_cm(disc: np.ndarray) -> np.ndarray:
    """How far apart skin vertices are at `(n, 2)`: close on nose, lids and lips, wide at the back."""
    x, y = disc[:, 0], disc[:, 1]
    angle = np.linalg.norm(disc, axis=1)
    wide = 0.56 + 0.9 * np.clip((angle - 9) / 8, 0, 1) ** 1.5 + 1.2 * np.clip((angle - 20) / 12, 0, 1)
    nose = np.exp(-((x / 2.2) ** 2) - ((y + 0.4) / 1.9) ** 2)
    throat = np.exp(-((x / 9) ** 4) - ((y + 9.4) / 1.8) ** 2)
    return np.asarray(wide * (1 - 0.62 * nose) * (1 - 0.35 * throat))


def scatter(fixed: np.ndarray, holes: list[np.ndarray]) -> np.ndarray:
    """Disc points `(n, 2)` in the half x >= 0, evenly dense by `spacing_cm`, clear of `fixed` points and of `holes`."""
    edge = _DISC_CM * np.pi * 0.99
    line = [-edge]
    while line[-1] < edge - 0.5:
        line.append(line[-1] + float(spacing_cm(np.array([[0.0, line[-1]]]))[0]))
    around = np.linspace(-np.pi / 2, np.pi / 2, 25)[1:-1]
    rim = edge * np.column_stack([np.cos(around), np.sin(around)])
    middle = np.column_stack([np.zeros(len(line)), np.array(line) * edge / line[-1]])
    inner = np.arange(1, 26000)
    darts = np.column_stack([_halton(inner, 2) * edge, (2 * _halton(inner, 3) - 1) * edge])
    darts = darts[np.linalg.norm(darts, axis=1) < edge - 0.6]
    darts = darts[darts[:, 0] > 0.45 * spacing_cm(darts)]
    tries = np.concatenate([middle, rim, darts])
    near = spacing_cm(tries) * np.where(np.arange(len(tries)) < len(tries) - len(darts), 0.55, 0.9)
    clear = ~np.any([inside(tries, hole) for hole in holes], axis=0)
    taken = np.concatenate([fixed, np.zeros((len(tries), 2))])
    count = len(fixed)
    for p, distance in zip(tries[clear], near[clear], strict=True):
        if (np.square(taken[:count] - p) @ (1.0, 1.0)).min() > distance * distance:
            taken[count] = p
            count += 1
    return taken[len(fixed) : count].copy()


def _halton(index: np.ndarray, base: int) -> np.ndarray:
    out, share, rest = np.zeros(len(index)), 1.0, index.copy()
    while rest.any():
        share /= base
        out += share * (rest % base)
        rest //= base
    return out


def inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Mask `(n,)` of the points within a closed polygon `(m, 2)` (even-odd rule)."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    px, py = points[:, :1], points[:, 1:]
    spans = (a[:, 1] > py) != (b[:, 1] > py)
    rise = np.where(a[:, 1] == b[:, 1], 1.0, b[:, 1] - a[:, 1])
    return np.asarray((spans & (px < a[:, 0] + (py - a[:, 1]) * (b[:, 0] - a[:, 0]) / rise)).sum(axis=1) % 2 == 1)


def delaunay(points: np.ndarray) -> np.ndarray:
    """Triangles `(t, 3)`, anticlockwise, by inserting one point after another (Bowyer-Watson)."""
    # A breath of fixed noise breaks the ties of points that lie on one circle.
    wobble = 1e-5 * np.column_stack(
        [_halton(np.arange(1, len(points) + 1), 5), _halton(np.arange(1, len(points) + 1), 7)]
    )
    far = 60 * np.abs(points).max()
    p = np.concatenate([points + wobble, [[-far, -far], [far, -far], [0, far]]])
    n = len(points)
    triangles = np.array([[n, n + 1, n + 2]])
    circles = _circles(p, triangles)
    for i in range(n):
        hit = ((circles[:, :2] - p[i]) ** 2).sum(axis=1) < circles[:, 2]
        edges = triangles[hit][:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
        code = edges[:, 0] * (n + 3) + edges[:, 1]
        rim = edges[~np.isin(code, edges[:, 1] * (n + 3) + edges[:, 0])]
        new = np.column_stack([rim, np.full(len(rim), i)])
        triangles = np.concatenate([triangles[~hit], new])
        circles = np.concatenate([circles[~hit], _circles(p, new)])
    return np.asarray(triangles[(triangles < n).all(axis=1)])


def _circles(p: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Centre x, y and squared radius of each triangle's circumcircle."""
    a, b, c = (p[triangles[:, i]] for i in range(3))
    b, c = b - a, c - a
    d = 2 * (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
    bb, cc = (b * b).sum(axis=1), (c * c).sum(axis=1)
    x, y = (c[:, 1] * bb - b[:, 1] * cc) / d, (b[:, 0] * cc - c[:, 0] * bb) / d
    return np.column_stack([a[:, 0] + x, a[:, 1] + y, x * x + y * y])

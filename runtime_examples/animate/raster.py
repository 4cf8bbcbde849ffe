"""A small software renderer for pictures of faces: numpy, z-buffer, smooth shading, no window and no GPU.

Triangles become candidate pixels, the nearest wins, and only winners are shaded (normals and colours interpolated
inside the triangle), so a picture costs about as much as it has pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdk.faces.face import Face

Shares = tuple[np.ndarray, np.ndarray, np.ndarray]

SKIN = (0.80, 0.62, 0.53)
BACKGROUND = (0.955, 0.96, 0.97)

# Direction to the light, its strength per colour: warm key from the upper left, cool fill from the right, rim above.
_LIGHTS = (
    ((-0.50, 0.62, 0.80), (0.86, 0.82, 0.77)),
    ((0.85, 0.10, 0.55), (0.22, 0.25, 0.30)),
    ((0.10, 0.80, -0.60), (0.22, 0.23, 0.25)),
)
_SKY, _GROUND = np.array((0.34, 0.36, 0.39), np.float32), np.array((0.16, 0.13, 0.12), np.float32)
_SOFTNESS = np.float32(0.25)  # light wraps this far past the terminator, as it does in skin


@dataclass(frozen=True)
class Camera:
    """Looks along -z at `centre_cm`, `height_cm` of the scene filling the picture; the head turns by yaw and pitch."""

    centre_cm: tuple[float, float, float]
    height_cm: float = 25.0
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    distance_cm: float = 90.0

    @classmethod
    def on(cls, face: Face, yaw_deg: float = 12.0, pitch_deg: float = 0.0, height_cm: float = 25.0) -> Camera:
        """A portrait: the whole head above the neck, placed by the lips."""
        lips = face.neutral_cm[face.upper_lip]
        rise = 0.16 * height_cm  # lips sit two thirds down a portrait of any size, in its middle when it is a close-up
        return cls((float(lips[0]), float(lips[1]) + rise, float(lips[2]) - 4.5), height_cm, yaw_deg, pitch_deg)

    def project(self, vertices_cm: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """(`(V, 3)` x, y in pixels and nearness, turned vertices `(V, 3)` in cm)."""
        yaw, pitch = np.radians((self.yaw_deg, self.pitch_deg))
        turn_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        turned = (vertices_cm - np.array(self.centre_cm)) @ (turn_x @ turn_y).T
        scale = height / self.height_cm * self.distance_cm / (self.distance_cm - turned[:, 2])
        x, y = width / 2 + turned[:, 0] * scale, height / 2 - turned[:, 1] * scale
        return np.stack([x, y, scale], axis=1), turned


def render(
    face: Face,
    vertices_cm: np.ndarray,
    width: int = 320,
    height: int = 400,
    camera: Camera | None = None,
    background: tuple[float, float, float] = BACKGROUND,
    oversample: int = 2,
) -> np.ndarray:
    """A picture `(height, width, 3)` uint8 of `face` with its vertices at `(V, 3)`, antialiased by oversampling."""
    camera = camera or Camera.on(face)
    wide, high = width * oversample, height * oversample
    screen, turned = camera.project(vertices_cm, wide, high)
    pixels, owners, shares = _visible(screen, face.triangles, wide, high)
    image = np.empty((high * wide, 3), dtype=np.float32)
    image[:] = _linear(np.array(background, np.float32))
    corners = face.triangles[owners]
    normals = _mix(_normals(turned, face.triangles), corners, shares)
    colours = face.colours if face.colours is not None else np.tile(np.array(SKIN, np.float32), (len(vertices_cm), 1))
    image[pixels] = _shade(normals, _mix(_linear(colours), corners, shares))
    image = image.reshape(height, oversample, width, oversample, 3)
    small = sum(image[:, i, :, j] for i in range(oversample) for j in range(oversample)) / oversample**2
    return np.round(255 * np.clip(small, 0, 1) ** (1 / 2.2)).astype(np.uint8)


def _visible(
    screen: np.ndarray, triangles: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray, Shares]:
    """(pixels `(P,)`, the triangle seen in each `(P,)`, its corners' shares there): nearest candidate wins."""
    x, y = screen[:, 0][triangles].T, screen[:, 1][triangles].T  # (3, T)
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    low_x, high_x = np.ceil(x.min(0) - 0.5).clip(0), np.floor(x.max(0) - 0.5).clip(max=width - 1)
    low_y, high_y = np.ceil(y.min(0) - 0.5).clip(0), np.floor(y.max(0) - 0.5).clip(max=height - 1)
    faced = np.flatnonzero((area < -1e-9) & (low_x <= high_x) & (low_y <= high_y))  # y points down: front faces are < 0
    x, y, area = x[:, faced].astype(np.float32), y[:, faced].astype(np.float32), area[faced].astype(np.float32)
    left, top = low_x[faced].astype(np.int32), low_y[faced].astype(np.int32)
    wide, high = high_x[faced].astype(np.int32) - left + 1, high_y[faced].astype(np.int32) - top + 1
    counts = wide.astype(np.int64) * high
    owner = np.repeat(np.arange(len(faced), dtype=np.int32), counts)
    place = np.arange(len(owner), dtype=np.int32) - np.repeat((np.cumsum(counts) - counts).astype(np.int32), counts)
    line = place // wide[owner]
    column, row = left[owner] + place - line * wide[owner], top[owner] + line
    dx = column.astype(np.float32) + np.float32(0.5) - x[0][owner]
    dy = row.astype(np.float32) + np.float32(0.5) - y[0][owner]
    second = ((y[2] - y[0]) / area)[owner] * dx - ((x[2] - x[0]) / area)[owner] * dy
    third = ((x[1] - x[0]) / area)[owner] * dy - ((y[1] - y[0]) / area)[owner] * dx
    first = 1 - second - third
    inside = np.flatnonzero((first >= -1e-6) & (second >= -1e-6) & (third >= -1e-6))
    shown, pixel = faced[owner[inside]], row[inside] * width + column[inside]
    shares = (first[inside], second[inside], third[inside])
    near = _mix(screen[:, 2].astype(np.float32), triangles[shown], shares)
    buffer = np.full(width * height, -np.inf, dtype=np.float32)
    np.maximum.at(buffer, pixel, near)
    winner = np.flatnonzero(near == buffer[pixel])
    chosen = np.full(width * height, -1, dtype=np.int64)
    chosen[pixel[winner]] = winner  # of equals on a shared edge, the last one
    winner = chosen[chosen >= 0]
    return pixel[winner], shown[winner], (shares[0][winner], shares[1][winner], shares[2][winner])


def _mix(values: np.ndarray, corners: np.ndarray, shares: Shares) -> np.ndarray:
    """`values` of the vertices, scalars or rows, interpolated at pixels with these corners and shares."""
    shape = (-1,) + (1,) * (values.ndim - 1)
    mixed = values[corners[:, 0]] * shares[0].reshape(shape)
    for corner in (1, 2):
        mixed += values[corners[:, corner]] * shares[corner].reshape(shape)
    return mixed


def _normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Smooth unit normals `(V, 3)`, weighted by triangle area."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    flat = np.cross(b - a, c - a)
    total = np.empty_like(vertices)
    for axis in range(3):
        weight = np.repeat(flat[:, axis], 3)
        total[:, axis] = np.bincount(triangles.ravel(), weight, minlength=len(vertices))
    return (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def _linear(colours: np.ndarray) -> np.ndarray:
    """Display colours in 0..1 as linear light."""
    return np.clip(colours, 0, 1) ** np.float32(2.2)


def _shade(normals: np.ndarray, albedo: np.ndarray) -> np.ndarray:
    """Linear light `(P, 3)`: soft diffuse from three lights, sky and ground, and a faint sheen."""
    x, y, z = (normals / np.sqrt(np.maximum(np.einsum("ij,ij->i", normals, normals), 1e-12))[:, None]).T
    light = _GROUND + (_SKY - _GROUND) * (0.5 + 0.5 * y)[:, None]
    sheen = np.zeros_like(x)
    for direction, strength in _LIGHTS:
        toward = np.array(direction, np.float32) / np.float32(np.linalg.norm(direction))
        soft = np.clip((x * toward[0] + y * toward[1] + z * toward[2] + _SOFTNESS) / (1 + _SOFTNESS), 0, 1)
        light += soft[:, None] * np.array(strength, np.float32)
        half = toward + np.array((0, 0, 1), np.float32)
        half /= np.linalg.norm(half)
        shine = np.clip(x * half[0] + y * half[1] + z * half[2], 0, 1) ** 4
        sheen += np.float32(strength[0]) * shine * shine * shine * shine * shine * shine * shine
    return albedo * light + np.float32(0.05) * sheen[:, None] * (np.float32(0.3) + albedo)

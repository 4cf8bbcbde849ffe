"""The renderer puts things where they are, and the picture of a sentence is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from runtime_examples.animate.picture import draw, moments
from runtime_examples.animate.raster import Camera, render
from sdk.errors import FaceError, RigError
from sdk.faces.face import Face
from sdk.rig import RigLayout

ARKIT = RigLayout.arkit()


@dataclass(frozen=True)
class Phone:
    symbol: str
    start: float
    end: float


@pytest.fixture(scope="module")
def head() -> Face:
    return Face.default()


def portrait(head: Face, **pose: float) -> np.ndarray:
    return render(head, head.vertices(ARKIT.vector(pose), ARKIT), 120, 150, Camera.on(head, yaw_deg=0))


def test_the_nearer_triangle_covers_and_the_far_side_is_unseen() -> None:
    square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
    vertices = np.concatenate([square, square * 0.5 + (0, 0, 1), square * 0.5 + (0, 0, 2)])
    quad = np.array([[0, 1, 2], [0, 2, 3]])
    colours = np.repeat([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 4, axis=0)
    face = Face(
        ("jawOpen",), vertices, np.zeros((1, 12, 3)), np.concatenate([quad, quad + 4, quad[:, ::-1] + 8]), 0, 1, colours
    )
    image = render(face, vertices, 40, 40, Camera((0, 0, 0), 4.0), (0.0, 0.0, 0.0))
    assert [int(image[20, x].argmax()) for x in (20, 12)] == [1, 0]
    assert not image[2, 2].any()
    assert (image[:, :, 2] <= image[:, :, :2].max(axis=2)).all()


def test_an_opening_mouth_is_a_growing_dark_patch_where_the_mouth_is(head: Face) -> None:
    shut, half, wide = (portrait(head, jawOpen=jaw).astype(int) for jaw in (0.0, 0.3, 0.8))
    dark = [(image.sum(axis=2) < 130)[85:140, 40:80].sum() for image in (shut, half, wide)]
    assert dark[0] < dark[1] < dark[2]
    screen, _ = Camera.on(head, yaw_deg=0).project(head.neutral_cm[[head.lower_lip]], 120, 150)
    changed = np.argwhere(np.abs(wide - shut).sum(axis=2) > 150)
    assert abs(np.median(changed[:, 1]) - screen[0, 0]) < 4
    assert 0 < np.median(changed[:, 0]) - screen[0, 1] < 25


def test_a_blink_hides_the_eyes(head: Face) -> None:
    def white(image: np.ndarray) -> int:
        low = image.min(axis=2).astype(int)
        return int(((low > 150) & (image.max(axis=2) - low < 25))[40:80, 35:85].sum())

    assert white(portrait(head)) > 10 + 5 * white(portrait(head, eyeBlinkLeft=1, eyeBlinkRight=1))


def test_a_face_without_colours_is_drawn_too(head: Face) -> None:
    plain = Face(head.names, head.neutral_cm, head.deltas_cm, head.triangles, head.upper_lip, head.lower_lip)
    image = render(plain, plain.neutral_cm, 60, 75)
    assert (image.shape, image.dtype) == ((75, 60, 3), np.uint8)
    assert image[37, 30, 0] > image[37, 30, 2]


PHONES = [
    Phone("sil", 0, 0.3),
    Phone("m", 0.3, 0.4),
    Phone("ɑ", 0.4, 0.7),
    Phone("u", 0.7, 0.9),
    Phone("sil", 0.9, 1.2),
]


def curves() -> np.ndarray:
    times = np.arange(36) / 30
    frames = np.zeros((36, 52), np.float32)
    frames[:, ARKIT.index("jawOpen")] = 0.5 * np.exp(-(((times - 0.55) / 0.1) ** 2))
    frames[:, ARKIT.index("mouthPucker")] = 0.7 * np.exp(-(((times - 0.8) / 0.08) ** 2))
    return frames


def test_moments_show_closure_opening_rounding_and_silence(head: Face) -> None:
    frames = curves()
    chosen = moments(frames, head.lip_gap_cm(frames, ARKIT), PHONES, 30.0, ARKIT)
    labels = {label: frame / 30 for frame, label in chosen}
    assert [frame for frame, _ in chosen] == sorted(frame for frame, _ in chosen)
    assert labels["widest"] == pytest.approx(0.55, abs=0.04)
    assert labels["rounded"] == pytest.approx(0.8, abs=0.04)
    assert 0.3 <= labels["/m/"] <= 0.41
    assert labels["silence"] == pytest.approx(0.15, abs=0.04)


def test_the_picture_is_drawn_whole(tmp_path: Path, head: Face) -> None:
    samples = np.sin(np.arange(19200) / 20).astype(np.float32)
    path = draw(tmp_path / "new" / "lips.png", samples, PHONES, curves(), 30, ARKIT, head, "mɑ u")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [p.name for p in path.parent.iterdir()] == ["lips.png"]


def test_frames_that_cannot_be_drawn_are_refused(tmp_path: Path, head: Face) -> None:
    with pytest.raises(RigError, match="at least one frame"):
        draw(tmp_path / "a.png", np.zeros(100), [], np.zeros((0, 52)), 30, ARKIT, head)
    with pytest.raises(FaceError, match="52 channels"):
        draw(tmp_path / "a.png", np.zeros(100), [], np.zeros((3, 7)), 30, ARKIT, head)
    assert not list(tmp_path.iterdir())

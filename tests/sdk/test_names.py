"""The same face by other names: orders that exist, round trips, and the two that are more than a renaming."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdk.errors import RigError
from sdk.faces.face import Face
from sdk.names import convention, conventions, convert, from_arkit, to_arkit
from sdk.names.visemes import OVR_15, VOWELS, non_negative, opening, opening_row, pose, weights
from sdk.rig import ARKIT_52, RigLayout

RENAMED = ("arkit", "livelink", "iphone", "alphabetical", "unity", "mediapipe", "ict", "cc4")


def _values(rows: int = 20, most: float = 1.0) -> np.ndarray:
    return np.random.default_rng(3).random((rows, 52)).astype(np.float32) * np.float32(most)


@pytest.mark.parametrize("name", RENAMED)
@pytest.mark.parametrize("other", RENAMED)
def test_renaming_goes_there_and_back(name: str, other: str) -> None:
    values = _values()
    kept = [
        i
        for i, channel in enumerate(ARKIT_52)
        if channel not in {*convention(name).lacking, *convention(other).lacking}
    ]
    there = convert(from_arkit(values, name), name, other)
    np.testing.assert_allclose(to_arkit(there, other)[:, kept], values[:, kept], atol=1e-6)
    assert len(kept) >= 51


def test_the_orders_are_those_in_use() -> None:
    live, phone = convention("livelink").names, convention("iphone").names
    assert live[15:17] == ("JawLeft", "JawRight")
    assert phone[15:17] == ("JawRight", "JawLeft")
    assert (live[21:23], phone[21:23]) == (("MouthLeft", "MouthRight"), ("MouthRight", "MouthLeft"))
    assert (len(live), live[17], live[51], live[60]) == (61, "JawOpen", "TongueOut", "RightEyeRoll")
    assert convention("unity").names[:2] == ("browDownLeft", "browDownRight")
    assert convention("unity").names[-1] == "tongueOut"
    assert convention("mediapipe").names[0] == "_neutral"
    assert convention("mediapipe").lacking == ("tongueOut",)
    assert len(convention("mediapipe").names) == 52
    assert from_arkit(np.ones(52), "unity").max() == 100
    assert convention("oculus").names == (
        "sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou",
    )  # fmt: skip
    with pytest.raises(RigError, match="no convention 'maya'; there are: arkit, livelink"):
        convention("maya")


def test_left_stays_left_everywhere() -> None:
    for name in RENAMED:
        spelled = convention(name)
        row = np.zeros(52, np.float32)
        row[ARKIT_52.index("mouthSmileLeft")] = 1
        moved = [channel for channel, value in zip(spelled.names, spelled.from_arkit(row), strict=True) if value]
        assert len(moved) == 1
        assert moved[0].lower().replace("_", "") in ("mouthsmileleft", "mouthsmilel")


def test_cc4_looks_where_we_look() -> None:
    """An eye that looks out looks to its own side."""
    row = np.zeros(52, np.float32)
    row[[ARKIT_52.index("eyeLookOutLeft"), ARKIT_52.index("eyeLookInRight")]] = 1
    cc4 = convention("cc4")
    moved = {channel for channel, value in zip(cc4.names, cc4.from_arkit(row), strict=True) if value}
    assert moved == {"Eye_L_Look_L", "Eye_R_Look_L"}
    assert cc4.lacking == ()


def test_ict_has_the_names_of_its_own_file(data_folder: Path) -> None:
    path = data_folder / "face" / "ict-facekit" / "ict.npz"
    if not path.exists():
        pytest.skip("no ICT-FaceKit here")
    assert convention("ict").names == tuple(str(name) for name in np.load(path)["names"])


def test_metahuman_s_lips_shut_by_the_share_of_the_jaw() -> None:
    names = convention("metahuman").names
    together = [names.index(f"CTRL_expressions_mouthLipsTogether{corner}") for corner in ("UL", "UR", "DL", "DR")]
    row = np.zeros((3, 52), np.float32)
    row[:, ARKIT_52.index("jawOpen")] = 0.3
    row[:, ARKIT_52.index("mouthClose")] = (0.3, 0.15, 0.0)
    out = from_arkit(row, "metahuman")
    np.testing.assert_allclose(out[:, together], np.repeat([[1.0], [0.5], [0.0]], 4, axis=1), atol=1e-6)
    np.testing.assert_allclose(out[:, names.index("CTRL_expressions_jawOpen")], 0.3)
    np.testing.assert_allclose(to_arkit(out, "metahuman"), row, atol=1e-6)
    calm = _values(50, 0.4)
    calm[:, ARKIT_52.index("mouthClose")] *= 0.5 * calm[:, ARKIT_52.index("jawOpen")]
    calm[:, ARKIT_52.index("jawOpen")] += 0.05
    np.testing.assert_allclose(to_arkit(from_arkit(calm, "metahuman"), "metahuman"), calm, atol=1e-5)


def test_each_viseme_s_own_pose_is_that_viseme() -> None:
    for viseme in OVR_15[1:]:
        found = from_arkit(pose(viseme), "oculus")
        assert found[OVR_15.index(viseme)] > 0.99, viseme
        assert found.sum() == pytest.approx(1, abs=1e-5)
    assert from_arkit(np.zeros(52), "oculus")[0] == 1
    half = from_arkit(0.5 * pose("ou"), "oculus")
    assert half[OVR_15.index("ou")] == pytest.approx(0.5, abs=0.01)
    assert half[0] == pytest.approx(0.5, abs=0.01)


def test_viseme_weights_are_those_of_least_squares() -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="scipy judges our non-negative least squares")
    poses = np.stack([pose(name) for name in OVR_15[1:]], axis=1).astype(float)
    for row in _values(40, 0.25):
        exact, _ = optimize.nnls(poses, row)
        np.testing.assert_allclose(non_negative(poses.T @ poses, row @ poses), exact, atol=1e-4)
    found = weights(_values(40), OVR_15[1:])
    assert found.min() >= 0
    assert found.sum(axis=1).max() <= 1 + 1e-5


def test_vrm_has_its_five_vowels_and_each_lid() -> None:
    for name, vowels, lid in (("vrm1", VOWELS, "blinkLeft"), ("vrm0", ("A", "I", "U", "E", "O"), "Blink_L")):
        spelled = convention(name)
        assert spelled.names[:5] == vowels
        for vowel, ours in zip(vowels, VOWELS, strict=True):
            row = pose(ours)
            row[ARKIT_52.index("eyeBlinkLeft")] = 0.7
            out = dict(zip(spelled.names, spelled.from_arkit(row).tolist(), strict=True))
            assert out[vowel] > 0.99
            assert out[lid] == pytest.approx(0.7)
        assert conventions().index(name) > 0


def test_vowels_open_no_wider_than_the_face_and_shut_with_it() -> None:
    """A rig of vowels alone has no shut mouth: what is left to them at /p b m/ is nothing."""
    close = ARKIT_52.index("mouthClose")
    for name in ("vrm1", "vrm0"):
        rows = _values(60, 0.4)
        vowels = from_arkit(rows, name)[:, :5]
        assert vowels.max() > 0.2
        blended = vowels @ np.stack([pose(vowel) for vowel in VOWELS])
        assert (opening(blended) <= opening(rows) + 1e-5).all()
        rows[:, close] += 1.02 * opening(rows) / 1.128
        assert not from_arkit(rows, name)[:, :5].any(), "the lips met"
        rows[:, close] -= 0.05
        assert 0 < from_arkit(rows, name)[:, :5].max() < 0.4, "and come apart slowly"


def test_what_opens_the_lips_is_what_opens_our_head_s() -> None:
    _, row = Face.default().lip_gap_row(RigLayout.arkit())
    np.testing.assert_allclose(opening_row(), row / row[ARKIT_52.index("jawOpen")], atol=0.005)


def test_visemes_shut_where_the_face_shuts_by_little_things() -> None:
    """A shrug and rolls close what the jaw has opened a little: the nearest blend alone would stay open."""
    little = {"jawOpen": 0.08, "mouthClose": 0.05, "mouthShrugLower": 0.15, "mouthRollLower": 0.1}
    face = RigLayout.arkit().vector(little)
    assert opening(face) == 0
    for name, poses in (("oculus", OVR_15[1:]), ("vrm1", VOWELS)):
        before = weights(face, poses)
        assert opening(before @ np.stack([pose(viseme) for viseme in poses])) > 0.02
        shown = from_arkit(face, name)[: len(poses) + (name == "oculus")][-len(poses) :]
        assert opening(shown @ np.stack([pose(viseme) for viseme in poses])) < 1e-6
    assert from_arkit(face, "oculus").sum() == pytest.approx(1, abs=1e-5)

"""What a director may ask for: strength, channels, rest, life; lips that met still meet, the mouth is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sdk
from sdk.engines.eager import EagerEngine
from sdk.errors import ArtifactError, AudioError, ConfigError
from sdk.faces.face import CLOSED_CM, Face
from sdk.live.life import Life
from sdk.live.performance import Performance
from sdk.live.shaping import Shaping
from sdk.rig import ARKIT_52, Frame, RigLayout

ARKIT = RigLayout.arkit()


def test_strength_moves_away_from_rest_and_keeps_lips_shut() -> None:
    face, rng = Face.default(), np.random.default_rng(1)
    values = rng.random((500, 52)).astype(np.float32) * 0.3
    values[:, 18] = values[:, 17]  # mouthClose undoes the jaw
    gap = face.lip_gap_cm(values, ARKIT)
    shut = values[gap <= CLOSED_CM / 1.3]
    assert len(shut) > 10
    for strength in (0.5, 1.3):
        out = Shaping.of(ARKIT, strength).values(shut)
        np.testing.assert_allclose(out, np.clip(strength * shut, 0, 1), atol=1e-6)
        assert face.lip_gap_cm(out, ARKIT).max() <= CLOSED_CM + 1e-4
    assert not Shaping.of(ARKIT, 0).values(values).any()
    with pytest.raises(ConfigError, match="strength 9"):
        Shaping.of(ARKIT, 9)


def test_a_file_of_channels(tmp_path: Path) -> None:
    path = tmp_path / "channels.txt"
    path.write_text("# mine\njawOpen 2\nmouthSmile* 1 0.1\nbrowInnerUp 0.5 0 0 0.2  # calm\n")
    shaping = Shaping.of(ARKIT, 1.0, path)
    out = dict(zip(ARKIT_52, shaping.values(np.full(52, 0.45, np.float32)).tolist(), strict=True))
    assert out["jawOpen"] == pytest.approx(0.9)
    assert (out["mouthSmileLeft"], out["mouthSmileRight"]) == (pytest.approx(0.55), pytest.approx(0.55))
    assert out["browInnerUp"] == pytest.approx(0.2)
    assert out["tongueOut"] == pytest.approx(0.45)
    path.write_text("jawOpen\nnose 1\njawOpen 1 2 3\njawOpen 1 0 1 0\n")
    with pytest.raises(
        ConfigError, match=r"line 1: expected.*line 2: no channel 'nose'.*line 3: expected.*line 4: low 1"
    ):
        Shaping.of(ARKIT, 1.0, path)


TAIL = RigLayout(("earUp", "tail"), (0.0, -1.0), (1.0, 1.0), (0.25, 0.5))  # rests neither at 0 nor in the middle


@pytest.fixture
def lifted(tmp_path: Path) -> Shaping:
    """Strength 1.2, on the tail a gain of 0.5 and an offset of -0.3 too."""
    path = tmp_path / "channels.txt"
    path.write_text("tail 0.5 -0.3\n")
    return Shaping.of(TAIL, 1.2, path)


def test_a_rig_that_does_not_rest_at_0_is_moved_from_where_it_rests(lifted: Shaping) -> None:
    np.testing.assert_allclose(lifted.values(np.array([0.35, 0.9], np.float32)), [0.37, 0.44], atol=1e-6)
    np.testing.assert_allclose(lifted.values(np.array(TAIL.neutral, np.float32)), [0.25, 0.2], atol=1e-6)


class Recorded:
    """Life that moves nothing and keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.frames: list[Frame] = []

    def reset(self) -> None:
        self.heard.append(0)

    def hear(self, mono: np.ndarray, rate_hz: int) -> None:
        self.heard[-1] += len(mono)

    def frame(self, frame: Frame) -> Frame:
        self.frames.append(frame)
        return frame


def test_a_face_comes_to_the_rest_that_was_asked_for_and_a_new_take_begins_at_0(
    make_engine: Callable[..., EagerEngine], lifted: Shaping
) -> None:
    rig = {"names": list(TAIL.names), "minimum": [0, -1], "maximum": [1, 1], "neutral": [0.25, 0.5]}
    life: Any = Recorded()
    act = Performance(sdk.FramePredictor(make_engine(**rig)), lifted, life)
    frames = act.push(np.full(8000, 0.2, np.float32))
    act.push(np.full(8000, 0.2, np.float32))
    np.testing.assert_allclose(act.neutral, [0.25, 0.2], atol=1e-6)
    lived = len(life.frames)
    np.testing.assert_allclose(act.settle(after=frames[-1])[-1].values, act.neutral, atol=1e-6)
    assert len(life.frames) == lived, "a way to rest beside the take is led by who asked for it, life and all"
    act.reset()
    act.push(np.full(8000, 0.2, np.float32))
    assert life.heard == [16000, 8000]
    for bad in (np.full(9, np.nan, np.float32), np.zeros((2, 9), np.float32)):
        with pytest.raises(AudioError):
            act.push(bad)
    assert life.heard == [16000, 8000], "what the predictor did not take nobody has heard"


@pytest.mark.parametrize("fps", ["24", "29.97", "30", "60"])
def test_a_take_cut_in_mid_vowel_closes_within_the_rest(make_engine: Callable[..., EagerEngine], fps: str) -> None:
    engine = make_engine()
    loud = np.random.default_rng(2).standard_normal(16000).astype(np.float32) * 0.3
    plain = sdk.predict(engine, loud, fps=fps)
    act = Performance(sdk.FramePredictor(engine, fps=fps), rest_s=0.3)
    frames = act.push(loud) + act.finish()
    tail = frames[len(plain) :]
    np.testing.assert_array_equal([f.values for f in frames[: len(plain)]], [f.values for f in plain])
    assert np.abs(plain[-1].values).max() > 0.1, "cut with the mouth open"
    np.testing.assert_allclose(tail[-1].values, 0, atol=1e-6)
    assert (tail[-1].sample - plain[-1].sample) / 16000 <= 0.3
    openness = np.array([f.values.max() for f in [plain[-1], *tail]])
    assert (np.diff(openness) <= 1e-6).all(), "never opens again on the way"
    assert [f.index for f in frames] == list(range(len(frames)))
    assert act.settle() == [], "at rest already"
    with pytest.raises(ConfigError, match="a rest of 11 s"):
        Performance(sdk.FramePredictor(engine), rest_s=11)


def _lived(seed: int, seconds: int, start: int = 0) -> list[Frame]:
    life = Life(ARKIT, seed)
    rng = np.random.default_rng(5)
    still = np.full(52, 0.2, np.float32)
    for second in range(seconds):
        loud = 0.3 if second % 2 else 0.001
        life.hear(rng.standard_normal(16000) * loud, 16000)
    return [life.frame(Frame(k, k * 16000 // 30, still, ARKIT)) for k in range(start, seconds * 30)]


def test_life_blinks_glances_and_never_touches_the_mouth() -> None:
    frames = _lived(7, 60)
    values = np.stack([frame.values for frame in frames])
    for place, name in enumerate(ARKIT_52):
        if name.startswith(("mouth", "jaw", "cheek", "tongue", "nose")):
            assert (values[:, place] == np.float32(0.2)).all(), name
    lids = values[:, ARKIT_52.index("eyeBlinkLeft")]
    blinks = int(((lids[1:] > 0.6) & (lids[:-1] <= 0.6)).sum())
    assert 8 <= blinks <= 30, "about one every four seconds"
    np.testing.assert_array_equal(lids, values[:, ARKIT_52.index("eyeBlinkRight")])
    assert len(np.unique(values[:, ARKIT_52.index("eyeLookUpLeft")])) > 10
    brow = values[:, ARKIT_52.index("browInnerUp")]
    assert brow.max() > 0.24, "a voice that rises lifts the brow"
    assert values.max() <= 1
    assert values.min() >= 0
    again = np.stack([frame.values for frame in _lived(7, 60)])
    np.testing.assert_array_equal(values, again)
    assert np.abs(values - np.stack([frame.values for frame in _lived(8, 60)])).max() > 0.1
    later = np.stack([frame.values for frame in _lived(7, 60, start=900)])
    lid = ARKIT_52.index("eyeBlinkLeft")
    np.testing.assert_array_equal(later[:, lid], values[900:, lid])


@pytest.mark.parametrize("rate", [16000, 11025])
def test_a_life_is_the_same_in_blocks_of_any_size(make_engine: Callable[..., EagerEngine], rate: int) -> None:
    names = ["jawOpen", "browInnerUp", "browOuterUpLeft", "eyeBlinkLeft"]
    engine = make_engine(names=names, minimum=[0] * 4, maximum=[1] * 4, neutral=[0] * 4)
    rng = np.random.default_rng(3)
    loud = np.repeat(rng.random(40) ** 3, rate // 8)  # syllables and pauses: brows rise at some of them
    sound = (rng.standard_normal(len(loud)) * 0.3 * loud).astype(np.float32)

    def lived(step: int, fails: bool = False) -> np.ndarray:
        still, calls = EagerEngine(engine.manifest, lambda window: np.zeros(4, np.float32)), iter(range(10**6))

        def flaky(window: np.ndarray) -> np.ndarray:
            if fails and next(calls) % 7 == 3:
                raise ArtifactError("the device went away")
            return still.run(window)

        predictor = sdk.FramePredictor(EagerEngine(engine.manifest, flaky), rate_hz=rate)
        act, frames = Performance(predictor, life=Life(engine.manifest.layout, 7)), []
        for at in range(0, len(sound), step):
            while True:
                try:
                    frames += act.push(sound[at : at + step])
                    break
                except ArtifactError:
                    pass
        return np.stack([frame.values for frame in frames + act.finish()])

    whole = lived(len(sound))
    assert whole[:, names.index("browInnerUp")].max() > 0.05
    for step in (rate, rate // 100, 7, 1777):
        np.testing.assert_array_equal(lived(step), whole, err_msg=f"blocks of {step}")
    np.testing.assert_array_equal(lived(rate // 100, fails=True), whole, err_msg="a block that comes again")

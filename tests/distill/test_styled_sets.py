"""BEAT, 3D-ETF and VOCASET: trees of their shape, made here, come out as clips; pickles that run code do not."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from distill.corpus.shelf import load_shards
from distill.corpus.styled.clips import clips_of, neutral, people_of
from distill.corpus.styled.sets import SETS, beat_emotion, read_pickle
from distill.recipes import styled_corpus
from sdk.errors import DataError
from sdk.rig import ARKIT_52, RigLayout

ARKIT = RigLayout.arkit()
ALPHABETICAL = sorted(name for name in ARKIT_52 if name != "tongueOut")


def _wav(path: Path, seconds: float, rate: int = 16000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.sin(np.arange(int(seconds * rate)) / 20) * 0.3, rate)


def test_beat(tmp_path: Path) -> None:
    stem = tmp_path / "2" / "2_scott_0_73_73"
    _wav(stem.with_suffix(".wav"), 20, 48000)
    jaw = ALPHABETICAL.index("jawOpen")
    frames = [
        {"weights": [k / 1200 if c == jaw else 0.0 for c in range(51)], "time": k / 60, "rotation": []}
        for k in range(1200)
    ]
    stem.with_suffix(".json").write_text(json.dumps({"names": ALPHABETICAL, "frames": frames}))
    spanish = tmp_path / "2" / "2_scott_4_1_1"
    spanish.with_suffix(".json").write_text("{}")
    clips = list(SETS["beat"](tmp_path, ARKIT))
    assert [(c.person, c.emotion, len(c.audio), c.motion.shape) for c in clips] == [
        ("2", "anger", 160000, (300, 52))
    ] * 2
    opened = clips[1].motion[:, ARKIT.index("jawOpen")]
    assert opened[[0, 150]].tolist() == pytest.approx([0.5, 0.75], abs=1e-3)
    assert clips[0].motion[:, ARKIT.index("tongueOut")].max() == 0
    assert [beat_emotion(n) for n in (0, 64, 65, 73, 81, 87, 95, 103, 118)] == [
        "neutral", "neutral", "happiness", "anger", "sadness", "contempt", "surprise", "fear", "disgust",
    ]  # fmt: skip


def test_beats_people_become_a_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four people, two moods each: shards by person, whose curves and sounds are the clips'."""
    jaw = ALPHABETICAL.index("jawOpen")
    for actor in range(1, 5):
        for number in (1, 73):
            stem = tmp_path / "beat" / f"part{actor % 2}" / str(actor) / f"{actor}_name_0_{number}_{number}"
            _wav(stem.with_suffix(".wav"), 4, 16000)
            frames = [{"weights": [actor / 8 * (c == jaw) for c in range(51)], "time": k / 60} for k in range(240)]
            stem.with_suffix(".json").write_text(json.dumps({"names": ALPHABETICAL, "frames": frames}))
    out = tmp_path / "corpus"
    assert styled_corpus.main(["--beat", str(tmp_path / "beat"), "--out", str(out)]) == 0
    assert "test: 1 people, 2 clips" in capsys.readouterr().err
    heard = {split: clips_of(load_shards(out, split), ARKIT) for split in ("train", "valid", "test")}
    assert {split: people_of(clips) for split, clips in heard.items()} == {
        "train": ["b1", "b2"], "valid": ["b3"], "test": ["b4"],
    }  # fmt: skip
    assert [clip.emotion for clip in heard["valid"]] == ["neutral", "anger"]
    assert heard["test"][0].motion[:, ARKIT.index("jawOpen")] == pytest.approx(0.5, abs=1e-3)
    assert np.abs(heard["test"][0].audio).max() == pytest.approx(0.3, abs=1e-3)
    with pytest.raises(DataError, match="'b4' is nobody of the made-up cast"):
        neutral(heard["test"], ARKIT)
    assert styled_corpus.main(["--beat", str(out), "--out", str(out)]) == 2
    assert "0 people of BEAT" in capsys.readouterr().err


def test_3d_etf(tmp_path: Path) -> None:
    one_hot = np.eye(24)[7]
    pair = {"input12": np.ones(64000, np.float32), "input21": np.ones(9), "target11": np.zeros((9, 52)),
            "target12": np.full((120, 52), 0.25), "level": np.array([0.0, 1.0]), "person": one_hot}  # fmt: skip
    np.savez(tmp_path / "a.npz", **pair)
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(pair))
    clips = list(SETS["3d-etf"](tmp_path, ARKIT))
    assert [(c.name, c.person, c.emotion, c.motion.shape) for c in clips] == [
        ("a", "person07", "level1", (120, 52)), ("b", "person07", "level1", (120, 52)),
    ]  # fmt: skip
    np.savez(tmp_path / "c.npz", input12=np.ones(3))
    with pytest.raises(DataError, match="lacks target12, level, person"):
        list(SETS["3d-etf"](tmp_path, ARKIT))


def test_vocaset_processed_and_raw(tmp_path: Path) -> None:
    subject = "FaceTalk_170728_03272_TA"
    template = np.full((5, 3), 2.0)
    frames = np.arange(200 * 15, dtype=np.float32).reshape(200, 5, 3)
    done = tmp_path / "done"
    (done / "vertices_npy").mkdir(parents=True)
    np.save(done / "vertices_npy" / f"{subject}_sentence01.npy", frames[::2].reshape(100, 15))
    _wav(done / "wav" / f"{subject}_sentence01.wav", 3.4, 22000)
    (done / "templates.pkl").write_bytes(pickle.dumps({subject: template}, protocol=2))
    raw = tmp_path / "raw"
    raw.mkdir()
    np.save(raw / "data_verts.npy", frames)
    (raw / "templates.pkl").write_bytes(pickle.dumps({subject: template}, protocol=2))
    sound = {"audio": np.ones(74800, np.int16) * 1000, "sample_rate": 22000}
    (raw / "raw_audio_fixed.pkl").write_bytes(pickle.dumps({subject: {"sentence01": sound}}, protocol=2))
    rows = {frame: frame for frame in range(200)}
    (raw / "subj_seq_to_idx.pkl").write_bytes(pickle.dumps({subject: {"sentence01": rows}}, protocol=2))
    for folder in (done, raw):
        (clip,) = SETS["vocaset"](folder, ARKIT)
        assert clip.name == f"{subject}_sentence01"
        assert clip.motion.shape == (102, 15)
        np.testing.assert_array_equal(clip.motion[:3], frames[:6:2].reshape(3, 15) - 2)


def test_a_pickle_that_would_run_code_is_not_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return os.mkdir, (str(tmp_path / "harm"),)

    path = tmp_path / "templates.pkl"
    path.write_bytes(pickle.dumps({"a": Bomb()}))
    with pytest.raises(DataError, match=r"not opened: it asks for \w+\.mkdir"):
        read_pickle(path)
    assert not (tmp_path / "harm").exists()
    with pytest.raises(DataError, match="cannot read"):
        read_pickle(tmp_path / "none.pkl")


@pytest.mark.parametrize("name", SETS)
def test_an_empty_folder_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no .* there"):
        list(SETS[name](tmp_path, ARKIT))

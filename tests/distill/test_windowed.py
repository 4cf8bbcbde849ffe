"""T_512: nothing is heard beyond the window, together or one by one, and the scores of both stand side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from small_corpus import utterance
from small_voice2face import ARKIT, sound, trained

from distill.files.teacher import Trained
from distill.recipes import receptive_field
from distill.recipes.evaluate import main as evaluate
from distill.speech.phonetics import CLASSES
from distill.teachers.neural.network import Bidirectional, TeacherSpec
from distill.teachers.neural.teacher import FILE, NeuralTeacher
from distill.teachers.voice2face.teacher import FILE as VOICE2FACE
from distill.teachers.voice2face.teacher import Voice2FaceTeacher
from distill.teachers.windowed import WINDOW_SAMPLES, Windowed


def test_t512_hears_nothing_beyond_its_window() -> None:
    """A change further than 256 ms from a frame does not move it; one inside does."""
    windowed = Windowed(Voice2FaceTeacher(trained()), together=7)
    waveform = sound(2.0)
    before = windowed.label(waveform).values
    assert before.shape == (60, 52)
    changed = waveform.copy()
    changed[20000:] = 0.3 * sound(2.0, 9)[20000:]
    after = windowed.label(changed).values
    reach = (20000 - WINDOW_SAMPLES // 2 - 400) * 30 // 16000
    np.testing.assert_array_equal(after[:reach], before[:reach])
    assert np.abs(after[38:] - before[38:]).max() > 1e-4


@pytest.mark.parametrize("kind", ["voice2face", "neural"])
def test_windows_together_are_windows_one_by_one(kind: str) -> None:
    """Batched against the slow twin: each window labelled as a recording of its own."""
    if kind == "voice2face":
        teacher: Voice2FaceTeacher | NeuralTeacher = Voice2FaceTeacher(trained())
    else:
        spec = TeacherSpec("tiny", 16, 12, 3, [1], 8, [1], 12, 0.1, "arkit")
        network = Bidirectional(spec, 52, len(CLASSES))
        network.initialise(1)
        torch.nn.init.normal_(network.rig.weight, std=0.1)
        teacher = NeuralTeacher(Trained(FILE, spec, network.state_dict(), ARKIT, 0.2))
    windowed = Windowed(teacher)
    waveform = np.pad(sound(0.6), WINDOW_SAMPLES)
    track = windowed.label(sound(0.6))
    for k in (0, 7, 17):
        start = k * 16000 // 30 - windowed.past_samples + WINDOW_SAMPLES
        alone = teacher.label(waveform[start : start + WINDOW_SAMPLES])
        np.testing.assert_allclose(track.values[k], alone.values[windowed.row], atol=2e-4)
        assert abs(windowed.row / teacher.fps - 0.256) <= 0.5 / teacher.fps


def test_a_teacher_and_its_t512_are_scored_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "speech"
    folder.mkdir()
    spoken = utterance("a", np.random.default_rng(0))
    soundfile.write(folder / "a.wav", spoken.audio, 16000)
    names = {"m": "M", "ɑ": "AA1", "b": "B", "i": "IY1"}
    rows = "".join(
        f'intervals [{k}]:\nxmin = {p.start}\nxmax = {p.end}\ntext = "{names[p.symbol]}"\n'
        for k, p in enumerate(spoken.phones, 1)
    )
    (folder / "a.TextGrid").write_text(f'item [1]:\nclass = "IntervalTier"\nname = "phones"\n{rows}', "utf-8")
    path = tmp_path / "a.teacher"
    trained().save(path)
    assert receptive_field.main([str(path), "--aligned", str(folder), "--conditions", "quiet"]) == 0
    out = capsys.readouterr().out
    assert "| T human |" in out
    assert "| T_512 human |" in out
    assert evaluate([str(path), "--aligned", str(folder), "--conditions", "quiet", "--into", str(path)]) == 0
    assert "human" in VOICE2FACE.load(path).scores
    assert "human.pbm" in path.with_suffix(".md").read_text("utf-8")

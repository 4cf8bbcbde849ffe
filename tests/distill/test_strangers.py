"""Strangers, Table 4 and their page, by the commands themselves, with networks that never learned anything."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from small_talker import ARKIT, PEOPLE, SPEC, clips, tone
from small_voice2face import save_hubert

from distill.corpus.labeller import Labeller, Utterance
from distill.corpus.shards import write_shard
from distill.files.teacher import Trained
from distill.recipes import strangers, table4
from distill.scoring.styled import seed_page
from distill.teachers.codetalker import teacher as codetalker
from distill.teachers.codetalker.motion_codes import CodesSpec
from distill.teachers.codetalker.network import CodeTalker, CodeTalkerSpec
from distill.teachers.diffusiontalker import teacher as diffusiontalker
from distill.teachers.diffusiontalker.network import Talker
from distill.teachers.track import RigTrack

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small clips, a person a split."""
    folder = tmp_path_factory.mktemp("styled")
    spoken = {clip.name: clip for clip in clips()}
    by = Labeller("styled", lambda u: RigTrack(spoken[u.name].motion, Fraction(30), ARKIT))
    for split, person in zip(("train", "valid", "test"), PEOPLE, strict=True):
        said = [c for c in spoken.values() if c.person == person]
        utterances = [Utterance(c.name, c.person, np.int16(c.audio * 32767), list(c.phones)) for c in said]
        write_shard(folder / "shards" / f"{split}-espeak-000.npz", utterances, by)
    return folder


def test_strangers_are_asked_about_faces_voices_and_what_it_costs(corpus: Path, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    torch.manual_seed(1)
    state = diffusiontalker.FILE.halved(Talker(SPEC, len(ARKIT)).state_dict())
    talker, folder, out = tmp_path / "compact2.teacher", tmp_path / "people", tmp_path / "figures" / "strangers.json"
    Trained(diffusiontalker.FILE, SPEC, state, ARKIT).save(talker)
    folder.mkdir()
    table = ["name\tspeaker"]
    for number, (who, hz) in enumerate((("a", 110), ("a", 112), ("b", 220), ("b", 224))):
        soundfile.write(folder / f"{number}.wav", tone(hz, 3.0), 16000)
        table.append(f"{number}\t{who}")
    (folder / "clips.tsv").write_text("\n".join(table))
    asked = ["--corpus", str(corpus), "--people", str(folder), "--json", str(out)]
    assert strangers.main([str(talker), *asked]) == 0
    found = json.loads(out.read_text())
    faces = found["faces"]
    assert faces["labels"]["mesh"]["lve"] < 1e-6 < faces["mean face"]["mesh"]["lve"]
    assert found["people"]["people"]["people"] == 2
    assert found["people"]["people"]["rows"]["pitch, loudness, brightness"]["top1"] == 1
    assert set(found["enrolled"]["rows"]) == {"own", "enrolled", "somebody else", "wrong emotion"}
    assert found["cpu_s_per_s"]["compact2"] > 0
    assert "compact2" in found["told"]
    text = seed_page.markdown({"strangers": found})
    assert "| *labels* | 0.000" in text
    assert "people: 2 people, 4 recordings" in text


def test_table_4_has_its_floor_its_ceiling_and_what_a_student_lost(corpus: Path, tmp_path: Path) -> None:
    hubert = str(save_hubert(tmp_path / "hubert"))
    codes = CodesSpec(12, 16, 1, 2, 24, 10, 4, 4)
    torch.manual_seed(1)
    spec = CodeTalkerSpec("tiny", hubert, 32, 16, 1, 2, 32, 30, list(PEOPLE), PEOPLE[0], codes, False, "arkit")
    network = CodeTalker(spec, len(ARKIT))
    assert network.mesh is not None
    from sdk.faces.face import Face

    network.mesh.fit(np.concatenate([clip.motion for clip in clips()]), Face.default(), ARKIT)
    teacher, out = tmp_path / "codetalker.teacher", tmp_path / "table4.json"
    Trained(codetalker.FILE, spec, codetalker.FILE.halved(network.state_dict()), ARKIT).save(teacher)
    student = ["--s0", str(ROOT / "checkpoints" / "s2.pt"), "--steps", "5", "--taught", "2", "--asked", "2"]
    assert table4.main(["--corpus", str(corpus), "--teacher", str(teacher), "--json", str(out), *student]) == 0
    rows = json.loads(out.read_text())["rows"]
    assert list(rows) == [
        "mean face", "loudness", "CodeTalker", "S0", "labels through 50 components", "labels",
    ]  # fmt: skip
    assert rows["labels"]["mesh"]["lve"] == 0 < rows["labels through 50 components"]["mesh"]["lve"]
    assert rows["S0"]["mse"] > 0
    assert "mse" not in rows["CodeTalker"]
    assert rows["S0"]["parameters_with_vocaset_basis"] - rows["S0"]["parameters"] == 15_069 * 13
    assert "| *paper: S0* |" in seed_page.markdown({"table4": json.loads(out.read_text())})

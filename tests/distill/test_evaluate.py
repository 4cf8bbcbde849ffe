"""Evaluation judges an artefact as a game would run it, and its yardstick is sound."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from small_corpus import utterance

from distill.corpus.shards import write_shard
from distill.files.checkpoint import Checkpoint
from distill.recipes.evaluate import main as evaluate
from distill.recipes.evaluate import merged, parse, table
from distill.recipes.fidelity import main as fidelity
from distill.recipes.rigs import main as rigs
from distill.scoring.conditions import CONDITIONS, Item, aligned_set, in_noise
from distill.scoring.controls import CONTROLS
from distill.scoring.surroundings import expand, surroundings
from distill.scoring.tally import score, scores_of, tally, write_gaps
from distill.scoring.trackers import engine_tracker, open_judged
from distill.scoring.whole import WholeMouth
from distill.speech.phones import Phone, to_json
from distill.students.spec import load_variant
from distill.teachers.neural.teacher import FILE
from distill.teachers.registry import teacher_kind
from distill.training.begin import initialise
from export.build import main as build
from export.plan.quality import quality
from sdk.errors import ArtifactError, CheckpointError, ConfigError, DataError
from sdk.faces.face import Face
from sdk.rig import RigLayout
from sdk.scenes.head import head_scene

PHONES = [Phone("ɑ", 0.3, 0.6), Phone("m", 0.6, 0.7), Phone("i", 0.7, 1.0), Phone("ɑ", 1.0, 1.3), Phone("p", 1.3, 1.4)]


def items() -> list[Item]:
    random = np.random.default_rng(0)
    return [Item(f"clip{i}", random.normal(0, 0.1, 32000).astype(np.float32), PHONES) for i in range(2)]


def test_the_labels_themselves_score_full_marks() -> None:
    found = score(items(), RigLayout.arkit(), Face.default(), lambda item, reference: reference)
    assert found["pbm"] == found["recall_at_2pct"] == found["auc"] == 1.0
    assert found["false_closure"] == found["mse"] == 0.0
    assert found["jitter"] > 0
    assert (found["closures"], found["vowels"]) == (4, 4)


def test_a_still_mouth_scores_nothing() -> None:
    half_open = RigLayout.arkit().vector({"jawOpen": 0.2})
    found = score(
        items(), RigLayout.arkit(), Face.default(), lambda item, reference: np.tile(half_open, (len(reference), 1))
    )
    assert found["pbm"] == found["recall_at_2pct"] == 0.0
    assert found["auc"] == 0.5
    assert found["jitter"] == pytest.approx(0.0, abs=1e-9)


def test_noise_is_the_same_every_time_and_as_loud_as_asked() -> None:
    item = items()[0]
    noisy = in_noise(item, 10.0)
    np.testing.assert_array_equal(noisy.audio, in_noise(item, 10.0).audio)
    assert 10 * np.log10(np.mean(item.audio**2) / np.mean((noisy.audio - item.audio) ** 2)) == pytest.approx(
        10, abs=0.1
    )


def test_recordings_need_a_textgrid_of_their_name(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(1600), 16000)
    with pytest.raises(DataError, match="TextGrid"):
        aligned_set(tmp_path)


def clips_folder(folder: Path, count: int = 1) -> Path:
    folder.mkdir()
    rows = "".join(
        f'intervals [{i}]:\nxmin = {p.start}\nxmax = {p.end}\ntext = "{name}"\n'
        for i, (p, name) in enumerate(zip(PHONES, ("AA1", "M", "IY1", "AA1", "P"), strict=True))
    )
    for clip in range(count):
        soundfile.write(folder / f"{clip}.wav", items()[0].audio * (clip + 1) / count, 16000)
        (folder / f"{clip}.TextGrid").write_text(
            f'item [1]:\nclass = "IntervalTier"\nname = "phones"\nintervals: size = 5\n{rows}'
        )
    return folder


def untrained(folder: Path) -> Checkpoint:
    spec = load_variant("s2", {"channels": 8})
    student = spec.build()
    initialise(student, 0)
    checkpoint = Checkpoint(spec, student.state_dict(), {"command": "python -m distill.recipes.heterogeneous"})
    checkpoint.save(folder / "s2.pt")
    return checkpoint


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The untrained checkpoint, built."""
    folder = tmp_path_factory.mktemp("untrained")
    untrained(folder)
    assert build(["--checkpoint", str(folder / "s2.pt"), "--budget", "8MB", "--out", str(folder / "out")]) == 0
    return folder / "out/model.pte"


def test_scores_go_into_the_checkpoint_and_its_card(
    artefact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From an untrained checkpoint to a scored one, through the files that a studio would touch."""
    checkpoint = untrained(tmp_path)
    clips = clips_folder(tmp_path / "clips")
    arguments = [str(artefact), "--aligned", str(clips), "--into", str(tmp_path / "s2.pt")]
    usual = ["--conditions", "quiet,10db"]
    assert evaluate([*arguments, *usual, "--json", str(tmp_path / "scores.json")]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert set(scores) == {"human", "human_10db"}
    assert Checkpoint.load(tmp_path / "s2.pt").scores == scores
    assert "human.pbm" in (tmp_path / "s2.md").read_text()
    assert "| human |" in table(scores)
    before = quality(scores)

    assert evaluate([*arguments, "--conditions", "8khz", "--rest"]) == 0
    assert "noise_30db" in capsys.readouterr().out
    more = Checkpoint.load(tmp_path / "s2.pt").scores
    assert {key: more[key] for key in scores} == scores, "what was not asked for now is kept"
    assert set(more) - set(scores) == {"human_8khz", "rest"}
    assert set(more["rest"]) == {"silence", "noise_60db", "noise_45db", "noise_30db"}
    assert quality({**more, "facegood": {"recall_at_2pct": 0.0}}) == before, "new tests do not move the ranking"

    changed = {name: value + 0.1 if name == "fc3.bias" else value for name, value in checkpoint.state.items()}
    Checkpoint(checkpoint.spec, changed).save(tmp_path / "other.pt")
    for scored in (arguments[0], "teacher"):
        assert evaluate([scored, "--aligned", str(clips), "--into", str(tmp_path / "other.pt")]) == 2
        assert "not built from these weights" in capsys.readouterr().err
    assert Checkpoint.load(tmp_path / "other.pt").scores == {}


def test_a_checkpoint_is_scored_like_its_artefact_by_any_number_of_processes(artefact: Path, tmp_path: Path) -> None:
    untrained(tmp_path)
    clips = clips_folder(tmp_path / "clips", 3)
    found = []
    for scored, workers in ((artefact, "1"), (tmp_path / "s2.pt", "1"), (tmp_path / "s2.pt", "2")):
        out, gaps = tmp_path / "scores.json", tmp_path / "gaps.npz"
        arguments = ["--aligned", str(clips), "--workers", workers, "--json", str(out), "--gaps", str(gaps)]
        assert evaluate([str(scored), *arguments]) == 0
        found.append(json.loads(out.read_text()))
    assert set(found[0]) == {"human", "human_10db", "human_8khz"}
    assert found[1] == found[2]
    for key, row in found[0].items():
        assert row == pytest.approx(found[1][key], abs=1e-4), key
    with np.load(gaps) as arrays:
        assert len(arrays["human/closures_cm"]) == found[2]["human"]["closures"] == 6
        assert len(arrays["human_10db/vowels_cm"]) == 6
        assert arrays["human/shut"].sum() / arrays["human/asked"].sum() == pytest.approx(found[2]["human"]["pbm"])


def test_teachers_are_opened_by_name_or_by_file(tmp_path: Path) -> None:
    layout, track, digest = open_judged("neural")
    assert open_judged(f"neural:{FILE.shipped}")[2] == open_judged(str(FILE.shipped))[2] == digest
    item = items()[0]
    assert track(item, item.reference).shape == (len(item.reference), len(layout))
    assert teacher_kind(FILE.shipped).file.load(FILE.shipped).weights_sha256 == digest
    (tmp_path / "x.teacher").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="no teacher's file"):
        open_judged(str(tmp_path / "x.teacher"))
    torch.save({"something": 1}, tmp_path / "y.teacher")
    with pytest.raises(CheckpointError, match="no teacher here reads such a file; it holds something"):
        open_judged(str(tmp_path / "y.teacher"))
    with pytest.raises(ConfigError, match="not opened so"):
        open_judged("articulatory:file")


@pytest.mark.parametrize("command", [evaluate, fidelity, rigs])
def test_a_program_of_nobody_knows_whom_is_opened_by_no_command(
    command: Callable[[list[str]], int], artefact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sealed TorchScript file runs as what it is, a program; `--trust` says that somebody knows its maker."""
    write_shard(tmp_path / "shards/valid-human-000.npz", [utterance("a", np.random.default_rng(0))])
    (tmp_path / "head.glb").write_bytes(head_scene(Face.default()).to_bytes())
    rests: dict[Any, list[str]] = {
        evaluate: ["--people", str(tmp_path), "--conditions", "quiet"],
        fidelity: ["--corpus", str(tmp_path), "--conditions", "quiet"],
        rigs: ["--people", str(tmp_path), "--head", str(tmp_path / "head.glb")],
    }
    words = [str(artefact.with_suffix(".pt")), *rests[command]]
    assert command(words) == 2
    assert "a TorchScript file is a program of whoever made it" in capsys.readouterr().err
    assert command([*words, "--trust"]) == 0
    with pytest.raises(ArtifactError, match="is a program"):
        open_judged(words[0])


def test_frames_are_the_players(tmp_path: Path) -> None:
    """The tracker uses the predictor itself: one value row a 30 fps frame, cut to the reference."""
    from sdk.engines.eager import EagerEngine
    from sdk.manifest import Manifest

    names = list(RigLayout.arkit().names)
    zeros, ones = [0.0] * 52, [1.0] * 52
    manifest = Manifest(
        2, "fake", "window", "eager", "numpy", "fp32", 16000, 8192, 1024, [], 0, [30, 1], [], "zeros",
        names, zeros, ones, zeros, 0, "0", {}, {}, {},
    )  # fmt: skip
    engine = EagerEngine(manifest, lambda window: np.full(52, window[7168], np.float32))
    item = items()[0]
    track = engine_tracker(engine)(item, item.reference)
    assert track.shape == item.reference.shape
    expected = np.clip(item.audio[[k * 16000 // 30 for k in range(60)]], 0, 1)
    np.testing.assert_allclose(track[:, 0], expected, atol=1e-6)


def spoken_folder(folder: Path, *silent: str) -> Path:
    """Recordings of two clips with phones in `labels/`, and one of each of `silent`, where nothing was heard."""
    (folder / "labels").mkdir(parents=True)
    for name in ("a", "b", *silent):
        soundfile.write(folder / f"{name}.wav", items()[0].audio, 16000)
        (folder / f"labels/{name}.phones.json").write_text("[]" if name in silent else to_json(PHONES), "utf-8")
    return folder


def test_a_clip_in_which_nothing_was_recognised_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It had made a whole set one in which nobody speaks, and the table's end in an error before anything was kept."""
    people = spoken_folder(tmp_path / "people", "mute")
    kept = [tmp_path / "scores.json", tmp_path / "gaps.npz"]
    words = ["--people", str(people), "--conditions", "quiet", "--json", str(kept[0]), "--gaps", str(kept[1])]
    assert evaluate(["exact", *words]) == 0
    said = capsys.readouterr()
    assert "left out 1 of 3 recordings, without phones: mute" in said.err
    assert "| people |" in said.out
    assert json.loads(kept[0].read_text())["people"]["closures"] == 4
    assert kept[1].exists()
    for path in people.glob("labels/*.json"):
        path.write_text("[]")
    assert evaluate(["exact", *words]) == 2
    assert "no recording with labels/NAME.phones.json that holds phones" in capsys.readouterr().err


def test_a_textgrid_without_phones_is_left_out_likewise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = clips_folder(tmp_path / "clips", 2)
    (clips / "0.TextGrid").write_text('item [1]:\nname = "phones"\nintervals: size = 0\n')
    assert [item.name for item in aligned_set(clips)] == ["1"]
    assert "without phones: 0" in capsys.readouterr().err


def test_scores_of_the_whole_mouth_give_way_to_no_lesser_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A budget chooses by what lips can be read; a run without `--whole` had taken that away, and one of a part of a
    set or of another face had stood there like any other."""
    people, out = spoken_folder(tmp_path / "people"), tmp_path / "s2.pt"
    checkpoint = untrained(tmp_path)
    before = {"people": {"recall_at_2pct": 0.9, "whole": {"legibility": 0.8}}, "human": {"pbm": 0.5}}
    dataclasses.replace(checkpoint, scores=before).save(out)
    words = [str(out), "--people", str(people), "--conditions", "quiet"]
    assert evaluate([*words, "--into", str(out)]) == 2
    assert "the scores kept of people are of the whole mouth" in capsys.readouterr().err
    for more in (["--limit", "1"], ["--face", str(tmp_path / "face.npz")]):
        assert evaluate([*words, "--whole", *more, "--into", str(out)]) == 2
        assert "leave out --limit and --face" in capsys.readouterr().err
    assert Checkpoint.load(out).scores == before
    assert evaluate([*words, "--whole", "--into", str(out)]) == 0
    after = Checkpoint.load(out).scores
    assert after["human"] == before["human"]
    assert "legibility" in after["people"]["whole"]
    assert after["people"]["recall_at_2pct"] != 0.9


def test_what_was_not_found_whole_takes_nothing_s_place(capsys: pytest.CaptureFixture[str]) -> None:
    before = {"people": {"pbm": 0.9, "whole": {}}, "human": {"pbm": 0.5}}
    assert merged(before, {"people": {"pbm": 0.1}, "human": {"pbm": 0.2}}) == {**before, "human": {"pbm": 0.2}}
    assert "people: nothing of the whole mouth" in capsys.readouterr().err


def test_a_control_judged_as_a_system_is_its_own_row_on_any_face(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Controls, and all of the whole mouth, had been measured on the default head whatever `--face` said."""
    ours = Face.default()
    sizes = np.array([0.3 if name == "jawOpen" else 1.0 for name in ours.names], np.float32)[:, None, None]
    dataclasses.replace(ours, deltas_cm=ours.deltas_cm * sizes).to_npz(tmp_path / "face.npz")
    words = ["--people", str(spoken_folder(tmp_path / "people")), "--conditions", "quiet", "--whole"]
    found = {}
    for place, more in (("ours", []), ("theirs", ["--face", str(tmp_path / "face.npz")])):
        assert evaluate(["loudness", *words, *more, "--json", str(tmp_path / "f.json")]) == 0
        row = json.loads((tmp_path / "f.json").read_text())["people"]
        own = row["controls"]["loudness"]
        assert own == pytest.approx({key: {**row, **row["whole"]}[key] for key in own}, nan_ok=True)
        found[place] = row["whole"]
    assert found["ours"]["false_shuts_per_min"] < found["theirs"]["false_shuts_per_min"], "a jaw that hardly opens"
    few = [i for i, name in enumerate(ours.names) if not name.startswith("mouthRoll")]
    poor = dataclasses.replace(ours, names=tuple(ours.names[i] for i in few), deltas_cm=ours.deltas_cm[few])
    poor.to_npz(tmp_path / "poor.npz")
    capsys.readouterr()
    assert evaluate(["loudness", *words, "--face", str(tmp_path / "poor.npz")]) == 2
    assert "no shape mouthrollupper, mouthrolllower" in capsys.readouterr().err


def test_only_rest_is_scored_as_rest() -> None:
    mute = Item("mute", items()[0].audio, [])
    found = tally([mute, *items()], RigLayout.arkit(), Face.default(), CONTROLS["mean_pose"]())
    assert scores_of({"people": found})["people"]["closures"] == 4
    assert set(scores_of({"zh.old": found})) == {"zh.old"}
    assert set(scores_of({"rest.silence": found})["rest"]["silence"]) == {"shut", "frames"}


def test_what_was_scored_is_kept_though_its_table_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(rows: object) -> str:
        raise KeyError("closures")

    monkeypatch.setattr("distill.recipes.evaluate.table", fails)
    words = ["--people", str(spoken_folder(tmp_path / "people")), "--conditions", "quiet"]
    with pytest.raises(KeyError):
        evaluate(["exact", *words, "--json", str(tmp_path / "scores.json"), "--gaps", str(tmp_path / "gaps.npz")])
    assert (tmp_path / "scores.json").exists()
    assert (tmp_path / "gaps.npz").exists()


def test_commands_of_the_tables_run_as_they_are_written() -> None:
    """`python -m distill.recipes.evaluate` "makes them again", said a page, and alone it scores nothing."""
    docs = Path(__file__).resolve().parents[2] / "docs"
    section = (docs / "whole_mouth.md").read_text("utf-8").partition("## Made again")[2].partition("\n## ")[0]
    commands = [line for line in section.splitlines() if line.startswith("python -m distill.recipes.evaluate ")]
    given = [parse(shlex.split(line, comments=True)[3:]) for line in commands]
    for options in given:
        folders = (options.aligned, options.people, options.strangers, options.grid, options.languages)
        assert any(folders) or options.rest
        assert expand(options.conditions.split(","), CONDITIONS | surroundings(None, None, []))
    for table_of in ("strangers", "aligned", "people"):
        assert any(getattr(o, table_of) and o.whole and o.conditions == "quiet,10db" for o in given)
    assert "whole_mouth.md#made-again" in (docs / "measured.md").read_text("utf-8")


def test_nothing_to_score_on_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(["teacher"]) == 2
    assert "--synthetic" in capsys.readouterr().err


def test_gaps_of_other_sets_are_kept_while_the_weights_are_the_same(tmp_path: Path) -> None:
    def counted(value: float) -> Any:
        gaps = SimpleNamespace(closures_cm=np.array([value]), vowels_cm=np.zeros(0))
        return SimpleNamespace(gaps=gaps, whole=WholeMouth())

    path = tmp_path / "s.gaps.npz"
    for key, value in (("human", 0.1), ("espeak", 0.2), ("human", 0.3)):
        write_gaps(path, {key: counted(value)}, "one")
    with np.load(path) as found:
        assert {name: float(found[name][0]) for name in found.files if "/" in name} == {
            "human/closures_cm": pytest.approx(0.3),
            "espeak/closures_cm": pytest.approx(0.2),
        }
    write_gaps(path, {"espeak": counted(0.4)}, "other")
    with np.load(path) as found:
        assert sorted(found.files) == ["espeak/closures_cm", "weights_sha256"]

"""Table 2 from checkpoints: the rows, what is relative to what, the intervals, the paper's figures, the pictures."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from random_students import lively

from distill.files.checkpoint import Checkpoint
from distill.scoring.metrics import Gaps, lip_scores
from distill.speech.phones import Phone, to_json
from distill.students.spec import load_variant
from distill.teachers.neural.teacher import FILE
from export.studies.table2 import study as table2
from export.studies.table2.figures import KINDS, is_shut, kind_of, math_label
from export.studies.table2.findings import NOISE, PAIRS, compare, compare_whole, findings, targets
from export.studies.table2.page import page
from export.studies.table2.rows import (
    NAMES,
    Cost,
    Paper,
    Row,
    in_turns,
    macs_of,
    read_rows,
    teacher_path,
    whole_path,
)
from sdk.errors import CheckpointError, ConfigError, DataError

CLOSURES, VOWELS = 60, 100
CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"
TABLE = CHECKPOINTS / "table2"


def gaps(found: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Closures of which a share `found` is shut, against open vowels at 0.4 to 0.9 cm."""
    random = np.random.default_rng(seed)
    shut = np.arange(CLOSURES) < round(found * CLOSURES)
    closures = np.where(shut, 0.05, 0.95) + random.normal(0, 0.01, CLOSURES)
    asked = np.full(CLOSURES, 3.0)
    vowels = random.uniform(0.4, 0.9, VOWELS)
    events = Gaps(closures, asked, np.where(shut, 3.0, 0.0), vowels)
    return {f"human/{name}": value for name, value in vars(events).items()}


def scores(found: float, jitter: float = 0.03) -> dict[str, Any]:
    events = {name.partition("/")[2]: value for name, value in gaps(found).items()}
    return {
        "human": {**dataclasses.asdict(lip_scores(Gaps(**events))), "mse": 0.001, "jitter": jitter},
        "rest": {"silence": {"shut": 1.0, "frames": 150}, "noise_30db": {"shut": 0.97, "frames": 450}},
    }


def put(folder: Path, name: str, found: float, **changes: Any) -> Checkpoint:
    spec = load_variant(name, {"channels": 8, "fc_width": 16, **changes})
    checkpoint = Checkpoint(spec, lively(spec.build()).state_dict(), {"recipe": "none"}, scores(found))
    checkpoint.save(folder / f"{name}.pt")
    np.savez(folder / f"{name}.gaps.npz", **gaps(found))
    return checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("table2")
    for name, found in (("s0", 0.95), ("s2", 0.60), ("s2_plus", 0.90), ("s5_plus", 0.9), ("s5_plus_smooth", 0.8)):
        put(made, name, found)
    return made


def test_the_papers_figures_are_as_printed() -> None:
    paper = Paper.load()
    printed = {
        ("s5_plus", "in_house"): 80.0, ("s5_plus", "mse"): 1.076, ("s5_plus", "jitter"): 0.0617,
        ("teacher", "test_clean"): 96.9, ("teacher", "jitter"): 0.0444, ("s0", "in_house"): 92.4,
        ("s2", "test_other"): 62.0, ("s2_plus", "in_house"): 87.6, ("s3_plus", "test_other"): 86.0,
        ("s4_plus_smooth", "mse"): 1.132, ("s5_plus_smooth", "future_ms"): 81, ("s4_plus_smooth", "memory"): 42,
        ("m_no_kd", "mse"): 2.573, ("h_kd", "flops"): 1.27, ("s1", "parameters"): 0.8,
    }  # fmt: skip
    assert {key: paper.figure(*key) for key in printed} == printed
    assert list(paper.rows) == list(NAMES)
    # the table prints each accuracy also as a share of the teacher's: 85.93 % for S5+, 53 % for M-KD
    for name, share in (("s5_plus", 85.93), ("m_no_kd", 52.63), ("s2_plus", 94.09), ("s5_plus_smooth", 80.02)):
        own, best = paper.figure(name, "in_house"), paper.figure("teacher", "in_house")
        assert own is not None
        assert best is not None
        assert 100 * own / best == pytest.approx(share, abs=0.006)


def test_a_row_too_short_is_refused(tmp_path: Path) -> None:
    content = yaml.safe_load(Path(table2.__file__).with_name("table2.yaml").read_text("utf-8"))
    content["rows"]["s1"].pop()
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match="s1"):
        Paper.load(tmp_path / "bad.yaml")


def test_rows_hold_what_lies_in_the_checkpoints_and_name_what_is_missing(folder: Path, tmp_path: Path) -> None:
    rows = {row.name: row for row in read_rows(folder, tmp_path / "none.teacher", timed=False)}
    assert list(rows) == list(NAMES)
    assert rows["teacher"].missing == "no none.teacher"
    assert rows["s1_plus"].missing == "no s1_plus.pt"
    plain, smooth = rows["s5_plus"], rows["s5_plus_smooth"]
    assert plain.score("human", "pbm") == pytest.approx(0.9)
    assert plain.score("mandarin", "pbm") is None
    assert (plain.future_ms, smooth.future_ms) == (64, pytest.approx(64 + 1000 / 60))
    assert plain.cost is not None
    assert smooth.cost is not None
    assert smooth.cost.parameters == plain.cost.parameters == Checkpoint.load(folder / "s5_plus.pt").parameters
    assert smooth.cost.macs == 2 * plain.cost.macs > 0
    assert smooth.cost.paper_bytes == 2 * (plain.cost.paper_bytes or 0)
    assert smooth.cost.counted_bytes == plain.cost.counted_bytes
    assert plain.cost.torchscript_ms is None
    (folder / "s1.pt").write_bytes(b"no checkpoint")
    try:
        with pytest.raises(CheckpointError, match=r"s1\.pt"):
            read_rows(folder, tmp_path / "none.teacher", timed=False)
    finally:
        (folder / "s1.pt").unlink()


def test_multiply_adds_are_the_papers_flops() -> None:
    """0.33, 0.083 and 0.021 billion in the paper, whose rig has 78 channels."""
    for name, billions in (("s0", 0.33), ("s1", 0.083), ("s2", 0.021)):
        assert macs_of(load_variant(name).build()) / 1e9 == pytest.approx(billions, rel=0.08)


def test_labels_and_colours_are_the_papers() -> None:
    labels = {name: Row(name).label for name in NAMES}
    assert (labels["teacher"], labels["m_no_kd"], labels["h_kd"]) == ("T", "M-KD", "H KD")
    assert (labels["s0"], labels["s4_plus"], labels["s5_plus_smooth"]) == ("S0", "S4+", "S̃5+")
    kinds = {name: kind_of(name) for name in NAMES}
    assert set(kinds.values()) == set(KINDS)
    assert [n for n in NAMES if kinds[n] == "plain"] == ["s0", "s1", "s2", "s3", "s4", "s5"]
    assert [n for n in NAMES if kinds[n] == "smooth"] == [
        f"s{n}_plus_{how}" for n in (4, 5) for how in ("smooth", "thirds")
    ]
    assert labels["s5_plus_thirds"] == "S̃5+ thirds"
    assert math_label(Row("s5_plus_thirds")) == "$\\tilde{S}_5$+\nthirds"


def test_rows_of_thirds_are_the_papers_smoothing_of_the_same_weights() -> None:
    """The issue asked for the paper's thirds beside ours; ours alone stood there."""
    for name in ("s4_plus", "s5_plus"):
        plain, smooth, thirds = (Checkpoint.load(TABLE / f"{name}{how}.pt") for how in ("", "_smooth", "_thirds"))
        assert plain.weights_sha256 == smooth.weights_sha256 == thirds.weights_sha256
        assert thirds.spec.ensemble == pytest.approx([1 / 3] * 3)
        assert thirds.spec == load_variant(f"{name}_thirds")
        assert Paper.load().rows[f"{name}_thirds"] == Paper.load().rows[f"{name}_smooth"]
        assert thirds.scores["human"]["jitter"] < smooth.scores["human"]["jitter"] < plain.scores["human"]["jitter"]


def row(name: str, found: float, seed: int = 0, **more: Any) -> Row:
    return Row(name, scores(found, **more), Cost(1, 1.0, 1, 1, None, None), 64.0, gaps(found, seed))


def test_a_large_difference_is_told_from_noise() -> None:
    pbm, recall = compare(row("s2_plus", 0.9), row("s2", 0.6), "human")
    assert pbm.points == pytest.approx(30)
    assert 0 < pbm.low < 30 < pbm.high
    assert pbm.verdict == recall.verdict == "better"
    # by hand: of 60 closures 18 are shut by the first alone; that share varies by sqrt(0.3 * 0.7 / 60) between draws
    assert (pbm.high - pbm.low) / 100 == pytest.approx(2 * 1.96 * (0.3 * 0.7 / 60) ** 0.5, rel=0.15)
    assert compare(row("s2", 0.6), row("s2_plus", 0.9), "human")[0].verdict == "worse"
    same = compare(row("s2_plus", 0.9), row("s2", 0.9, seed=1), "human")[0]
    assert (same.points, same.verdict) == (0.0, NOISE)
    one = compare(row("s2_plus", 55 / 60), row("s2", 54 / 60), "human")[0]
    assert one.points == pytest.approx(100 / 60)
    assert one.verdict == NOISE, "a single closure"


def test_recall_and_accuracy_of_all_events_are_the_judges_own() -> None:
    """The vectorised figures of a difference agree with `lip_scores`, event by event."""
    for seed in range(5):
        random = np.random.default_rng(seed)
        made = []
        for name in ("s2_plus", "s2"):
            asked = np.full(40, 2.0)
            shut = random.integers(0, 3, 40).astype(float)
            events = Gaps(random.normal(0.2, 0.2, 40), asked, shut, random.normal(0.6, 0.2, 130))
            own = {f"human/{field}": value for field, value in vars(events).items()}
            made.append((Row(name, gaps=own), lip_scores(events)))
        pbm, recall = compare(made[0][0], made[1][0], "human", draws=50)
        assert pbm.points == pytest.approx(100 * (made[0][1].pbm - made[1][1].pbm))
        assert recall.points == pytest.approx(100 * (made[0][1].recall_at_2pct - made[1][1].recall_at_2pct))


def phones(shut: float, read: float, seed: int = 0) -> dict[str, np.ndarray]:
    """20 clips of 4 closures, 10 other consonants of which a share is `shut`, and 10 phones of which a share is
    `read` as what they are."""
    random = np.random.default_rng(seed)
    kinds, whose = np.tile([0] * 4 + [1] * 10, 20), np.repeat(np.arange(20), 14)
    least_cm = np.where(kinds == 0, 0.05, np.where(random.random(len(kinds)) < shut, 0.04, 0.6))
    truth, reader = np.tile(np.arange(10), 20), np.repeat(np.arange(20), 10)
    said = np.where(random.random(len(truth)) < read, truth, (truth + 1) % 10)
    events = {"kinds": kinds, "least_cm": least_cm, "whose": whose, "truth": truth, "said": said, "reader": reader}
    return {f"human/whole.{name}": value for name, value in events.items()}


def test_what_lips_can_be_read_is_compared_on_the_same_phones() -> None:
    better, worse = (Row(name, gaps=phones(*how)) for name, how in (("s5_plus", (0.1, 0.8)), ("s5", (0.5, 0.5))))
    found = compare_whole(better, worse, "human")
    assert found is not None
    # by hand, of what was drawn: 40 points fewer others shut; of AUC half of that; 30 points more phones read
    for difference, points, verdict in (
        (found.others_shut, -40, "worse"), (found.other_auc, 40, "better"), (found.legibility, 30, "better")
    ):  # fmt: skip
        assert difference.points == pytest.approx(points, abs=9)
        assert difference.low < difference.points < difference.high
        assert difference.verdict == verdict
    rows = [dataclasses.replace(row(one.name, 0.9), gaps={**gaps(0.9), **one.gaps}) for one in (better, worse)]
    text = page(rows, Paper.load(), findings(rows, Paper.load(), ("human",)), [], [], "a machine")
    line = next(line for line in text.splitlines() if line.startswith("| **S5+** less S5") and "legib" not in line)
    assert line.count("|") == 9
    whole = [line for line in text.splitlines() if line.startswith("| **S5+** less S5")][1]
    assert whole.count(": better") == 3, "fewer others shut is better"
    same = compare_whole(better, Row("s5", gaps=phones(0.1, 0.8)), "human")
    assert same is not None
    assert same.legibility.verdict == NOISE
    assert compare_whole(better, row("s5", 0.9), "human") is None, "never measured"
    other = Row("s5", gaps=phones(0.1, 0.8))
    other.gaps["human/whole.truth"] = other.gaps["human/whole.truth"][::-1]
    with pytest.raises(DataError, match=r"S5\+ and S5 were read on other phones"):
        compare_whole(better, other, "human")


def test_scores_of_other_utterances_are_not_compared() -> None:
    other = row("s2", 0.6)
    other.gaps["human/closures_cm"] = other.gaps["human/closures_cm"][:-1]
    with pytest.raises(DataError, match=r"S2\+ and S2 were scored on other utterances"):
        compare(row("s2_plus", 0.9), other, "human")


def test_findings_are_set_against_the_papers() -> None:
    rows = [
        row("s2", 0.9),
        row("s2_plus", 0.6),
        row("s5", 0.6),
        row("s5_plus", 0.9),
        row("s4", 0.9),
        row("s4_plus", 0.9),
    ]
    found = {each.first.name: each for each in findings(rows, Paper.load(), ("human", "mandarin"))}
    assert set(found) == {"s2_plus", "s5_plus", "s4_plus"}, "only pairs of which both are there, only sets that are"
    assert found["s2_plus"].agrees == "the other way round"
    assert found["s5_plus"].agrees == "as in the paper"
    assert found["s4_plus"].agrees.startswith("not shown here")
    assert found["s2_plus"].paper_points == pytest.approx(87.6 - 75.9)
    assert {name for pair in PAIRS for name in pair[:2]} == set(NAMES) - {"teacher"}


def test_a_pair_of_unlike_plans_is_refused_by_name() -> None:
    plan = {"steps": 2400, "mix_human": 0.8, "seed": 1}
    plans = {"s0": plan, "m_kd": {**plan, "steps": 800}, "s2": plan, "s2_plus": {**plan, "seed": 2}}
    rows = [dataclasses.replace(row(name, 0.9), plan=plan) for name, plan in plans.items()]
    assert {each.first.name for each in findings(rows, Paper.load(), ("human",))} == {"s2_plus"}, "another seed may be"
    text = page(rows, Paper.load(), [], [], [], "a machine")
    assert "- **S0** and M KD (raw waveform against MFCC): steps" in text
    assert "- **S2+** and" not in text


def test_how_much_speech_was_labelled_is_what_distillation_is_about() -> None:
    whole, little = {"steps": 9, "hours": 0.0}, {"steps": 9, "hours": 0.8}
    plans = {"m_kd": whole, "m_no_kd": little, "s0": little}
    rows = [dataclasses.replace(row(name, 0.9), plan=plan) for name, plan in plans.items()]
    assert [each.first.name for each in findings(rows, Paper.load(), ("human",))] == ["m_kd"]
    assert "- **S0** and M KD (raw waveform against MFCC): hours" in page(rows, Paper.load(), [], [], [], "a machine")


def test_what_lips_can_be_read_stands_beside_the_controls() -> None:
    whole = {"legibility": 0.45, "intervals": {"legibility": [0.4, 0.5]}, "others_shut": 0.6, "folded_over": 41}
    human = {**row("s2", 0.9).scores["human"], "whole": whole, "controls": {"loudness": {"legibility": 0.28}}}
    rows = [dataclasses.replace(row("s2", 0.9), scores={"human": human}), row("s5", 0.9)]
    text = page(rows, Paper.load(), [], [], [], "a machine")
    assert "over 41 clips" in text
    for name, cells in (("*loudness*", ["", "0.280"]), ("**S2**", ["0.600", "0.450 (0.400 to 0.500)"])):
        table = text.partition("## What lips can be read")[2].splitlines()
        line = next(line for line in table if line.startswith(f"| {name} | "))
        found = [cell.strip() for cell in line.split("|")]
        assert [found[3], found[5]] == cells
    assert "Nothing was measured yet" in page([row("s5", 0.9)], Paper.load(), [], [], [], "a machine")


def test_what_lips_can_be_read_lies_beside_a_checkpoint(tmp_path: Path) -> None:
    put(tmp_path, "s2", 0.9)
    whole = {"human": {"pbm": 0.1, "whole": {"legibility": 0.45}, "controls": {"loudness": {"legibility": 0.28}}}}
    whole_path(tmp_path / "s2.pt").write_text(json.dumps(whole))
    found = {each.name: each for each in read_rows(tmp_path, tmp_path / "no.teacher", timed=False)}["s2"]
    assert found.scores["human"]["whole"] == {"legibility": 0.45}
    assert found.scores["human"]["controls"] == {"loudness": {"legibility": 0.28}}
    assert found.score("human", "pbm") == pytest.approx(0.9), "of the checkpoint, with whose gaps pairs are compared"


def test_the_teachers_scores_are_those_on_the_tables_own_clips(folder: Path, tmp_path: Path) -> None:
    """Its file keeps what it scores on others, of which a share would mean nothing."""
    shutil.copytree(folder, tmp_path / "table2")
    teacher_path(tmp_path / "table2").write_text(json.dumps({"human": {"pbm": 0.5}}))
    whole_path(teacher_path(tmp_path / "table2")).write_text(json.dumps({"human": {"whole": {"legibility": 0.8}}}))
    np.savez(tmp_path / "table2" / "teacher.gaps.npz", **gaps(0.9))
    found = read_rows(tmp_path / "table2", FILE.shipped, timed=False)[0]
    assert (found.name, found.score("human", "pbm"), found.scores["human"]["whole"]["legibility"]) == (
        "teacher",
        0.5,
        0.8,
    )
    assert len(found.gaps["human/closures_cm"]) == CLOSURES
    assert found.cost is not None
    assert found.cost.lower_bound


def test_targets_name_who_misses_them() -> None:
    rows = [row("teacher", 1.0, jitter=0.03), row("s2_plus", 0.95), row("s5_plus", 0.8, jitter=0.05)]
    found = {each.about: each for each in targets(rows)}
    quiet = found["PBM accuracy of the teacher's, human speech in quiet"]
    assert quiet.values == {"S2+": pytest.approx(95, abs=0.1), "S5+": pytest.approx(80, abs=0.1)}
    assert quiet.failed == ["S5+"]
    assert found["jitter away from the teacher's"].failed == ["S5+"]
    assert found["frames shut where nobody speaks, the worst of silence and noise"].values["S2+"] == pytest.approx(97)
    assert found["PBM accuracy of the teacher's, at 10 dB"].values == {}


def test_who_was_never_measured_is_not_said_to_keep_a_target() -> None:
    """Three students of seven had never been scored at 10 dB: "kept by all"."""
    teacher, kept, never = row("teacher", 1.0), row("s2_plus", 0.95), row("s4_plus", 0.95)
    for one in (teacher, kept):
        one.scores["human_10db"] = one.scores["human"]
    del never.scores["rest"]
    found = {each.about: each for each in targets([teacher, kept, never])}
    noise, rest = (
        found["PBM accuracy of the teacher's, at 10 dB"],
        found["frames shut where nobody speaks, the worst of silence and noise"],
    )
    assert (list(noise.values), noise.failed, noise.unmeasured) == (["S2+"], [], ["S4+"])
    assert (rest.failed, rest.unmeasured) == (["S2+"], ["S4+"])
    text = page(
        [teacher, kept, never], Paper.load(), [], [noise, rest, found["jitter away from the teacher's"]], [], ""
    )
    asked = [line.split(" | ")[-1] for line in text.partition("## What was asked for")[2].splitlines() if "%" in line]
    assert asked[:3] == [
        "kept by the 1 of 2 that were measured |", "missed by S2+; 1 of 2 were measured |", "kept by all |",
    ]  # fmt: skip


def test_a_cost_that_leaves_something_out_says_so_of_the_parameters_too() -> None:
    """T's 1.5 M stood beside 967 as if all; the 8.2 M through which it hears are in no file of ours."""
    part = dataclasses.replace(
        row("teacher", 1.0), cost=Cost(1_510_000, 1e9, 10**6, None, None, None, lower_bound=True)
    )
    text = page([part, row("s2", 0.9)], Paper.load(), [], [], [], "a machine")
    text = text.partition("## What a frame costs")[2].partition("## What our data shows")[0]
    cells = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in text.splitlines() if "**" in line}
    assert cells["**T**"] == "> 1.51 / *967*"
    assert cells["**S2**"] == "0.00 / *0.23*"


def test_calls_take_turns() -> None:
    order: list[str] = []
    times = in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=4)
    assert order == ["a", "b"] * 7, "three to warm up"
    assert all(value >= 0 for value in times.values())


def test_lips_are_judged_within_two_frames() -> None:
    gap = np.full(30, 0.8)
    gap[12] = 0.1
    assert [is_shut(gap, Phone("m", k / 30, k / 30 + 0.01)) for k in (9, 10, 14, 15)] == [False, True, True, False]


@pytest.mark.slow
def test_the_page_the_facts_and_the_pictures(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole command, times too, on the sentence that the package brings and on a clip of one's own."""
    import soundfile

    audio, phones = tmp_path / "clip.wav", tmp_path / "clip.json"
    soundfile.write(audio, np.random.default_rng(0).normal(0, 0.1, 24000), 16000)
    phones.write_text(to_json([Phone("sil", 0, 0.3), Phone("m", 0.3, 0.4), Phone("ɑ", 0.4, 0.8), Phone("p", 0.8, 1.0)]))
    given = ["--checkpoints", str(folder), "--teacher", str(FILE.shipped), "--out", str(tmp_path / "out")]
    assert table2.main([*given, "--audio", str(audio), "--phones", str(phones)]) == 0
    assert "6 of 20 rows; missed:" in capsys.readouterr().out
    text = (tmp_path / "out/table2.md").read_text("utf-8")
    lines = {line.split("|")[1].strip(): line for line in reversed(text.splitlines()) if line.startswith("| **")}
    teacher = next(line for line in text.splitlines() if line.startswith("| **T**"))
    base = float(teacher.split("|")[2])
    smooth = next(line for line in text.splitlines() if line.startswith("| **S̃5+**"))
    assert smooth.split("|")[2].strip() == f"80.0 ({80 / base:.0%})", "relative to the teacher's"
    assert "80.0 (86%)" in text, "the paper's S5+ beside ours"
    assert "S1 (no s1.pt)" in text
    assert "better" in next(line for line in text.splitlines() if line.startswith("| **S2+** less S2"))
    facts = json.loads((tmp_path / "out/table2.json").read_text("utf-8"))
    cost = facts["rows"]["s2"]["cost"]
    assert cost["xnnpack_ms"] > 0
    assert cost["torchscript_ms"] > 0
    assert facts["rows"]["s1"]["missing"] == "no s1.pt"
    assert set(lines) >= {"**T**", "**S0**", "**S2+**"}
    for name in ("table2-fig4.png", "table2-fig7.png"):
        assert (tmp_path / "out" / name).read_bytes()[:4] == b"\x89PNG"
        assert f"({name})" in text
    assert not (tmp_path / "out/table2-fig8.png").exists(), "S4 is not there"


def test_an_empty_folder_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A teacher alone makes no table."""
    for teacher in (tmp_path / "no.teacher", CHECKPOINTS / "neural.teacher"):
        given = ["--checkpoints", str(tmp_path), "--teacher", str(teacher), "--out", str(tmp_path)]
        assert table2.main([*given, "--no-times"]) == 2
        assert "none of its students is there" in capsys.readouterr().err


def test_the_page_says_whose_training_differs() -> None:
    usual = {"steps": 2400, "mix_human": 0.8, "rest_weight": 0.2}
    plans = {"m_kd": {"steps": 800, "mix_human": 0.65}, "s0": usual, "s1": {**usual, "steps": 1200}, "s2": usual}
    rows = [dataclasses.replace(row(name, 0.9), plan=plan) for name, plan in plans.items()]
    text = page(rows, Paper.load(), [], [], [], "a machine")
    assert "By the plan of S0 (steps 2400, mix_human 0.8, rest_weight 0.2):" in text
    for line in (
        "- **S0**, **S2**: that plan",
        "- **S1**: steps 1200",
        "- **M KD**: steps 800, mix_human 0.65, no rest",
    ):
        assert line in text

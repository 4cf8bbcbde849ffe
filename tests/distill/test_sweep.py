"""The sweep: its log is kept, its tracker gives a player's frames, its front is the cheapest of equals."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from small_corpus import SMALL, utterance

import sdk
from distill.corpus.shards import Utterance, write_shard
from distill.files.checkpoint import Checkpoint
from distill.recipes import sweep
from distill.scoring.conditions import Item
from distill.scoring.trackers import stream_tracker
from distill.speech.phones import Phone
from distill.students.spec import StreamStudentSpec, load_variant
from distill.students.stream import HOP_SAMPLES, StreamStudent
from distill.training.begin import initialise
from export.deliver.manifest import manifest
from export.lower.deploy_stream import DeployedStream
from export.quantise.precision import float_point
from export.verify.proof import TOLERANCE
from sdk.engines.eager import EagerStreamEngine
from sdk.tools import strict

ROOT = Path(__file__).resolve().parents[2]

PHONES = [Phone("m", 0.5, 0.6), Phone("ɑ", 0.6, 1.5), Phone("b", 1.5, 1.6), Phone("i", 1.6, 2.5)]


def sound(seed: int) -> np.ndarray:
    return utterance("", np.random.default_rng(seed)).audio


def test_it_tracks_as_a_player_plays() -> None:
    spec = load_variant("s6", SMALL)
    assert isinstance(spec, StreamStudentSpec)
    student = spec.build()
    initialise(student, 1)
    torch.nn.init.normal_(student.fc3.weight, std=0.3)
    checkpoint = Checkpoint(spec, student.state_dict())
    deployed = DeployedStream(checkpoint.student())  # type: ignore[arg-type]

    def step(hops: np.ndarray, state: tuple[np.ndarray, ...]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        with torch.inference_mode():
            values, *after = deployed(torch.from_numpy(hops)[:, None], *(torch.from_numpy(s.copy()) for s in state))
        return values.numpy(), tuple(a.numpy() for a in after)

    engine = EagerStreamEngine(manifest(checkpoint, float_point(checkpoint), "executorch", "xnnpack"), step)
    item = Item("a", sound(0).astype(np.float32) / 32768, PHONES)
    frames = sdk.predict(engine, item.audio)
    track = stream_tracker(checkpoint.student(), spec)(item, item.reference)  # type: ignore[arg-type]
    # each way adds in its own order; how much order costs here, on this processor, is told by one pass in float64
    hops = torch.from_numpy(item.audio[: len(item.audio) // HOP_SAMPLES * HOP_SAMPLES]).reshape(1, 1, -1)
    with torch.inference_mode():
        single, double = checkpoint.student()(hops), checkpoint.student().double()(hops.double())
    rounding = float((single - double).abs().max())
    assert rounding < TOLERANCE
    np.testing.assert_allclose(track, np.stack([f.values for f in frames])[: len(track)], rtol=0, atol=4 * rounding)


def test_multiply_adds_are_those_of_the_layers() -> None:
    student = load_variant("s6", {**SMALL, "dilations": [], "context": [4, 2]}).build()
    assert isinstance(student, StreamStudent)
    front = 32 * 4 * 20 + 8 * 8 * 4 * 8 + 2 * 8 * 8 * 8 + 8 * 8 * 4
    rest = 8 * 8 + 8 * 4 * 4 + 8 * 16 + 16 * 16 + 16 * 52
    assert sweep.macs_per_second(student) == 50 * (front + rest)


def row(name: str, cost: float, quality: float) -> dict:
    return {"point": {"name": name}, "macs_per_second": cost, "scores": {"human": {"auc": quality}}}


def test_the_front_holds_what_nothing_cheaper_equals() -> None:
    rows = [row("dear", 9, 0.8), row("best", 5, 0.9), row("poor", 4, 0.5), row("cheap", 1, 0.7)]
    assert [r["point"]["name"] for r in sweep.pareto(rows)] == ["cheap", "best"]


def test_a_sweep_goes_on_from_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = [Utterance(str(i), f"s{i}", sound(i), PHONES) for i in range(3)]
    write_shard(tmp_path / "corpus/shards/train-human-000.npz", made)
    points = tmp_path / "points.yaml"
    point = f"  - {{name: NAME, line: C, variant: s6, changes: {json.dumps(SMALL)}}}\n"
    head = "plan: {steps: 2, rows: 2, row_hops: 60}\npoints:\n"
    points.write_text(head + point.replace("NAME", "a"))
    speech = tmp_path / "speech"
    speech.mkdir()
    soundfile.write(speech / "one.wav", sound(5), 16000)
    rows_ = "".join(
        f'        intervals [{i}]:\n xmin = {p.start}\n xmax = {p.end}\n text = "{t}"\n'
        for i, (p, t) in enumerate(zip(PHONES, ("M", "AA1", "B", "IY1"), strict=True))
    )
    (speech / "one.TextGrid").write_text(f'item [1]:\n name = "phones"\n intervals: size = 4\n{rows_}')
    command = ["--points", str(points), "--corpus", str(tmp_path / "corpus"), "--aligned", str(speech)]
    command += ["--log", str(tmp_path / "log.jsonl"), "--plot", str(tmp_path / "plot.png")]
    assert sweep.main(command) == 0
    first = (tmp_path / "log.jsonl").read_text()
    points.write_text(head + point.replace("NAME", "a") + point.replace("NAME", "b"))
    assert sweep.main(command) == 0
    lines = (tmp_path / "log.jsonl").read_text().splitlines(keepends=True)
    assert lines[0] == first, "what stands in the log is not trained again"
    assert [json.loads(line)["point"]["name"] for line in lines] == ["a", "b"]
    assert (tmp_path / "plot.png").stat().st_size > 5000
    points.write_text("plan: {steps: 2, rows: 2, row_hops: 60}\npoints:\n  - {name: c}\n")
    assert sweep.main(command) == 2
    assert "line" in capsys.readouterr().err
    points.write_text("plan: {stops: 2}\npoints: []\n")
    assert sweep.main(command) == 2
    assert "stops" in capsys.readouterr().err


def test_the_points_that_lie_here_are_those_of_the_page() -> None:
    """Each builds, and has as many weights as the table says: s6 has changed since, and they begin with it."""
    page = (ROOT / "docs/stream_students.md").read_text("utf-8")
    told = dict(re.findall(r"^\| (c\d\S*) \| ([\d,]+) \|", page, re.MULTILINE))
    points = strict.load_yaml(ROOT / "distill/configs/sweep.yaml")["points"]
    assert [point["name"] for point in points] == list(told)
    for point in points:
        student = load_variant(point["variant"], {**point["changes"], "name": point["name"]}).build()
        assert f"{sum(weight.numel() for weight in student.parameters()):,}" == told[point["name"]], point["name"]

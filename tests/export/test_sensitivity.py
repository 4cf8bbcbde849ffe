"""Which layers int8 hurts: found where it was planted, kept in float, and built as precision `mixed`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from random_students import lively, make_stream_checkpoint
from small_corpus import utterance

from distill.corpus.shards import Utterance, write_shard
from distill.files.checkpoint import Checkpoint
from distill.speech.phones import Phone
from distill.students.spec import load_variant
from export.lower.trace import trace_forward
from export.quantise.grids import Int8Conv
from export.quantise.keep import KEEP, kept, sensitivity_path
from export.quantise.precision import points
from export.quantise.rounding import golden_rows
from export.studies.sensitivity.layer_costs import LayerCost, convolution_names
from export.studies.sensitivity.study import Ear, Harm, kept_in_float, left_cm, main, sweep, units
from export.verify.curves import frames_of, valid_items
from sdk.errors import CheckpointError


def spoken(seed: int) -> Utterance:
    phones = [Phone("m", 0.5, 0.7), Phone("ɑ", 0.7, 1.5), Phone("b", 1.5, 1.7), Phone("ɑ", 1.7, 2.5)]
    return utterance(str(seed), np.random.default_rng(seed), phones)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_shard(folder / "shards" / "train-human-000.npz", [spoken(1), spoken(2)])
    write_shard(folder / "shards" / "valid-human-000.npz", [spoken(3), spoken(4)])
    write_shard(folder / "shards" / "valid-espeak-000.npz", [spoken(5)])
    return folder


@pytest.fixture(scope="module")
def swept(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checkpoint]:
    """A checkpoint with its sensitivity beside it, made by the command line."""
    path = tmp_path_factory.mktemp("swept") / "s6.pt"
    checkpoint = make_stream_checkpoint()
    checkpoint.save(path)
    words = ["--checkpoint", str(path), "--corpus", str(corpus), "--seconds", "3", "--tolerance-cm", "0.02"]
    assert main([*words, "--plot", str(path.with_suffix(".png"))]) == 0
    return path, checkpoint


def test_the_speech_is_nobodys_training(corpus: Path) -> None:
    assert [item.name for item in valid_items(corpus, 100)] == ["5", "3", "4"]
    assert [item.name for item in valid_items(corpus, 2)] == ["5", "3"], "so many seconds of each source"


@pytest.mark.parametrize("variant", ["s6", "s2"])
def test_a_layer_with_one_loud_channel_is_found(corpus: Path, variant: str) -> None:
    if variant == "s6":
        checkpoint, loud, deaf = make_stream_checkpoint(), "front.1", "front.2"
    else:
        spec = load_variant("s2", {"channels": 16, "fc_width": 16})
        student = lively(spec.build())
        torch.nn.init.normal_(student.fc3.weight, std=0.1)
        checkpoint, loud, deaf = Checkpoint(spec, student.state_dict()), "strided.2", "strided.3"
    ending = ".conv" if variant == "s6" else ""
    checkpoint.state[f"{loud}{ending}.bias"][0] += 400.0  # one channel takes nearly all steps of the grid,
    checkpoint.state[f"{deaf}{ending}.weight"][:, 0] = 0.0  # and nobody listens to it
    ear = Ear(checkpoint, valid_items(corpus, 3))
    alone, together = sweep(checkpoint, ear, golden_rows(2))
    ranked = sorted(alone, key=lambda unit: -alone[unit].curve_error)
    assert set(ranked[:2]) == {loud, deaf}, "it lies on the grids of both"
    assert alone[ranked[1]].curve_error > 2 * alone[ranked[2]].curve_error
    assert together["float"].curve_error == 0


def test_the_depthwise_pair_is_one() -> None:
    student = make_stream_checkpoint(separable=True).student()
    found = units(student)
    assert found["front.1"] == ["front.1.depth", "front.1.conv"]
    assert sum(map(len, found.values())) == sum(isinstance(m, torch.nn.Conv2d) for m in student.modules())
    assert "first" not in units(load_variant("s2").build()), "its deployed form is float"


def test_most_harm_for_a_byte_goes_first() -> None:
    harm = lambda error: Harm(error, 0, 0, 1, 0, 0)  # noqa: E731
    cost = lambda saved, us=None: LayerCost(saved, 0, us, 0.0)  # noqa: E731
    alone = {"a": harm(0.03), "b": harm(0.01), "c": harm(0.04)}
    costs = {"a": cost(10), "b": cost(10), "c": cost(1000)}
    assert kept_in_float(alone, costs, 0.06) == []
    assert kept_in_float(alone, costs, 0.045) == ["a"]
    assert kept_in_float(alone, costs, 0.001) == ["a", "b", "c"]
    assert left_cm(alone, ["b"]) == pytest.approx(0.05)
    slow = {"a": cost(10, 100.0), "b": cost(10, 30.0), "c": cost(1000, 1.0)}
    assert kept_in_float(alone, slow, 0.045) == ["c"], "its bytes are many, but time is what float would cost in a"


def test_another_tolerance_takes_the_layers_that_are_known(swept: tuple[Path, Checkpoint], corpus: Path) -> None:
    path, _ = swept
    first = json.loads(sensitivity_path(path).read_text())
    again = path.with_name("again.json")
    known = first | {"layers": {unit: row | {"float_us": 777.0} for unit, row in first["layers"].items()}}
    again.write_text(json.dumps(known))
    words = ["--checkpoint", str(path), "--corpus", str(corpus), "--seconds", "3", "--out", str(again)]
    assert main([*words, "--tolerance-cm", "1e-9"]) == 0
    found = json.loads(again.read_text())
    assert {row["float_us"] for row in found["layers"].values()} == {777.0}
    assert set(found["keep"]) == set(found["layers"]), "nothing is left to harm"
    assert found["together"]["mixed"]["lip_error_cm"] < 1e-5  # folded norms round, no grid does


def test_the_file_tells_all_and_mixed_follows_it(swept: tuple[Path, Checkpoint]) -> None:
    path, checkpoint = swept
    found = json.loads(sensitivity_path(path).read_text())
    assert set(found["layers"]) == set(units(checkpoint.student()))
    for row in found["layers"].values():
        assert row["float_bytes"] > row["int8_bytes"] > 0
        assert row["lip_error_cm"] > 0
    assert found["together"]["mixed"]["lip_error_cm"] < found["together"]["all int8"]["lip_error_cm"]
    assert path.with_suffix(".png").stat().st_size > 5000
    assert kept(path, checkpoint, "int8") == KEEP
    (point,) = points(path, checkpoint, "mixed")
    assert point.precision == "mixed"
    integers = {name for name, layer in point.student.named_modules() if isinstance(layer, Int8Conv)}
    floats = set(found["keep"])
    parts = units(checkpoint.student())
    assert integers == {name for unit in parts if unit not in floats for name in parts[unit]}


def test_a_sweep_of_other_weights_is_refused(swept: tuple[Path, Checkpoint], tmp_path: Path) -> None:
    path, checkpoint = swept
    other = make_stream_checkpoint(seed=1)
    with pytest.raises(CheckpointError, match="measured on other weights"):
        kept(path, other, "mixed")
    other.save(tmp_path / "s6.pt")
    with pytest.raises(CheckpointError, match=r"nobody knows yet .*python -m export\.sensitivity"):
        points(tmp_path / "s6.pt", other, "mixed")
    sensitivity_path(tmp_path / "s6.pt").write_text("[1]")
    with pytest.raises(CheckpointError, match="not the sensitivity"):
        points(tmp_path / "s6.pt", other, "mixed")
    assert [point.precision for point in points(path, checkpoint, "auto")] == ["fp32"], "no twin, no score"


def test_window_frames_are_those_of_a_player(corpus: Path) -> None:
    spec = load_variant("s2", {"channels": 8, "fc_width": 16})
    student = lively(spec.build())
    item = valid_items(corpus, 2)[0]
    (found,) = frames_of(student, spec, [item])
    padded = np.pad(item.audio, 8192)
    at = 40 * 16000 // 30 + 8192 - (8192 - spec.future_samples)
    with torch.inference_mode():
        expected = student(torch.from_numpy(padded[at : at + 8192].copy()).reshape(1, 1, -1))[0].numpy()
    np.testing.assert_allclose(found[40], spec.layout.clamp(expected), atol=1e-5)


def test_every_convolution_has_its_layer() -> None:
    names = convolution_names(trace_forward(make_stream_checkpoint().student()))
    assert names == ["front.0.conv", "front.1.conv", "front.2.conv", "front.3.conv", "linear.conv", "wide.conv",
                     "blocks.0.conv", "fc1", "fc2", "fc3"]  # fmt: skip
    window = convolution_names(trace_forward(lively(load_variant("s2", {"channels": 8, "fc_width": 16}).build())))
    assert [name for name in window if name][:2] == ["strided.0", "strided.1"]
    assert window.count("") == 6, "the first layer twice, and the means of two norms"

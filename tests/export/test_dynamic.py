"""Dynamic int8: nearest to float, made without speech, each voice of a crowd on grids of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from random_students import Built, lively, make_stream_checkpoint
from torch import nn

import sdk
from distill.files.twin import Twin, twin_path
from distill.students.spec import load_variant
from export.load.checkpoints import Wanted
from export.lower.torchscript import torchscript
from export.pipeline import build
from export.quantise.__main__ import main
from export.quantise.grids import DynamicConv, is_int8
from export.quantise.rounding import dynamic, from_twin, golden_rows, post_training, quantise
from export.verify.proof import verify
from sdk.engines.base import StreamEngine
from sdk.errors import ConfigError


@pytest.fixture(scope="module")
def rows() -> list[np.ndarray]:
    return golden_rows(4)


@pytest.fixture(scope="module")
def dynamic_built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A checkpoint with its dynamic twin, made by the command line, and the build of it."""
    folder = tmp_path_factory.mktemp("dynamic")
    checkpoint = make_stream_checkpoint()
    checkpoint.save(folder / "s6.pt")
    assert main(["--checkpoint", str(folder / "s6.pt"), "--precision", "dynamic"]) == 0
    assert "in dynamic int8" in (folder / "s6-dynamic.md").read_text()
    report = build(8_000_000, folder / "face", Wanted(precision="dynamic", checkpoints=folder))
    return Built(folder / "face", report, checkpoint, [])


def test_it_is_nearer_to_float_than_grids_known_beforehand(rows: list[np.ndarray]) -> None:
    student = lively(load_variant("s2", {"channels": 16, "fc_width": 24}).build())
    windows = torch.from_numpy(rows[3])[: 8192 * 4].reshape(4, 1, 8192)
    with torch.inference_mode():
        expected = student(windows)
        errors = [
            float((made(windows) - expected).abs().mean()) for made in (dynamic(student), quantise(student, rows))
        ]
    assert 0 < errors[0] < 0.7 * errors[1]


def test_loud_and_quiet_together_are_as_alone(rows: list[np.ndarray]) -> None:
    layer = DynamicConv.of(nn.Conv2d(4, 8, (1, 3)))
    x = torch.randn(3, 4, 1, 9) * torch.tensor([1.0, 100.0, 0.01]).view(3, 1, 1, 1)
    together, alone = layer(x), torch.cat([layer(voice[None]) for voice in x])
    assert torch.equal(together, alone)


def test_depthwise_layers_stay_float() -> None:
    made = dynamic(make_stream_checkpoint(separable=True).student())
    names = {name for name, layer in made.named_modules() if isinstance(layer, nn.Conv2d)}
    assert "front.0.conv" in names
    assert all(name == "front.0.conv" or name.endswith(".depth") for name in names)
    assert is_int8(made)


def test_a_twin_holds_no_grids_and_comes_back_the_same(tmp_path: Path, rows: list[np.ndarray]) -> None:
    parent = make_stream_checkpoint()
    twin = post_training(parent, precision="dynamic", keep=("front.0",))
    twin.save(tmp_path / "a.twin")
    loaded = Twin.load(tmp_path / "a.twin", parent)
    assert not [name for name in loaded.state if name.endswith(".grids")]
    assert loaded.state["fc3.weight"].dtype == torch.int8
    speech = torch.from_numpy(rows[2])[None, None]
    with torch.inference_mode():
        expected = dynamic(parent.student(), ("front.0",))(speech)
        assert torch.equal(from_twin(parent, loaded)(speech), expected)


def test_the_build_is_one_delegate_and_computed_right(dynamic_built: Built) -> None:
    report = dynamic_built.report
    assert (report["files"]["model.pte"]["delegates"], report["files"]["model.pte"]["outside_delegate"]) == (2, 0)
    for row in ("load_peak_bytes", "steady_bytes"):
        assert abs(report["memory"]["error_percent"][row]) < 25, report["memory"]  # under 10 on s7
    manifest = sdk.open_artifact(dynamic_built.out / "model.pte").manifest
    assert manifest.precision == "dynamic"
    file = twin_path(dynamic_built.out.parent / "s6.pt", "dynamic")
    twin = Twin.load(file, dynamic_built.checkpoint)
    assert manifest.weights_sha256 == twin.weights_sha256
    verify({dynamic_built.out / "model.pte": from_twin(dynamic_built.checkpoint, twin)})


def test_streaming_and_crowds_are_exact(dynamic_built: Built, rows: list[np.ndarray]) -> None:
    engine = sdk.open(dynamic_built.out / "model.pte")
    assert isinstance(engine, StreamEngine)
    whole = sdk.predict(engine, rows[3])
    predictor, frames = sdk.FramePredictor(engine), []
    for part in np.array_split(rows[3], 37):
        frames += predictor.push(part)
    frames += predictor.finish()
    assert all(np.array_equal(a.values, b.values) for a, b in zip(frames, whole, strict=True))
    loudness = np.float32([1, 0.01, 30, 0.3]).repeat(5)[:, None]
    hops = np.stack([np.roll(rows[3], -977 * voice)[:3200] for voice in range(20)]).astype(np.float32) * loudness
    together, alone = engine.start(20), [engine.start(1) for _ in range(20)]
    for hop in np.split(hops, 10, axis=1):
        values, together = engine.step(np.ascontiguousarray(hop), together)
        for voice in range(20):
            single, alone[voice] = engine.step(np.ascontiguousarray(hop[voice : voice + 1]), alone[voice])
            np.testing.assert_allclose(values[voice], single[0], atol=1e-5)


def test_no_torchscript_chooses_its_grids() -> None:
    with pytest.raises(ConfigError, match="cannot choose its grids at every call"):
        torchscript(dynamic(make_stream_checkpoint().student()))

"""int8: the same lips from a fifth of the bytes, whole in one delegate, in any chunking, for one voice or a crowd."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from random_students import Built, lively, make_stream_checkpoint
from torch import nn

import sdk
from distill.files.checkpoint import Checkpoint
from distill.files.twin import SUFFIX, Twin, twin_path
from distill.recipes.evaluate import main as evaluate
from distill.students.spec import load_variant
from distill.students.stream import StreamStudent
from export.load.checkpoints import CHECKPOINTS, Wanted
from export.measure.counted import in_words
from export.pipeline import build
from export.quantise.__main__ import main
from export.quantise.grids import GridConv, Int8Conv, weight_scales
from export.quantise.rounding import calibrate, freeze, from_twin, golden_rows, quantise, with_grids
from export.verify.proof import INT8_TOLERANCE, verify
from sdk.engines.base import StreamEngine
from sdk.errors import CheckpointError, VerificationError


@pytest.fixture(scope="module")
def rows() -> list[np.ndarray]:
    return golden_rows(4)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    """As loud as a trained one: a sum on the edge between two steps moves its output no further."""
    return make_stream_checkpoint(loudness=0.05)


@pytest.fixture(scope="module")
def twin_built(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> tuple[Built, Twin]:
    """A checkpoint with its twin, made by the command line, and the int8 build of both."""
    folder = tmp_path_factory.mktemp("twins")
    checkpoint.save(folder / "s6.pt")
    assert main(["--checkpoint", str(folder / "s6.pt")]) == 0
    said: list[str] = []
    report = build(8_000_000, folder / "face", Wanted(precision="int8", checkpoints=folder), said.append)
    return Built(folder / "face", report, checkpoint, said), Twin.load(folder / "s6-int8.twin", checkpoint)


def loudness_db(signal: torch.Tensor) -> float:
    return float(20 * torch.log10(signal.std()))


@pytest.mark.parametrize(
    "changes", [{}, {"activation": "relu"}, {"separable": True}], ids=["gelu", "relu", "separable"]
)
def test_int8_says_what_float_says(rows: list[np.ndarray], changes: dict[str, object]) -> None:
    student = make_stream_checkpoint(**changes).student()
    frozen = quantise(student, rows)
    with torch.inference_mode():
        for gain in (1.0, 0.01):  # what is quiet must not drown in the grids
            speech = torch.from_numpy(golden_rows(6)[5])[None, None] * gain
            expected, found = student(speech), frozen(speech)
            # rows reach down to -54 dB: over eight of them the least is 18.4 dB, of the separable student
            assert loudness_db(found - expected) < loudness_db(expected) - 17


def test_only_the_kept_layers_stay_float(rows: list[np.ndarray], checkpoint: Checkpoint) -> None:
    student = checkpoint.student()
    names = lambda net, kind: {name for name, layer in net.named_modules() if isinstance(layer, kind)}  # noqa: E731
    assert names(quantise(student, rows), nn.Conv2d) == {"front.0.conv", "fc3"}
    assert names(quantise(student, rows, ()), nn.Conv2d) == set()
    assert names(quantise(student, rows, ("front", "blocks")), Int8Conv) == {
        "linear.conv",
        "wide.conv",
        "fc1",
        "fc2",
        "fc3",
    }
    assert names(student, nn.Conv2d) == names(checkpoint.student(), nn.Conv2d), "the student given is left alone"


def test_fake_quantisation_is_the_shipped_one(rows: list[np.ndarray], checkpoint: Checkpoint) -> None:
    felt = calibrate(with_grids(checkpoint.student()), rows)
    speech = torch.from_numpy(rows[2])[None, None]
    with torch.inference_mode():
        torch.testing.assert_close(freeze(felt)(speech), felt(speech), atol=1e-5, rtol=0)


def test_gradients_go_through_the_rounding(rows: list[np.ndarray], checkpoint: Checkpoint) -> None:
    felt = calibrate(with_grids(checkpoint.student()), rows)
    felt(torch.from_numpy(rows[2])[None, None]).square().sum().backward()
    layers = [layer for layer in felt.modules() if isinstance(layer, GridConv)]
    assert layers
    assert all(float(layer.conv.weight.grad.abs().sum()) > 0 for layer in layers)


def test_weights_use_all_integers() -> None:
    weight = torch.randn(8, 4, 1, 3)
    scales = weight_scales(weight)
    assert torch.round(weight / scales.view(-1, 1, 1, 1)).abs().amax((1, 2, 3)).eq(127).all()
    assert (weight_scales(torch.zeros(2, 1, 1, 1)) > 0).all(), "a dead channel divides by nothing"


def test_window_students_too(rows: list[np.ndarray]) -> None:
    student = lively(load_variant("s2", {"channels": 16, "fc_width": 24}).build())
    frozen = quantise(student, rows[:3])
    assert isinstance(frozen.wide.conv, Int8Conv)
    windows = torch.from_numpy(rows[3])[: 8192 * 4].reshape(4, 1, 8192)
    with torch.inference_mode():
        expected, found = student(windows), frozen(windows)
    assert loudness_db(found - expected) < loudness_db(expected) - 15


def test_the_build_is_one_delegate_of_integers(twin_built: tuple[Built, Twin]) -> None:
    built, twin = twin_built
    memory = built.report["memory"]
    assert memory["crowd_adds_bytes"] > 0.5 * memory["measured"]["steady_bytes"]
    assert "a crowd adds" in in_words(memory)
    pte, memory = built.report["files"]["model.pte"], built.report["memory"]
    assert (pte["delegates"], pte["outside_delegate"]) == (2, 0)  # one each in `forward` and `crowd`
    assert memory["computed"]["parameters_bytes"] < 1.5 * built.checkpoint.parameters
    for row in ("load_peak_bytes", "steady_bytes"):
        assert abs(memory["error_percent"][row]) < 15, (row, memory)  # under 10 on students of useful size
    manifest = sdk.open_artifact(built.out / "model.pte").manifest
    assert (manifest.precision, manifest.scores) == ("int8", {})
    assert manifest.weights_sha256 == twin.weights_sha256 != built.checkpoint.weights_sha256
    assert manifest.training["parent_sha256"] == built.checkpoint.weights_sha256
    assert built.checkpoint.scores, "so the float student's scores were not taken for its twin's"
    assert sdk.open_artifact(built.out / "model.pt").manifest.precision == "fp32"


def test_streaming_is_offline_by_hops(twin_built: tuple[Built, Twin], rows: list[np.ndarray]) -> None:
    engine = sdk.open(twin_built[0].out / "model.pte")
    assert isinstance(engine, StreamEngine)
    audio, random = rows[3], np.random.default_rng(0)
    whole = sdk.predict(engine, audio)
    predictor, frames, at = sdk.FramePredictor(engine), [], 0
    while at < len(audio):
        size = int(random.integers(1, 2500))
        frames += predictor.push(audio[at : at + size])
        at += size
    frames += predictor.finish()
    assert len(frames) == len(whole)
    assert np.ptp([frame.values for frame in whole], axis=0).max() > 0.05
    for one, other in zip(frames, whole, strict=True):
        assert one.sample == other.sample
        assert np.array_equal(one.values, other.values), "a float32 state is exact whatever the chunking"


def test_a_crowd_is_so_many_voices(twin_built: tuple[Built, Twin], rows: list[np.ndarray]) -> None:
    engine = sdk.open(twin_built[0].out / "model.pte")
    assert isinstance(engine, StreamEngine)
    voices, hops = 21, 12
    audio = np.stack([np.roll(rows[3], -977 * voice)[: hops * 320] for voice in range(voices)]).reshape(
        voices, hops, 320
    )
    together, alone = engine.start(voices), [engine.start(1) for _ in range(voices)]
    for hop in range(hops):
        values, together = engine.step(np.ascontiguousarray(audio[:, hop]), together)
        for voice in range(voices):
            single, alone[voice] = engine.step(np.ascontiguousarray(audio[voice : voice + 1, hop]), alone[voice])
            np.testing.assert_allclose(values[voice], single[0], atol=1e-5)


def test_verify_tells_a_twin_of_other_weights(twin_built: tuple[Built, Twin], rows: list[np.ndarray]) -> None:
    built, _ = twin_built
    assert built.report["verification"]["max_abs_error"]["model.pte"] < INT8_TOLERANCE, "it is its own twin's"
    other = quantise(make_stream_checkpoint(seed=1).student(), rows)
    with pytest.raises(VerificationError, match=r"off model\.pte by"):
        verify({built.out / "model.pte": other})


@pytest.mark.usefixtures("unheard")
def test_auto_takes_the_better_of_both(
    twin_built: tuple[Built, Twin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export import pipeline as building
    from export.lower.program import Lowered
    from profiles.measure.harness import Measured

    built, twin = twin_built
    fake = Measured(1, "mapped", 1, 1, 1, 1, 1.0, 1.0, 1)
    monkeypatch.setattr(building, "lower", lambda methods: Lowered(b"program", 1, 1))
    monkeypatch.setattr(building, "measure", lambda path: fake)
    monkeypatch.setattr(building, "verify", lambda files: {})
    built.checkpoint.save(tmp_path / "s6.pt")
    for recall, precision in ((0.95, "int8"), (0.5, "fp32")):  # the checkpoint's own is 0.9
        scores = {"human": {"recall_at_2pct": recall}}
        Twin(twin.spec, twin.state, twin.parent_sha256, twin.training, scores).save(twin_path(tmp_path / "s6.pt"))
        report = build(8_000_000, tmp_path / "out", Wanted(checkpoints=tmp_path))
        assert (report["choice"]["precision"], report["choice"]["quality"]) == (precision, max(recall, 0.9))
        assert sdk.open_artifact(tmp_path / "out" / "model.pte").manifest.precision == precision


@pytest.mark.parametrize("how", ["altered", "cut", "foreign", "other", "checkpoint"])
def test_a_twin_that_cannot_be_trusted_is_refused(twin_built: tuple[Built, Twin], tmp_path: Path, how: str) -> None:
    built, twin = twin_built
    built.checkpoint.save(tmp_path / "s6.pt")
    file = twin_path(tmp_path / "s6.pt")
    twin.save(file)
    data = file.read_bytes()
    says = "damaged"
    if how == "altered":
        spot = data.find(twin.state["wide.conv.weight"].numpy().tobytes()[:64])
        file.write_bytes(data[:spot] + bytes([data[spot] ^ 1]) + data[spot + 1 :])
        says = "altered or damaged|damaged, truncated"
    elif how == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif how == "foreign":
        torch.save({"weights": torch.zeros(2)}, file)
        says = "foreign file"
    elif how == "other":
        make_stream_checkpoint(seed=1).save(tmp_path / "s6.pt")
        says = "twin of other weights"
    else:
        built.checkpoint.save(file)
        says = "foreign file"
    with pytest.raises(CheckpointError, match=says):
        build(8_000_000, tmp_path / "out", Wanted(checkpoint=tmp_path / "s6.pt", precision="int8"))
    said: list[str] = []
    with pytest.raises(CheckpointError):
        build(8_000_000, tmp_path / "out", Wanted(checkpoint=tmp_path / "s6.pt"), said.append)
    assert not (tmp_path / "out").exists()


def test_streams_only_have_what_they_say(checkpoint: Checkpoint) -> None:
    twin = Twin(checkpoint.spec, {"fc3.weight": torch.zeros(1)}, checkpoint.weights_sha256)
    with pytest.raises(CheckpointError, match="does not fit its student"):
        from_twin(checkpoint, twin)
    assert isinstance(checkpoint.student(), StreamStudent)


def test_scores_go_into_the_twin_and_into_no_other(
    twin_built: tuple[Built, Twin], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built, twin = twin_built
    soundfile.write(tmp_path / "a.wav", golden_rows(3)[2], 16000)
    rows = "".join(
        f'intervals [{i}]:\nxmin = {i / 4}\nxmax = {(i + 1) / 4}\ntext = "{name}"\n'
        for i, name in enumerate(("AA1", "M", "IY1", "P"), 1)
    )
    (tmp_path / "a.TextGrid").write_text(
        f'item [1]:\nclass = "IntervalTier"\nname = "phones"\nintervals: size = 4\n{rows}'
    )
    file = tmp_path / f"mine-int8{SUFFIX}"
    twin.save(file)
    built.checkpoint.save(tmp_path / "mine.pt")
    words = [str(built.out / "model.pte"), "--aligned", str(tmp_path), "--into"]
    assert evaluate([*words, str(file)]) == 0
    assert set(Twin.load(file, built.checkpoint).scores) == {"human", "human_10db", "human_8khz"}
    assert "human.pbm" in file.with_suffix(".md").read_text()
    assert evaluate([*words, str(tmp_path / "mine.pt")]) == 2
    assert "not built from these weights" in capsys.readouterr().err
    assert Checkpoint.load(tmp_path / "mine.pt").scores == built.checkpoint.scores


def test_every_shipped_twin_belongs_to_the_checkpoint_beside_it() -> None:
    files = sorted(CHECKPOINTS.glob(f"*{SUFFIX}"))
    if not files:
        pytest.skip("no twins are shipped")
    for file in files:
        twin = Twin.load(file, Checkpoint.load(file.with_name(f"{file.stem.rpartition('-')[0]}.pt")))
        assert twin.scores, f"{file}: not scored"
        assert twin.weights_sha256 in file.with_suffix(".md").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--noise", "noise"], "--noise and --rooms are heard with a corpus"),
        (["--rooms", "rooms"], "--noise and --rooms are heard with a corpus"),
        (["--precision", "dynamic", "--corpus", "corpus"], "--precision dynamic .* leave --corpus out"),
    ],
)
def test_what_would_do_nothing_and_stand_on_the_card_is_refused(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made.twin"
    assert main(["--checkpoint", str(CHECKPOINTS / "s8.pt"), "--out", str(out), *words]) == 2
    assert re.search(says, capsys.readouterr().err)
    assert not out.exists()

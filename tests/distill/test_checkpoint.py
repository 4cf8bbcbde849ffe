"""A checkpoint comes back as it was, and every damaged, foreign or unfitting file is named as such."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.files.checkpoint import _KIND, Checkpoint, model_card, weights_sha256
from distill.files.halves import halved
from distill.students.spec import load_variant
from sdk.errors import CheckpointError, DataError
from sdk.rig import RigLayout

SPEC = load_variant("s2", {"channels": 16, "fc_width": 24})


def make(training: dict | None = None, scores: dict | None = None) -> Checkpoint:
    torch.manual_seed(0)
    return Checkpoint(
        SPEC, SPEC.build().state_dict(), training or {"seed": 0}, scores or {"human": {"recall_at_2pct": 0.9}}
    )


def test_comes_back_as_it_was(tmp_path: Path) -> None:
    checkpoint = make(
        training={"steps": np.int64(7), "loss": np.float32(0.5), "undefined": float("nan"), "speakers": ("a", "b")}
    )
    checkpoint.save(tmp_path / "s2.pt")
    again = Checkpoint.load(tmp_path / "s2.pt", RigLayout.arkit())
    assert again.spec == SPEC
    assert again.weights_sha256 == checkpoint.weights_sha256
    assert again.training == {"steps": 7, "loss": 0.5, "undefined": None, "speakers": ["a", "b"]}
    assert again.scores == checkpoint.scores
    student = again.student()
    assert not student.training
    window = torch.randn(1, 1, 8192)
    assert torch.equal(student(window), checkpoint.student()(window))
    assert [path.name for path in tmp_path.iterdir()] == ["s2.pt"]


def test_a_rig_from_a_file_travels_inside(tmp_path: Path) -> None:
    rig_file = tmp_path / "three.txt"
    rig_file.write_text("jawOpen -1 1 0\nmouthClose\nblink\n")
    spec = dataclasses.replace(SPEC, rig=str(rig_file))
    Checkpoint(spec, spec.build().state_dict()).save(tmp_path / "x.pt")
    rig_file.unlink()
    again = Checkpoint.load(tmp_path / "x.pt")
    assert again.layout.names == ("jawOpen", "mouthClose", "blink")
    assert again.student()(torch.zeros(1, 1, 8192)).shape == (1, 3)


def test_the_hash_sees_names_shapes_and_values() -> None:
    state = {"a": torch.arange(6.0), "b": torch.zeros(2)}
    same = weights_sha256(state)
    assert weights_sha256(dict(reversed(state.items()))) == same
    for other in (
        {"a": torch.arange(6.0).view(2, 3), "b": state["b"]},
        {"a": state["a"], "c": state["b"]},
        {"a": state["a"] + 1e-6, "b": state["b"]},
    ):
        assert weights_sha256(other) != same


def corrupt(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("this is no checkpoint")
    elif how == "foreign":
        torch.save({"weights": torch.zeros(3)}, path)
    elif how == "code":
        torch.save(make().student(), path)
    else:
        raw = torch.load(path, weights_only=True)
        if how == "altered":
            raw["state"]["first.weight"][0] += 1
        elif how == "schema":
            raw["schema"] = 99
        elif how == "field":
            del raw["training"]
        elif how == "weights":
            del raw["state"]["fc3.bias"]
            raw["weights_sha256"] = weights_sha256(raw["state"])
        elif how == "spec":
            raw["spec"]["channels"] = 32
        elif how == "rig":
            raw["rig"]["names"] = raw["rig"]["names"][:-1]
        torch.save(raw, path)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("truncated", "damaged, truncated"),
        ("empty", "damaged, truncated"),
        ("text", "damaged, truncated"),
        ("foreign", "foreign file"),
        ("code", "damaged, truncated or no checkpoint"),
        ("altered", "do not match their SHA-256"),
        ("schema", "schema 99"),
        ("field", "fields missing: \\['training'\\]"),
        ("weights", "fc3.bias"),
        ("spec", "do not fit the spec"),
        ("rig", "minimum has 52 values for 51 channels"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, how: str, says: str) -> None:
    path = tmp_path / "bad.pt"
    make().save(path)
    corrupt(path, how)
    with pytest.raises(CheckpointError, match=says) as caught:
        Checkpoint.load(path)
    assert str(path) in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        Checkpoint.load(tmp_path / "none.pt")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (RigLayout.arkit().names[:-1], "it has tongueOut, which"),
        ((*RigLayout.arkit().names, "tail"), "it has no tail"),
        (tuple(reversed(RigLayout.arkit().names)), "order differs from channel 0"),
    ],
)
def test_another_rig_is_refused(tmp_path: Path, names: tuple[str, ...], says: str) -> None:
    make().save(tmp_path / "s2.pt")
    with pytest.raises(CheckpointError, match=says):
        Checkpoint.load(tmp_path / "s2.pt", RigLayout(names))


def test_another_range_is_another_rig(tmp_path: Path) -> None:
    make().save(tmp_path / "s2.pt")
    wide = RigLayout(RigLayout.arkit().names, maximum=(2.0, *(1.0,) * 51))
    with pytest.raises(CheckpointError, match=r"maximum of eyeBlinkLeft is 1\.0, not 2\.0"):
        Checkpoint.load(tmp_path / "s2.pt", wide)


def test_what_cannot_be_stored_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "s2.pt"
    make().save(path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"training\.recipe is a object"):
        make(training={"recipe": object()}).save(path)
    with pytest.raises(CheckpointError, match="do not fit the spec"):
        Checkpoint(SPEC, {"a": torch.zeros(1)}).save(path)
    assert path.read_bytes() == before


def test_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        make().save(tmp_path / "file" / "s2.pt")


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_weights_that_are_no_numbers_are_neither_written_nor_read(tmp_path: Path, value: float) -> None:
    state = make().state | {"fc3.bias": torch.full((52,), value)}
    path = tmp_path / "s2.pt"
    with pytest.raises(CheckpointError, match=r"NaN or infinite: fc3\.bias"):
        Checkpoint(SPEC, state).save(path)
    make().save(path)
    raw = torch.load(path, weights_only=True)
    _KIND.write(path, {**raw, "state": state, "weights_sha256": weights_sha256(state)})
    with pytest.raises(CheckpointError, match="NaN or infinite"):
        Checkpoint.load(path)


def test_what_float16_cannot_hold_stays_as_it_is() -> None:
    """Variances of norms above 65,504 were stored as infinite: a third of s8's channels was silent, and nobody saw."""
    state = {"large": torch.tensor([1.0, 231378.6]), "small": torch.tensor([0.1]), "count": torch.tensor([3])}
    kept = halved(state)
    assert kept["large"].equal(state["large"])
    assert (kept["small"].dtype, kept["count"].dtype) == (torch.float16, torch.int64)


def test_model_card_tells_the_facts() -> None:
    checkpoint = make(
        training={"recipe": "heterogeneous", "hours": 3.25}, scores={"human": {"recall_at_2pct": 0.93251}}
    )
    card = model_card(checkpoint)
    for fact in (
        "# s2",
        f"{checkpoint.parameters:,}",
        checkpoint.weights_sha256,
        "heterogeneous",
        "3.25",
        "human.recall_at_2pct | 0.9325",
    ):
        assert fact in card

"""Table 1: shapes, published parameter counts, and every fast path against its slow twin."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from distill.students import spec
from distill.students.layers import ChannelNorm, TimeNorm, WideConv, decompose_norms
from distill.students.spec import load_variant, variant_names
from distill.students.window import COLUMN_SAMPLES, LONGEST_SAMPLES, SHORTEST_SAMPLES, WindowStudent
from sdk.errors import ConfigError, RigError


@pytest.fixture(scope="module")
def student() -> WindowStudent:
    torch.manual_seed(0)
    made = WindowStudent(16, 52)
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.2)
    return made.eval()


@pytest.mark.parametrize(
    ("variant", "published_millions", "ours"),
    [
        ("s0", 3.0, 2963986),
        ("s1", 0.8, 778386),
        ("s2", 0.23, 226258),
        ("s3", 3.0, 2963986),
        ("s4", 3.0, 2963986),
        ("s5", 0.8, 778386),
    ],
)
def test_parameter_counts_of_table_2(variant: str, published_millions: float, ours: int, tmp_path) -> None:  # type: ignore[no-untyped-def]
    rig = tmp_path / "rig78.txt"
    rig.write_text("\n".join(f"channel{i} -1 1" for i in range(78)))
    count = sum(p.numel() for p in load_variant(variant, {"rig": str(rig)}).build().parameters())
    assert count == ours
    assert count / 1e6 == pytest.approx(published_millions, rel=0.03)


@pytest.mark.parametrize(
    ("variant", "channels", "future_ms"),
    [("s0", 256, 256), ("s1", 128, 256), ("s2", 64, 256), ("s3", 256, 128), ("s4", 256, 64), ("s5", 128, 64)],
)
def test_variants_are_the_papers(variant: str, channels: int, future_ms: int) -> None:
    spec = load_variant(variant)
    assert (spec.channels, spec.future_ms, spec.window.length_samples) == (channels, future_ms, 8192)
    assert spec.window.future_samples == future_ms * 16


def test_layer_outputs_are_table_1s(student: WindowStudent) -> None:
    audio = torch.randn(2, 1, 8192)
    first = student.first(audio.unsqueeze(2))
    assert first.shape == (2, 16, 1, 1637)
    x = first
    for layer in student.strided[:4]:
        x = layer(x)
    assert x.shape[-1] == 101
    assert student.trunk(audio).shape == (2, 16, 1, 25)
    one, two, last = student.features(student.trunk(audio))
    assert (one.shape, two.shape, last.shape) == ((2, 150), (2, 150), (2, 52))
    out = student(audio)
    assert out.shape == (2, 52)
    torch.testing.assert_close(out, torch.tanh(last))


def test_trunk_columns_shift_with_the_audio(student: WindowStudent) -> None:
    """Without the window statistic the columns of overlapping windows coincide: what `sequence` relies on."""
    audio = torch.randn(1, 1, 8192 + 3 * COLUMN_SAMPLES)
    norm = student.first_norm
    student.first_norm = torch.nn.Identity()  # type: ignore[assignment]
    try:
        whole = student.sequence(audio)
        for shift in range(4):
            window = audio[:, :, shift * COLUMN_SAMPLES : shift * COLUMN_SAMPLES + 8192]
            parts = student.features(student.trunk(window))
            for ours, theirs in zip(whole, parts, strict=True):
                torch.testing.assert_close(ours[:, shift], theirs, atol=1e-4, rtol=1e-4)
    finally:
        student.first_norm = norm


@pytest.mark.parametrize("layer", [TimeNorm(12), ChannelNorm(12)])
def test_decomposed_norm_equals_the_fused_one(layer: torch.nn.Module) -> None:
    for p in layer.parameters():
        torch.nn.init.normal_(p)
    x = torch.randn(3, 12, 1, 40) * 5 + 1
    fused = layer(x)
    torch.testing.assert_close(decompose_norms(layer)(x), fused, atol=2e-5, rtol=1e-4)


def test_dense_wide_convolution_equals_the_convolution() -> None:
    layer = WideConv(8, 25, 64, groups=4)
    x = torch.randn(5, 8, 1, 25, requires_grad=True)
    fast = layer.train()(x)
    fast.square().sum().backward()
    grads = [x.grad.clone(), layer.conv.weight.grad.clone()]  # type: ignore[union-attr]
    x.grad, layer.conv.weight.grad = None, None
    slow = layer.eval()(x)
    slow.square().sum().backward()
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5)
    for a, b in zip(grads, (x.grad, layer.conv.weight.grad), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_loudness_does_not_change_the_pose(student: WindowStudent) -> None:
    audio = torch.randn(1, 1, 8192)
    student.first.bias.data.zero_()
    torch.testing.assert_close(student(audio), student(audio * 4), atol=1e-3, rtol=1e-3)


def test_a_variants_name_is_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of another's file that still says whose it was would be trained under that name."""
    (tmp_path / "base_stream.yaml").write_text((spec.VARIANTS / "base_stream.yaml").read_text("utf-8"), "utf-8")
    (tmp_path / "mine.yaml").write_text("name: s7\nfamily: stream\nchannels: 8", "utf-8")
    monkeypatch.setattr(spec, "VARIANTS", tmp_path)
    with pytest.raises(ConfigError, match=r"variants/mine.yaml: its name is 's7'; say mine, or leave `name` out"):
        load_variant("mine")
    (tmp_path / "mine.yaml").write_text("family: stream\nchannels: 8", "utf-8")
    assert load_variant("mine").name == "mine"
    assert load_variant("mine", {"name": "point"}).name == "point"


def test_unknown_variants_and_fields_are_named() -> None:
    with pytest.raises(ConfigError, match=f"there are: {', '.join(variant_names())}$"):
        load_variant("s99")
    with pytest.raises(ConfigError, match="chanels"):
        load_variant("s2", {"chanels": 3})
    with pytest.raises(ConfigError, match="groups"):
        load_variant("s2", {"groups": 5})
    with pytest.raises(RigError, match="nowhere"):
        _ = load_variant("s2", {"rig": "/nowhere.txt"}).layout


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"window_samples": SHORTEST_SAMPLES - 1, "future_ms": 64}, "one column"),
        ({"window_samples": LONGEST_SAMPLES + 1}, "one column"),
        ({"fc_width": 0}, "fc_width"),
        ({"fps": [0, 1]}, "fps"),
        ({"fps": [30]}, "fps"),
        ({"ensemble": [0.5, 0.5]}, "ensemble"),
    ],
)
def test_what_could_never_be_built_or_shipped_is_refused_before_training(changes: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_variant("s2", changes)


@pytest.mark.parametrize("window_samples", [SHORTEST_SAMPLES, LONGEST_SAMPLES])
def test_the_ends_of_the_window_range_give_one_frame(window_samples: int) -> None:
    student = load_variant("s2", {"channels": 8, "window_samples": window_samples}).build().eval()
    assert student(torch.zeros(1, 1, window_samples)).shape == (1, 52)


@pytest.mark.parametrize("name", variant_names())
def test_every_variant_builds_and_runs(name: str) -> None:
    spec = load_variant(name)
    assert spec.name == name
    student = spec.build().eval()
    with torch.no_grad():
        values = student(torch.zeros(1, 1, spec.input_samples)).reshape(-1)
    assert values.shape == (len(spec.layout),)


def test_the_wide_layer_over_a_stretch_is_that_of_each_window() -> None:
    """Forward and backward, against the same layer on every window by itself."""
    torch.manual_seed(0)
    layer = WideConv(8, 25, 64, groups=4).train()
    columns = torch.randn(2, 8, 1, 31, requires_grad=True)
    windows = columns.unfold(3, 25, 1).permute(0, 3, 1, 2, 4)
    alone = layer._dense(windows.flatten(0, 1)).view(windows.shape)
    together = layer.over(columns)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(layer.eval().over(columns), alone, atol=1e-5, rtol=1e-5)
    upstream = torch.randn_like(alone)
    for mine, theirs in zip(
        torch.autograd.grad(together, [columns, layer.conv.weight], upstream),
        torch.autograd.grad(alone, [columns, layer.conv.weight], upstream),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)

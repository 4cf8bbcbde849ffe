"""A stream student with styles: neutral to the bit at zero, a style that changes at a hop, the recipe run for real."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from distill.files.checkpoint import Checkpoint
from distill.files.styles import load_styles
from distill.recipes import styled_corpus, styled_student
from distill.students.spec import load_variant
from distill.students.stream import StreamStudent
from distill.students.styled import StyledStream, StyleHead, StyleSpec
from sdk.errors import CheckpointError, ConfigError

ROOT = Path(__file__).resolve().parents[2]
SPEC = StyleSpec(["anger", "sadness"], 4)


@pytest.fixture(scope="module")
def styled() -> StyledStream:
    torch.manual_seed(1)
    neutral = load_variant("s8").build().eval()
    assert isinstance(neutral, StreamStudent)
    head = StyleHead(SPEC, neutral.fc3.in_channels, 52)
    for weight in head.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return StyledStream(neutral, head).eval()


def test_style_zero_is_the_neutral_student_to_the_bit(styled: StyledStream) -> None:
    hops = torch.randn(4, 1, 1, 320)
    state, plain = styled.initial_state(), styled.neutral.initial_state()
    for hop in hops:
        ours, state = styled.step(hop, state)
        theirs, plain = styled.neutral.step(hop, plain)
        assert torch.equal(ours, theirs)
    audio = torch.randn(2, 1, 3200)
    assert torch.equal(styled(audio, torch.zeros(2, 2)), styled.neutral(audio))


def test_hop_by_hop_is_the_whole_and_a_style_may_change_on_the_way(styled: StyledStream) -> None:
    hops = torch.randn(6, 1, 1, 320) * 0.1
    styles = torch.tensor([[0.0, 0], [0, 0], [1, 0], [1, 0], [0, 0.5], [0, 0]])
    state, found = styled.initial_state(), []
    for hop, style in zip(hops, styles, strict=True):
        values, state = styled.step(hop, (*state[:-1], style.reshape(1, 2, 1, 1)))
        found.append(values)
        assert torch.equal(state[-1].flatten(), style), "it travels unchanged"
    whole = styled(hops.reshape(1, 1, -1), styles[None])
    torch.testing.assert_close(torch.cat(found)[None], whole, atol=1e-5, rtol=1e-4)
    neutral = styled.neutral(hops.reshape(1, 1, -1))
    assert torch.equal(whole[:, [0, 1, 5]], neutral[:, [0, 1, 5]])
    assert (whole[:, 2:5] - neutral[:, 2:5]).abs().max() > 0.01


def test_a_style_costs_less_than_three_per_cent_of_s7() -> None:
    neutral = load_variant("s7").build().eval()
    assert isinstance(neutral, StreamStudent)
    head = StyleHead(StyleSpec([f"e{i}" for i in range(7)], 12), neutral.fc3.in_channels, 52)
    assert 0.001 < StyledStream(neutral, head).cost < 0.03


def test_styles_are_set_by_name() -> None:
    assert SPEC.vector(sadness=0.5).tolist() == [0.0, 0.5]
    with pytest.raises(ConfigError, match="no style joy; there are: anger, sadness"):
        SPEC.vector(joy=1.0)
    with pytest.raises(ConfigError, match="name each once"):
        StyleSpec(["a", "a"], 2)


@pytest.mark.skipif(importlib.util.find_spec("espeakng_loader") is None, reason="espeakng-loader is not installed")
def test_the_recipe_teaches_a_style_and_its_file_is_of_one_student(tmp_path: Path) -> None:
    corpus, out = tmp_path / "styled", tmp_path / "s8.styles"
    styled_corpus.build(3, 1, corpus, emotions=["neutral", "anger"])
    arguments = ["--student", str(ROOT / "checkpoints" / "s8.pt"), "--corpus", str(corpus), "--out", str(out)]
    assert styled_student.main([*arguments, "--steps", "300"]) == 0
    student = Checkpoint.load(ROOT / "checkpoints" / "s8.pt")
    made = load_styles(out, student)
    brow = student.layout.index("browDownLeft")
    audio = torch.randn(1, 1, 6400) * 0.05
    with torch.inference_mode():
        angry, calm = (made(audio, made.head.spec.vector(anger=s)[None])[0, :, brow].mean() for s in (1.0, 0.0))
    assert angry > calm + 0.2
    with pytest.raises(CheckpointError, match="styles of another student"):
        load_styles(out, Checkpoint.load(ROOT / "checkpoints" / "s7.pt"))

"""A stream student with styles: neutral to the bit at zero, a style that changes at a hop, the recipe run for real."""

from __future__ import annotations

import copy
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.corpus.styled.styles import EMOTIONS
from distill.files.checkpoint import Checkpoint
from distill.files.styles import load_styles, styles_card, styles_path
from distill.recipes import styled_corpus, styled_student
from distill.scoring.mouth.phone_classes import CLASSES
from distill.scoring.styled.style_scores import Spoken
from distill.speech.phones import Phone
from distill.students.spec import load_variant
from distill.students.stream import StreamStudent
from distill.students.styled import StyledStream, StyleHead, StyleSpec
from export.load.golden import golden_speech
from sdk.errors import CheckpointError, ConfigError
from sdk.faces.face import CLOSED_CM, Face
from sdk.rig import RigLayout

ROOT = Path(__file__).resolve().parents[2]
SPEC = StyleSpec(["anger", "sadness"], 4)


@pytest.fixture(scope="module")
def styled() -> StyledStream:
    torch.manual_seed(1)
    neutral = load_variant("s8").build().eval()
    assert isinstance(neutral, StreamStudent)
    head = StyleHead(SPEC, neutral.fc3.in_channels, RigLayout.arkit())
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


def test_lips_that_the_neutral_student_shuts_stay_shut_in_every_style(styled: StyledStream) -> None:
    layout, lips = RigLayout.arkit(), styled.head.lips
    random = np.random.default_rng(1)
    neutral = random.uniform(0, 0.2, (400, 52)).astype(np.float32)
    jaw, close = layout.index("jawOpen"), layout.index("mouthClose")
    neutral[:, jaw], neutral[:, close] = 0.2, np.linspace(0, 0.4, 400)
    neutral[::2, jaw], neutral[::2, close] = 0.0, -0.03  # below what is shown: raised from 0
    opened = np.clip(neutral + random.uniform(-0.1, 0.1, neutral.shape), -1, 0.5).astype(np.float32)
    opened[:, jaw] += 0.08
    kept = lips(torch.from_numpy(neutral), torch.from_numpy(opened)).numpy()
    before, loose, after = (
        Face.default().lip_gap_cm(layout.clamp(values), layout) for values in (neutral, opened, kept)
    )
    shut = before <= CLOSED_CM
    assert 50 < shut.sum() < 350
    assert (loose[shut] > CLOSED_CM).sum() > 20, "the style alone opens closures"
    assert (after[before < 2 * CLOSED_CM] <= before[before < 2 * CLOSED_CM] + 1e-5).all()
    wide = before > 3 * CLOSED_CM
    assert wide.sum() > 10
    np.testing.assert_array_equal(kept[wide], opened[wide], "an open mouth is the style's own")


def test_channels_that_are_left_alone_are_the_neutral_student_s_to_the_bit(styled: StyledStream) -> None:
    alone = copy.deepcopy(styled)
    alone.head.leave_alone([3, 7])
    audio = torch.randn(1, 1, 3200) * 0.1
    found, neutral = alone(audio, torch.ones(1, 2)), alone.neutral(audio)
    assert torch.equal(found[..., [3, 7]], neutral[..., [3, 7]])
    assert (found - neutral).abs().max() > 0.01


def test_a_style_costs_less_than_three_per_cent_of_s7() -> None:
    neutral = load_variant("s7").build().eval()
    assert isinstance(neutral, StreamStudent)
    head = StyleHead(StyleSpec([f"e{i}" for i in range(7)], 12), neutral.fc3.in_channels, RigLayout.arkit())
    assert 0.001 < StyledStream(neutral, head).cost < 0.03


def test_a_phone_s_class_is_asked_in_its_middle_half_alone() -> None:
    phones = [Phone("p", 0.0, 0.2), Phone("ɑ", 0.2, 0.21), Phone("_", 0.3, 0.6)]
    times = np.array([0.0, 0.05, 0.1, 0.15, 0.19, 0.205, 0.212, 0.4])
    shut, wide = CLASSES.index("shut"), CLASSES.index("open")
    assert styled_student.classes_at(phones, times).tolist() == [-1, shut, shut, shut, -1, wide, wide, -1]


def test_a_reader_beside_the_head_keeps_phones_apart_that_a_style_would_hide() -> None:
    """A toy face whose style throws a channel about by far more than the phones do: another channel must tell them."""
    random = torch.Generator().manual_seed(1)
    told = torch.arange(400) % 2  # two classes, which the features know
    features = torch.cat([told[:, None] * 2.0 - 1, torch.randn(400, 5, generator=random)], 1)
    layout, jaw, smile = (
        RigLayout.arkit(),
        RigLayout.arkit().index("jawOpen"),
        RigLayout.arkit().index("mouthSmileLeft"),
    )
    last = torch.zeros(400, 52)
    last[:, jaw], last[:, smile] = 0.5, 0.2 + 0.02 * told
    added = torch.zeros(400, 52)
    added[:, smile] = 0.3 * torch.rand(400, generator=random)
    added[:, jaw] = 0.1 * torch.rand(400, generator=random)
    spec = StyleSpec(["happiness"], 4)
    clip = Spoken("m000_happiness_10_00", features, last, added, spec.vector(happiness=1.0), told)
    apart = []
    for legible in (0.0, 1.0):
        torch.manual_seed(1)
        head = StyleHead(spec, 6, layout)
        styled_student.train(head, [clip], [jaw, smile], styled_student.StylePlan(200, legible, 256))
        values = head.values(features, last, clip.style)[:, [jaw, smile]]
        apart.append(float((values[told == 1].mean(0) - values[told == 0].mean(0)).abs().max().detach()))
    assert apart[1] > apart[0] + 0.02


def test_the_shipped_styles_are_the_shipped_student_s_and_move_its_brows() -> None:
    path, student = ROOT / "checkpoints" / "s7.styles", Checkpoint.load(ROOT / "checkpoints" / "s7.pt")
    made = load_styles(path, student)
    assert styles_path(ROOT / "checkpoints" / "s7.pt") == path
    assert made.head.spec.styles == [name for name in EMOTIONS if name != "neutral"]
    speech = torch.from_numpy(golden_speech(2.0))[None, None]
    shown = {}
    with torch.inference_mode():
        neutral = made.neutral(speech)
        for name in ("", *made.head.spec.styles):
            style = made.head.spec.vector(**({name: 1.0} if name else {}))
            values = made(speech, style[None])
            assert torch.equal(values, neutral) == (not name), "a style of zeros is the student to the bit"
            gaps = [
                Face.default().lip_gap_cm(student.layout.clamp(v[0].numpy()), student.layout) for v in (neutral, values)
            ]
            assert not ((gaps[0] <= CLOSED_CM) & (gaps[1] > CLOSED_CM + 1e-4)).any(), "no closure is lost"
            shown[name] = {k: float(values[0, :, i].clamp(0, 1).mean()) for i, k in enumerate(student.layout.names)}
    for name, brow in (("anger", "browDownLeft"), ("sadness", "browInnerUp"), ("surprise", "browOuterUpLeft")):
        assert shown[name][brow] > shown[""][brow] + 0.15, name
    assert shown["happiness"]["mouthSmileLeft"] > shown[""]["mouthSmileLeft"] + 0.15
    assert path.with_name("s7-styles.md").read_text("utf-8") == styles_card(path, "s7"), "its card is of this file"


def test_styles_are_set_by_name() -> None:
    assert SPEC.vector(sadness=0.5).tolist() == [0.0, 0.5]
    assert StyleSpec(["joy", "anger"], 4).vector(joy=1.0).tolist() == [1.0, 0.0], "in no alphabetical order"
    with pytest.raises(ConfigError, match="no style joy; there are: anger, sadness"):
        SPEC.vector(joy=1.0)
    with pytest.raises(ConfigError, match="name each once"):
        StyleSpec(["a", "a"], 2)


@pytest.mark.skipif(importlib.util.find_spec("espeakng_loader") is None, reason="espeakng-loader is not installed")
def test_the_recipe_teaches_a_style_and_its_file_is_of_one_student(tmp_path: Path) -> None:
    corpus, out = tmp_path / "styled", tmp_path / "s8.styles"
    styled_corpus.build(3, 1, corpus, emotions=["neutral", "anger"])
    arguments = ["--student", str(ROOT / "checkpoints" / "s8.pt"), "--corpus", str(corpus), "--out", str(out)]
    # two clips of one person are too few for a reader of lips: it would learn them by heart, and the head to suit it
    few = ["--steps", "300", "--legible", "0", "--json", str(tmp_path / "figures.json")]
    assert styled_student.main([*arguments, *few]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["mse_styled"] < figures["mse_neutral"] / 5  # of two people no classifier tells a mood from a person
    assert figures["pbm_lost"]["all"][0] <= 0.01
    assert len(figures["legibility_lost"]) == 3
    assert figures["plan"]["legible"] == 0
    student = Checkpoint.load(ROOT / "checkpoints" / "s8.pt")
    made = load_styles(out, student)
    brow = student.layout.index("browDownLeft")
    audio = torch.randn(1, 1, 6400) * 0.05
    with torch.inference_mode():
        angry, calm = (made(audio, made.head.spec.vector(anger=s)[None])[0, :, brow].mean() for s in (1.0, 0.0))
    assert angry > calm + 0.2
    with pytest.raises(CheckpointError, match="styles of another student"):
        load_styles(out, Checkpoint.load(ROOT / "checkpoints" / "s7.pt"))

"""What a student is asked for: shapes weigh what is seen of them, and a still channel does not drown the others."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from distill.speech.phonetics import CLASSES
from distill.students.spec import load_variant
from distill.training import losses
from distill.training.begin import groups
from distill.training.feeds import with_phones
from distill.training.objective import HEAD, Objective, PhoneHead
from distill.training.plan import Plan
from sdk.errors import ConfigError
from sdk.faces.face import Face
from sdk.rig import RigLayout

LAYOUT = RigLayout.arkit()
SPEC = load_variant("s7")
JAW, PUCKER = LAYOUT.index("jawOpen"), LAYOUT.index("mouthPucker")


def moving(seed: int = 0) -> torch.Tensor:
    """Rows of jaw and pucker that move, (2, 200, 52); all else lies still."""
    values = torch.zeros(2, 200, len(LAYOUT))
    generator = torch.manual_seed(seed)
    values[..., JAW] = 0.2 + 0.1 * torch.randn(2, 200, generator=generator)
    values[..., PUCKER] = 0.1 + 0.02 * torch.randn(2, 200, generator=generator)
    return values


def variance(values: torch.Tensor) -> np.ndarray:
    return values.flatten(0, 1).var(0, correction=0).numpy()


def test_a_still_face_scores_one_whichever_channels_move() -> None:
    label = moving()
    mean = label.mean((0, 1)).expand_as(label)
    weights = losses.variance_weights(torch.from_numpy(variance(label)))
    both = float(losses.over_variance(label, mean, weights))
    assert 0.5 < both <= 1.0, "a channel that moves by less than 0.03 is asked for a little less"
    quiet = label.clone()
    quiet[..., JAW] = mean[..., JAW]
    assert float(losses.over_variance(label, quiet, weights)) == pytest.approx(0.5, abs=0.05), "half is the jaw's"


def test_pucker_weighs_more_than_eq_1_gives_it() -> None:
    label = moving()
    wrong = label.clone()
    wrong[..., PUCKER] = label[..., PUCKER].mean()
    weights = losses.variance_weights(torch.from_numpy(variance(label)))
    share = float(
        losses.over_variance(label, wrong, weights) / losses.over_variance(label, label.mean((0, 1)), weights)
    )
    share_of_eq_1 = float(losses.reconstruction(label, wrong) / losses.reconstruction(label, label.mean((0, 1))))
    assert share > 5 * share_of_eq_1


def test_mouth_errors_are_those_of_its_vertices() -> None:
    face = Face.default()
    root = torch.from_numpy(face.mouth_root(LAYOUT))
    label, predicted = moving(1), moving(2)
    found = float(losses.mouth(label, predicted, root))
    middle = (face.neutral_cm[face.upper_lip] + face.neutral_cm[face.lower_lip]) / 2
    apart = (face.neutral_cm - middle) / np.array([3.6, 1.8, 3.0])
    chosen = (apart[:, 0] ** 2 + apart[:, 1] ** 2 < 1) & (apart[:, 2] > -1)
    places = [face.vertices(v.flatten(0, 1).numpy(), LAYOUT)[:, chosen] for v in (label, predicted)]
    expected = float(((places[0] - places[1]) ** 2).sum(2).mean())
    assert found == pytest.approx(expected, rel=1e-3)


def test_open_lips_are_kept_clear_of_shut() -> None:
    """Another consonant's dip (a gap of 0.12 cm where the label keeps 0.5) costs; the label's own gap does not."""
    label = torch.full((1, 60), 0.5)
    dip = label.clone()
    dip[0, 30] = 0.12
    far = losses.lip_distance(label, dip) - (label - dip).square().mean()
    assert float(far) > 0
    assert float(losses.lip_distance(label, label)) == 0


def test_the_phone_head_learns_and_leaves_unknown_times_out() -> None:
    torch.manual_seed(0)
    head = PhoneHead(6)
    features, classes = torch.randn(2, 50, 6), torch.zeros(2, 50, dtype=torch.int64)
    classes[:, 25:] = -100
    nothing = torch.zeros(2, 50, len(CLASSES), dtype=torch.uint8)
    known = head.loss(features, classes, nothing)
    features[:, 25:] += 100
    assert torch.equal(head.loss(features, classes, nothing), known)
    assert float(head.loss(features, torch.full((2, 50), -100), nothing)) == 0


def test_every_term_is_as_it_is_written() -> None:
    """Each by hand, at the end of a run, on a grid of which five thirds of a step make a frame; `predicted` goes beyond
    what the rig can show, where lips are as a player clamps them."""
    plan = Plan(alpha_rec=0.3, alpha_acc=0.7, own_velocity=0.4, shut_weight=8, shut_final=24, rest_weight=0.5)
    label, asked = moving(1).clamp(0, 1), variance(moving(1))
    predicted = label + 0.1 * torch.randn(label.shape, generator=torch.manual_seed(3))
    predicted[:, 50:60, JAW], label[:, 50:60, JAW] = -0.6, 0.0
    predicted[:, 50:60, LAYOUT.index("mouthClose")] = 0.0
    per_frame = 5 / 3
    objective, face = Objective(SPEC, plan, asked), Face.default()
    loss = objective(label, predicted, per_frame, done=1.0)
    one, two = label.double().numpy(), predicted.double().numpy()
    error, moves = one - two, (np.diff(one, axis=1) - np.diff(two, axis=1)) * per_frame
    own = losses.variance_weights(torch.from_numpy(asked)).double().numpy()
    root = objective.root.double().numpy()
    gaps = [torch.from_numpy(face.lip_gap_cm(x.reshape(-1, 52), LAYOUT)).view(2, 200) for x in (one, two.clip(0, 1))]
    bent = np.diff(gaps[0].numpy() - gaps[1].numpy(), n=2, axis=1) * per_frame**2
    expected = {
        "rec": 0.3 * (error**2).sum(2).mean(),
        "vel": 0.9 * (moves**2).sum(2).mean(),
        "own": (error**2 @ own).mean() + 0.4 * (moves**2 @ own).mean(),
        "mouth": ((error @ root) ** 2).sum(2).mean() + 0.4 * ((moves @ root) ** 2).sum(2).mean(),
        "lip": float(losses.lip_distance(*gaps, 2, 24.0, plan.open_weight, 0.5)),
        "acc": 0.7 * (bent**2).mean(),
    }
    assert objective.seen is not None
    found = {name: float(part) for name, part in objective.seen.parts.items()}
    assert found == pytest.approx(expected, rel=1e-3)
    assert float(loss) == pytest.approx(sum(expected.values()), rel=1e-3)


def test_what_the_phones_say_is_a_term_by_its_weight() -> None:
    torch.manual_seed(0)
    student, label = torch.nn.Module(), moving()
    student.add_module(HEAD, PhoneHead(6))
    objective = Objective(SPEC, Plan(alpha_phone=2.0), variance(label))
    before, features = objective(label, label * 0.5, 1.0), torch.randn(2, 200, 6)
    drawn = SimpleNamespace(
        classes=np.arange(400).reshape(2, 200) % 9, likely=np.zeros((2, 200, len(CLASSES)), np.uint8)
    )
    wrong = getattr(student, HEAD).loss(features, *map(torch.from_numpy, (drawn.classes, drawn.likely))).detach()
    loss = with_phones(objective, before, student, features, drawn)  # type: ignore[arg-type]
    assert float(wrong) > 1
    torch.testing.assert_close(loss.detach(), before + 2 * wrong)
    assert objective.seen is not None
    torch.testing.assert_close(objective.seen.parts["phone"], 2 * wrong)


def test_plans_of_eq_1_to_4_need_no_variance_and_ours_do() -> None:
    label = moving()
    paper = replace(Plan(), alpha_rec=0.1, alpha_own=0.0, alpha_mouth=0.0, alpha_lip=0.0)
    objective = Objective(SPEC, paper)
    loss = objective(label, label * 0.5, 1.0)
    expected = 0.1 * losses.reconstruction(label, label * 0.5) + 0.9 * losses.velocity(label, label * 0.5)
    torch.testing.assert_close(loss, expected)
    with pytest.raises(ConfigError, match="variance"):
        Objective(SPEC, Plan())


def test_a_spectrum_is_not_learned_and_the_last_layer_steps_gently() -> None:
    student = SPEC.build()
    rest, last = groups(student)
    assert last["share"] < rest["share"] == 1
    learned = {id(weight) for group in (rest, last) for weight in group["params"]}
    assert {id(student.fc3.weight), id(student.fc3.bias)} == {id(weight) for weight in last["params"]}
    assert not any(id(weight) in learned for name, weight in student.named_parameters() if name.startswith("spectrum."))

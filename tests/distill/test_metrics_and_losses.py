"""Metrics and losses against their definitions, written out the slow way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.scoring import metrics
from distill.speech.phones import Phone
from distill.training import losses


def test_jitter_is_the_mean_squared_acceleration() -> None:
    path = np.random.default_rng(0).normal(size=(50, 3))
    slow = np.mean([np.sum((path[t] - 2 * path[t - 1] + path[t - 2]) ** 2) for t in range(2, 50)])
    assert metrics.jitter(path) == pytest.approx(slow)
    assert metrics.jitter(np.linspace(0, 1, 30)[:, None] * np.ones(3)) == pytest.approx(0.0, abs=1e-20)


def test_auc_counts_pairs() -> None:
    random = np.random.default_rng(1)
    high, low = random.integers(0, 20, 60), random.integers(-5, 15, 40)
    slow = np.mean([(h > x) + 0.5 * (h == x) for h in high for x in low])
    assert metrics.auc(high, low) == pytest.approx(slow)


def test_threshold_shuts_at_most_the_asked_share_of_vowels() -> None:
    for seed in range(20):
        vowels = np.random.default_rng(seed).normal(size=137).round(1)
        threshold = metrics.recall_threshold(vowels, 0.02)
        assert np.mean(vowels <= threshold) <= 0.02


def gap_curve(shut: list[int], frames: int = 60) -> np.ndarray:
    gap = np.full(frames, 0.8)
    gap[shut] = 0.1
    return gap


def test_pbm_takes_the_least_gap_within_two_frames() -> None:
    phones = [Phone("b", 10 / 30, 11 / 30), Phone("ɑ", 20 / 30, 26 / 30)]
    for shut, expected in (([10], 1.0), ([13], 1.0), ([8], 1.0), ([14], 0.0), ([7], 0.0)):
        judge = metrics.LipJudge()
        judge.add(gap_curve(shut), 30.0, phones)
        found = judge.scores()
        # frames 10 and 11 are asked; a closure at 13 serves frame 11 only, one at 8 serves frame 10 only
        assert found.pbm == (expected if shut == [10] else expected / 2), shut
        assert (found.closures, found.vowels) == (1, 1)
    assert metrics.LipJudge().scores().closures == 0


def test_frames_of_a_phone_hold_both_its_ends_and_never_none_that_is_there() -> None:
    """By the judge of Table 2 and by its figures alike."""
    spans = {(0.1, 0.2): [3, 4, 5, 6], (0.11, 0.12): [3], (0.11, 0.1): [3], (0.25, 0.5): [8, 9], (0.5, 0.6): []}
    for (start_s, end_s), frames in spans.items():
        assert metrics.frames_of(start_s, end_s, 30, 10).tolist() == frames


def test_false_closure_looks_at_the_middle_of_open_vowels() -> None:
    phones = [Phone("m", 0.1, 0.2), Phone("ɑ", 20 / 30, 26 / 30), Phone("ɑ", 30 / 30, 36 / 30)]
    # frame 23 is the middle of the first; 20, 26 and 30 are edges, of which none is asked
    for shut, expected in (([23], 0.5), ([33], 0.5), ([20], 0.0), ([26], 0.0), ([30], 0.0)):
        judge = metrics.LipJudge()
        judge.add(gap_curve(shut), 30.0, phones)
        assert judge.scores().false_closure == expected, shut


def test_paper_losses_by_hand() -> None:
    random = torch.Generator().manual_seed(0)
    label, ours = torch.randn(4, 7, 5, generator=random), torch.randn(4, 7, 5, generator=random)
    rec = torch.stack([(label[b, t] - ours[b, t]).norm() ** 2 for b in range(4) for t in range(7)]).mean()
    torch.testing.assert_close(losses.reconstruction(label, ours), rec)
    vel = torch.stack(
        [
            ((label[b, t] - label[b, t - 1]) - (ours[b, t] - ours[b, t - 1])).norm() ** 2
            for b in range(4)
            for t in range(1, 7)
        ]
    ).mean()
    torch.testing.assert_close(losses.velocity(label, ours), vel)
    torch.testing.assert_close(losses.velocity(label, ours, 2.0), 4 * vel)
    both = losses.features([label, label], [ours, label])
    torch.testing.assert_close(both, rec)


def test_feature_loss_leaves_the_second_teacher_alone() -> None:
    theirs, ours = torch.ones(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    losses.features([theirs], [ours]).backward()
    assert theirs.grad is None
    assert ours.grad is not None


def test_lip_loss_punishes_the_wrong_side_more() -> None:
    shut, open_ = torch.zeros(1, 9), torch.full((1, 9), 0.8)
    assert losses.lip_distance(shut, shut + 0.3) > 2 * losses.lip_distance(shut, shut - 0.3)
    assert losses.lip_distance(open_, open_ - 0.7) > losses.lip_distance(open_, open_ + 0.7)
    assert losses.lip_distance(open_, open_) == 0


def test_lip_loss_counts_a_brief_closure_as_much_among_rest() -> None:
    label = torch.zeros(1, 200)
    label[:, 150:] = 0.8
    label[:, 170:173] = 0.0  # an /m/ behind three seconds of silence
    missed = label.clone()
    missed[:, 165:178] = 0.8
    plain, weighed = (losses.lip_distance(label, missed, rest_weight=weight) for weight in (1.0, 0.2))
    error = (label - missed).square().mean()
    assert weighed - error > 3 * (plain - error) > 0
    drawn = label.clone()
    drawn[:, :100] = 0.8  # and lips that are torn open in the silence still weigh something
    assert losses.lip_distance(label, drawn, rest_weight=0.2) > 2 * (label - drawn).square().mean()


def test_lip_loss_forgives_a_closure_two_steps_late_but_not_four() -> None:
    def dip(at: int) -> torch.Tensor:
        return torch.where((torch.arange(40) - at).abs() <= 1, 0.0, 0.8).unsqueeze(0)

    exact, late, later = (losses.lip_distance(dip(20), dip(at)) for at in (20, 22, 27))
    plain = (dip(20) - dip(22)).square().mean()
    assert exact == 0
    torch.testing.assert_close(late, plain)
    assert later > 2 * late

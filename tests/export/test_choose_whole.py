"""The chooser by the whole mouth: a stated composite, ties within the interval to the cheaper, old scores behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from export.deliver.report import why_chosen
from export.plan.choose import _grades, quality, whole_quality


def scored(auc: float, legibility: float, recall: float, half: float = 0.01) -> dict[str, Any]:
    ends = {"other_auc": [auc - half, auc + half], "legibility": [legibility - half, legibility + half]}
    whole = {"other_auc": auc, "legibility": legibility, "intervals": ends}
    return {"people": {"recall_at_2pct": recall, "whole": whole}, "people_10db": {"recall_at_2pct": recall - 0.2}}


def test_the_composite_is_the_mean_of_its_three_parts() -> None:
    found = whole_quality(scored(0.9, 0.6, 0.95))
    assert found is not None
    assert found[0] == pytest.approx((0.9 + 0.6 + 0.85) / 3)
    assert found[1] == pytest.approx(2**0.5 * 0.01 / 3)


def test_scores_of_the_old_form_rank_as_they_did_and_behind_what_was_measured_whole() -> None:
    old = {"human": {"recall_at_2pct": 0.9}}
    assert whole_quality(old) is None
    assert whole_quality({"people": {"recall_at_2pct": 0.9}}) is None
    assert quality(old) == 0.9
    first, second, measured = _grades([None, None, (0.7, 0.1)], [0.9, 0.95, 0.5])
    assert measured < second < first


def test_within_the_interval_of_the_best_all_are_as_good_as_it() -> None:
    assert _grades([(0.80, 0.02), (0.79, 0.02), (0.77, 0.02), (0.70, 0.02)], [0.0] * 4) == [0.0, 0.0, 1.0, 2.0]


def test_what_was_chosen_by_the_whole_mouth_is_not_said_to_have_the_best_quality() -> None:
    """Another in the same table may have more of what `quality` counts."""
    point = SimpleNamespace(scores=scored(0.9, 0.6, 0.95))
    chosen: Any = SimpleNamespace(name="s6 int8", quality=0.866, backend="xnnpack", point=point)
    assert why_chosen(chosen, [chosen], {}).startswith("s6 int8 has the best whole mouth (0.783) of what fits")
    point.scores = {"human": {"recall_at_2pct": 0.866}}
    assert why_chosen(chosen, [chosen], {}) == "s6 int8 has the best quality (0.866) of what fits"
    chosen.quality = 0.0
    assert why_chosen(chosen, [chosen], {}) == "s6 int8 is the first that fits; it was never scored"

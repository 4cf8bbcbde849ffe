"""The chooser by the whole mouth: a stated composite, ties within the interval to the cheaper, old scores behind."""

from __future__ import annotations

from typing import Any

import pytest

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

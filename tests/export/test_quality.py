"""One idea of quality: what is printed, what dominates and what is chosen go by the same measure and its ties."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from distill.files.checkpoint import Checkpoint
from export.deliver.report import why_chosen
from export.explain import explain
from export.load.checkpoints import CHECKPOINTS, Wanted
from export.pipeline import plan_all
from export.plan.decide import Decision, decide
from export.plan.pareto import cells, head, pareto_rows
from export.plan.quality import RECALL, WHOLE, Quality, cell, grades, heading, quality
from export.studies.choices import choices, table
from profiles.model.device import device_names


def scored(auc: float, legibility: float, recall: float, half: float = 0.01) -> dict[str, Any]:
    ends = {"other_auc": [auc - half, auc + half], "legibility": [legibility - half, legibility + half]}
    whole = {"other_auc": auc, "legibility": legibility, "intervals": ends}
    return {"people": {"recall_at_2pct": recall, "whole": whole}, "people_10db": {"recall_at_2pct": recall - 0.2}}


def test_the_composite_is_the_mean_of_its_three_parts() -> None:
    found = quality(scored(0.9, 0.6, 0.95))
    assert found.measure == WHOLE
    assert found.value == pytest.approx((0.9 + 0.6 + 0.85) / 3)
    assert found.half == pytest.approx(2**0.5 * 0.01 / 3)


def test_scores_of_the_old_form_rank_as_they_did_and_behind_what_was_measured_whole() -> None:
    old = {"human": {"recall_at_2pct": 0.9}}
    assert quality(old) == Quality(0.9, RECALL)
    assert quality({"people": {"recall_at_2pct": 0.9}}).measure == RECALL
    assert quality({}) == Quality()
    first, second, measured, never = grades(
        [Quality(0.9, RECALL), Quality(0.95, RECALL), Quality(0.7, WHOLE, 0.1), Quality()]
    )
    assert measured < second < first < never


def test_within_the_interval_of_the_best_all_are_as_good_as_it() -> None:
    assert grades([Quality(value, WHOLE, 0.02) for value in (0.80, 0.79, 0.77, 0.70)]) == [0.0, 0.0, 1.0, 2.0]


@pytest.mark.parametrize("odd", [None, "x", "", [], [[]], {}, float("nan"), float("inf"), 10**400], ids=str)
def test_scores_that_are_none_were_not_scored(odd: Any) -> None:
    """A checkpoint's scores are what its file says: nothing in them ends a build or wins by being no number."""
    good = scored(0.9, 0.8, 0.7)
    whole = good["people"]["whole"]
    for scores in (
        {"people": odd}, {"people": good["people"] | {"whole": odd}}, {"human": {"recall_at_2pct": odd}},
        good | {"people": good["people"] | {"whole": whole | {"legibility": odd}}},
        good | {"people": good["people"] | {"whole": whole | {"intervals": odd}}},
        good | {"people": good["people"] | {"whole": whole | {"intervals": {"legibility": odd}}}},
    ):  # fmt: skip
        assert 0 <= quality(scores).value <= 1


def test_the_heading_says_which_measure_and_the_cells_where_it_is_another() -> None:
    assert heading([WHOLE, WHOLE, ""]) == WHOLE
    assert heading([RECALL]) == RECALL
    assert heading(["", ""]) == "quality"
    both = heading([WHOLE, RECALL])
    assert both == "whole mouth, else recall"
    assert [cell(0.8, WHOLE, both), cell(0.9, RECALL, both), cell(0.0, "", both)] == [
        "0.800",
        "0.900 recall",
        "not scored",
    ]
    assert cell(0.9, RECALL, RECALL) == "0.900"


def test_why_names_the_measure_that_was_chosen_by() -> None:
    chosen: Any = SimpleNamespace(name="s6 int8", quality=Quality(0.783, WHOLE, 0.01), backend="xnnpack")
    decision = Decision(1, [chosen], {}, chosen)
    said = "s6 int8 has the best whole mouth (0.783) of what fits, or is the cheapest as good as it"
    assert why_chosen(decision) == said
    chosen.quality = Quality(0.866, RECALL)
    assert why_chosen(decision) == "s6 int8 has the best recall at 2 % (0.866) of what fits"
    chosen.quality = Quality()
    assert why_chosen(decision) == "s6 int8 is the first that fits; it was never scored"


def test_of_the_shipped_students_none_that_is_chosen_is_dominated(tmp_path: Path) -> None:
    """On a shelf of both measures (s2 as if it had never been asked for more than recall), whatever the budget, the
    table and the choice agree."""
    for name in ("s2", "s6", "s7", "s8"):
        shipped = Checkpoint.load(CHECKPOINTS / f"{name}.pt")
        if name == "s2":
            plain = {key: {k: v for k, v in row.items() if k != "whole"} for key, row in shipped.scores.items()}
            shipped = dataclasses.replace(shipped, scores=plain)
        shipped.save(tmp_path / f"{name}.pt")
    wanted = Wanted(precision="fp32", backends=("xnnpack",), checkpoints=tmp_path)
    planned, _ = plan_all(wanted, lambda line: None)
    rows = pareto_rows(Decision(1, planned, {}))
    assert head(rows)[1] == "whole mouth, else recall"
    assert {row.quality_is for row in rows} == {WHOLE, RECALL}
    shown = {one[0]: one[1] for one in cells(rows)}
    assert shown["s2"].endswith(" recall")
    assert float(shown["s6"]) == pytest.approx(quality(planned[0].checkpoint.scores).value, abs=5e-4)
    dominated = {row.name for row in rows if row.dominated_by}
    chosen = {
        one.name
        for budget in range(100_000, 6_000_000, 50_000)
        if (one := decide(planned, budget, {}).chosen) is not None
    }
    assert len(chosen) > 2
    assert not chosen & dominated
    by_grade = [quality(one.point.scores).measure for one in planned]
    assert [measure for measure, _ in itertools.groupby(by_grade)] == [WHOLE, RECALL], "the older recall ranks behind"


def test_the_page_of_budgets_says_what_is_chosen_of_the_students_that_ship() -> None:
    """It named the scores of earlier weights, and said that one was chosen for being the best which is only the
    cheaper of two within their interval."""
    page = (CHECKPOINTS.parent / "docs" / "budget.md").read_text("utf-8").partition("\n## ")[0]
    (command,) = re.findall(r"`python -m export\.choices (.*?)`", page)
    budgets = [word for word in command.split() if word.endswith("B")]
    assert "--built none" in command

    def rows(text: str) -> list[list[str]]:
        lines = [line for line in text.splitlines() if line.startswith("|") and "---" not in line]
        return [[one.strip() for one in line.strip("|").split("|")] for line in lines]

    devices = device_names()
    found = choices([*((one, one, None) for one in budgets), *((one, None, one) for one in devices)], {})
    printed, by_budget = found[: len(budgets)], {one.budget_bytes: one.chosen for one in found[: len(budgets)]}
    assert rows(page) == rows(table(printed)), "print the rows again by the command below them"
    others = {one.target: one.chosen for one in found[len(budgets) :] if one.precision == "int8"}
    assert f"int8 where it asks for that ({', '.join(others)})" in " ".join(page.split())
    assert all(chosen.endswith(" int8") for chosen in others.values())
    for one in found[len(budgets) :]:
        if one.precision != "int8":
            assert one.chosen == by_budget.get(one.budget_bytes, by_budget[20_000_000]), one.target


def test_every_student_that_ships_is_ranked_by_the_whole_mouth() -> None:
    for path in CHECKPOINTS.glob("s?.pt"):
        assert quality(Checkpoint.load(path).scores).measure == WHOLE, path.name


def test_a_folder_of_one_measure_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    text = explain(8_000_000, Wanted(student="s6", precision="fp32", backends=("xnnpack",)), {})
    assert text.splitlines()[0].split("|")[2].strip() == WHOLE
    assert "8.00 MB: s6 has the best whole mouth (" in text

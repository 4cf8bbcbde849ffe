"""Budgets are read as people write them, and nonsense is named."""

from __future__ import annotations

import pytest

from export.plan.target import parse_budget
from profiles.show.words import show_bytes
from sdk.errors import BudgetError


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("8MB", 8_000_000), ("8MiB", 8_388_608), ("500KB", 500_000), ("500KiB", 512_000), ("1.5MB", 1_500_000),
        ("1GB", 10**9), ("1GiB", 2**30), (" 2 mb ", 2_000_000), ("0.1MB", 100_000), ("1.1MB", 1_100_000),
    ],
)  # fmt: skip
def test_reads(text: str, count: int) -> None:
    assert parse_budget(text) == count


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("8", "unit is missing"), ("-1MB", "not a positive number"), ("8QB", "'QB' is unknown"), ("", "not a positive"),
        ("0MB", "no memory at all"), ("MB", "not a positive"), ("8 M B", "not a positive"), ("nanMB", "not a positive"),
        ("infMB", "not a positive"), ("1e3MB", "not a positive"), ("8,5MB", "not a positive"),
        ("0.0000001KB", "no memory"), ("8B", "'B' is unknown"), ("٨MB", "not a positive"),
    ],
)  # fmt: skip
def test_nonsense_is_named(text: str, says: str) -> None:
    with pytest.raises(BudgetError, match=says) as caught:
        parse_budget(text)
    assert repr(text) in str(caught.value)
    assert "such as 8MB" in str(caught.value)


@pytest.mark.parametrize("text", ["9" * 400 + "GB", "0." + "1" * 5000 + "MB"])
def test_more_digits_than_a_number_has(text: str) -> None:
    with pytest.raises(
        BudgetError, match="digits are more than it has; write a number and a unit, such as 8MB"
    ) as caught:
        parse_budget(text)
    assert len(str(caught.value)) < 300


def test_shows() -> None:
    assert [show_bytes(n) for n in (96, 812_300, 8_000_000)] == ["96 B", "812.3 KB", "8.00 MB"]

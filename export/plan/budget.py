"""Memory budgets as people write them: `8MB` is 8,000,000 bytes, `8MiB` is 8,388,608."""

from __future__ import annotations

import re

from sdk.errors import BudgetError

_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_budget(text: str) -> int:
    """Bytes in `text`: a number above zero and a unit, KB MB GB (powers of ten) or KiB MiB GiB (powers of two).

    Raises `BudgetError` for anything else; a bare number is refused because its unit could only be guessed.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text, re.ASCII)
    hint = "write a number and a unit, such as 8MB (8,000,000 bytes), 8MiB (8,388,608) or 500KB"
    if not found:
        raise BudgetError(f"{text!r} is no memory budget: it is not a positive number with a unit; {hint}")
    number, unit = found.groups()
    if not unit:
        raise BudgetError(f"{text!r} is no memory budget: the unit is missing; {hint}")
    if unit.upper() not in _UNITS:
        raise BudgetError(f"{text!r} is no memory budget: the unit {unit!r} is unknown; {hint}")
    count = int(float(number) * _UNITS[unit.upper()] + 1e-6)
    if count < 1:
        raise BudgetError(f"{text!r} is no memory budget: it leaves no memory at all; {hint}")
    return count

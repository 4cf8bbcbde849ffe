"""What a build aims at: a budget and a precision, said outright or taken from a device profile.

Memory budgets are as people write them: `8MB` is 8,000,000 bytes, `8MiB` is 8,388,608.
"""

from __future__ import annotations

import re
from fractions import Fraction

from export.lower.backends.base import backend_names, load_backend
from export.plan.choose import automatic_backends
from profiles.model.device import load_device, plays, runs
from sdk.errors import BudgetError, ConfigError

_MOST_DIGITS = 30  # of what can be meant; Python's own numbers end at some hundred, or take their time
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
    if len(number) > _MOST_DIGITS:
        raise BudgetError(f"{text[:20]!r}... is no memory budget: {len(number)} digits are more than it has; {hint}")
    count = int(Fraction(number) * _UNITS[unit.upper()])
    if count < 1:
        raise BudgetError(f"{text!r} is no memory budget: it leaves no memory at all; {hint}")
    return count


def target(budget: str | None, device: str | None, precision: str | None) -> tuple[int, str]:
    """(budget in bytes, precision) from the words of the command line. Raises as the two that tell them."""
    wanted = allowed_precision(device, precision)
    return allowed_bytes(device, budget), wanted


def allowed_bytes(device: str | None, budget: str | None) -> int:
    """The budget in bytes; what is said outright wins over the device.

    Raises `ConfigError` for an unknown device or neither of the two, `BudgetError` for a budget that cannot be parsed.
    """
    if budget is not None:
        return parse_budget(budget)
    if device is None:
        raise ConfigError("say what to build for: --budget 8MB, or --device NAME (`python -m profiles devices`)")
    return load_device(device).memory_budget_bytes


def allowed_precision(device: str | None, precision: str | None) -> str:
    """The precision to build in, whether or not a budget is held against what comes of it.

    A device that takes its precisions in the order fp32, int8 leaves the choice to the scores (`auto`); one that wants
    int8 first gets that. Raises `ConfigError` for an unknown device, or a precision that it does not allow.
    """
    if device is None:
        return precision or "auto"
    profile = load_device(device)
    allowed = profile.leaves_us.precisions
    if precision not in (None, "auto") and not runs(allowed, precision):
        raise ConfigError(f"{profile.name} does not run {precision}; its profile allows: {', '.join(allowed)}")
    if precision == "auto" and len(allowed) == 1:
        precision = allowed[0]
    return precision or ("auto" if len(allowed) > 1 and allowed[0] == "fp32" else allowed[0])


def allowed_backends(device: str | None, backend: str = "auto") -> tuple[str, ...]:
    """The backends to choose among: the one that is named, or of those that the device's profile runs the ones that a
    budget may choose; () for any.

    Raises `ConfigError` for an unknown backend, one that the device does not run, or a device of which a budget may
    choose none: its () would mean any.
    """
    if backend != "auto":
        load_backend(backend)
    if device is None:
        return () if backend == "auto" else (backend,)
    words = load_device(device).leaves_us.backends
    names = [name for name in backend_names() if plays(words, name)]
    if backend not in ("auto", *names):
        raise ConfigError(f"{device} does not run {backend}; its profile allows: {', '.join(words)}")
    if backend != "auto":
        return (backend,)
    found = tuple(sorted({*names} & {*automatic_backends()}))
    if not found:
        named = f"ask for one by name: --backend {' or '.join(names)}" if names else "let its profile allow another"
        raise ConfigError(f"{device} runs {', '.join(words)}, none of which a budget may choose here; {named}")
    return found

"""What a build aims at: a budget and a precision, said outright or taken from a device profile.

Memory budgets are as people write them: `8MB` is 8,000,000 bytes, `8MiB` is 8,388,608.
"""

from __future__ import annotations

import re

from export.lower.backends.base import backend_names, load_backend
from export.plan.choose import automatic_backends
from profiles.model.device import load_device, plays, runs
from sdk.errors import BudgetError, ConfigError

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


def target(budget: str | None, device: str | None, precision: str | None) -> tuple[int, str]:
    """(budget in bytes, precision) from the words of the command line; what is said outright wins over the device.

    A device that takes its precisions in the order fp32, int8 leaves the choice to the scores (`auto`); one that wants
    int8 first gets that. Raises `ConfigError` for an unknown device, a precision that it does not allow, or neither
    budget nor device; `BudgetError` for a budget that cannot be parsed.
    """
    if device is None:
        if budget is None:
            raise ConfigError("say what to build for: --budget 8MB, or --device NAME (`python -m profiles devices`)")
        return parse_budget(budget), precision or "auto"
    profile = load_device(device)
    allowed = profile.leaves_us.precisions
    if precision not in (None, "auto") and not runs(allowed, precision):
        raise ConfigError(f"{profile.name} does not run {precision}; its profile allows: {', '.join(allowed)}")
    if precision == "auto" and len(allowed) == 1:
        precision = allowed[0]
    preferred = "auto" if len(allowed) > 1 and allowed[0] == "fp32" else allowed[0]
    budget_bytes = profile.memory_budget_bytes if budget is None else parse_budget(budget)
    return budget_bytes, precision or preferred


def allowed_backends(device: str | None, backend: str = "auto") -> tuple[str, ...]:
    """The backends to choose among: the one that is named, or of those that the device's profile runs the ones that a
    budget may choose; () for any.

    Raises `ConfigError` for an unknown backend, or one that the device does not run.
    """
    if backend != "auto":
        load_backend(backend)
    if device is None:
        return () if backend == "auto" else (backend,)
    words = load_device(device).leaves_us.backends
    names = [name for name in backend_names() if plays(words, name)]
    if backend not in ("auto", *names):
        raise ConfigError(f"{device} does not run {backend}; its profile allows: {', '.join(words)}")
    return tuple(sorted({*names} & {*automatic_backends()})) if backend == "auto" else (backend,)

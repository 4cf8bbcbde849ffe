"""What a build aims at: a budget and a precision, said outright or taken from a device profile."""

from __future__ import annotations

from export.lower.backends.base import backend_names, load_backend
from export.plan.budget import parse_budget
from export.plan.choose import automatic_backends
from profiles.model.device import load_device, plays, runs
from sdk.errors import ConfigError


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

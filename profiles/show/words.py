"""Figures as people read them: units, labels, uncertainties, one colour for each artefact."""

from __future__ import annotations

from collections.abc import Sequence

from profiles.model.figures import Label

LABELS: dict[Label, str] = {
    "measured_here": "measured here",
    "measured_on_device": "measured on device",
    "estimated": "estimated",
}
COLOURS = ("#1f6fb2", "#c8541b", "#2b8a57", "#8446a6", "#b8304f", "#0f7f8b", "#7a6412", "#5b6470")


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each artefact, in their order; they come round again after eight."""
    return {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(names)}


def show_label(label: Label, uncertainty_percent: float | None = None) -> str:
    """`estimated, ± 40 %`; without the second part where nobody knows it."""
    if uncertainty_percent is None:
        return LABELS[label]
    form = ".0f" if uncertainty_percent >= 10 else ".2g" if uncertainty_percent >= 1 else ".1f"
    exact = format(uncertainty_percent, form)
    return f"{LABELS[label]}, ± {exact} %"


def show_bytes(count: float) -> str:
    """`8.00 MB`, `812.3 KB`, `96 B`: in powers of ten, like the budgets."""
    if abs(count) >= 10**10:
        return f"{count / 10**9:.1f} GB"
    if abs(count) >= 10**6:
        return f"{count / 10**6:.2f} MB"
    return f"{count / 10**3:.1f} KB" if abs(count) >= 1000 else f"{count:.0f} B"


def show_ms(us: float | None) -> str:
    """Microseconds as milliseconds with three digits that say something: `1.92`, `0.0894`, `34.1`."""
    if us is None:
        return "–"
    ms = us / 1000
    digits = 0 if ms >= 100 else 1 if ms >= 10 else 2 if ms >= 1 else 3 if ms >= 0.1 else 4
    return f"{ms:.{digits}f}"


def show_percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{share * 100:.{digits}f} %"


def show_count(count: float | None) -> str:
    """`88.0 M`, `12.3 k`: of multiply-adds and parameters."""
    if count is None:
        return "–"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(count) >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.3g}"


def show_number(value: float | None, unit: str = "") -> str:
    """A value with its unit, in four digits at most; `–` for none."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()

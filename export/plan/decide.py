"""The one place where points are held against a budget: the first that fits, or the words that none does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from export.lower.backends.base import load_backend
from export.plan.built import Built, Key
from export.plan.choose import Candidate, ranked
from profiles.show.words import show_bytes, show_ms
from sdk.errors import BudgetExceeded

NEAR = 0.1  # of computed memory against measured: what the tests of every backend hold it to


def key(candidate: Candidate) -> Key:
    """What makes a point the same one as another."""
    point = candidate.point
    return candidate.checkpoint.spec.name, point.weights_sha256, point.precision, candidate.backend


@dataclass(frozen=True)
class Decision:
    """What a budget came to. planned: best first. known: what was measured of them, on this machine. chosen: the first
    of them that fits; None where none does."""

    budget_bytes: int
    planned: Sequence[Candidate]
    known: Mapping[Key, Built]
    chosen: Candidate | None = None

    def needs(self, one: Candidate) -> int:
        """Bytes: measured where the point was built, else computed."""
        built = self.known.get(key(one))
        return built.counted_bytes if built else one.rows.counted_bytes

    def fits(self, one: Candidate) -> bool:
        """Whether it keeps up with speech and, by the best knowledge, is within the budget."""
        return self._is_within(one, 1)

    def may_fit(self, one: Candidate) -> bool:
        """Whether it can. What is computed is within `NEAR` of what is measured, and not nearer."""
        return self._is_within(one, 1 / (1 + NEAR))

    def surely_fits(self, one: Candidate) -> bool:
        """Whether nothing needs to be measured to know that it fits."""
        return self._is_within(one, 1 + NEAR)

    def _is_within(self, one: Candidate, share: float) -> bool:
        off = 1 if key(one) in self.known else share
        return one.cost.is_real_time and self.needs(one) * off <= self.budget_bytes

    @property
    def better(self) -> Sequence[Candidate]:
        """Those before the chosen one: none of them fits."""
        return self.planned[: next((at for at, one in enumerate(self.planned) if one is self.chosen), None)]

    @property
    def rejected(self) -> dict[str, str]:
        """Of those that by what was computed could have been chosen: what measuring them said, by name."""
        computed = replace(self, known={})
        large = [one for one in self.better if computed.may_fit(one) and not self.may_fit(one)]
        return {one.name: self._too_large(one) for one in large}

    def _too_large(self, one: Candidate) -> str:
        planned = show_bytes(one.rows.counted_bytes)
        return f"{one.name} was planned at {planned} but measured {show_bytes(self.needs(one))}"


def decide(
    planned: Sequence[Candidate],
    budget_bytes: int,
    known: Mapping[Key, Built],
    weigh: Callable[[Candidate], Built] | None = None,
    weigh_sure: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Decision:
    """Take the first of `planned` that fits.

    weigh: measures a point that is too near the budget to tell, or with `weigh_sure` any that is to be taken; what it
    finds joins what is `known`. Without it, what is computed decides.
    """
    decision = Decision(budget_bytes, planned, measured := dict(known))
    for one in planned:
        if not decision.may_fit(one):
            continue
        if weigh and (weigh_sure or not decision.surely_fits(one)):
            measured[key(one)] = weigh(one)
            if not decision.fits(one):
                say(f"      {decision._too_large(one)}: trying the next best")
        if decision.fits(one):
            return replace(decision, chosen=one)
    return decision


def by_need(decision: Decision) -> list[Candidate]:
    """Those that keep up with speech, the least memory first; no budget helps the others."""
    return sorted((one for one in decision.planned if one.cost.is_real_time), key=decision.needs)


def too_slow(one: Candidate) -> str:
    """What a point that does not keep up with speech would take."""
    return f"{one.name} about {show_ms(one.cost.frame_us)} ms for a frame of {1e3 / one.cost.fps:.3g} ms"


def exceeded(decision: Decision, others: Sequence[Candidate]) -> BudgetExceeded:
    """The error where none fits: what each needs, what of the `others` would fit, and by how much it is too much.

    What was measured is said as it is; what is computed is said with `about`, and the advice leaves room for it.
    """
    slow = ", ".join(too_slow(one) for one in decision.planned if not one.cost.is_real_time)
    inside = by_need(decision)
    if not inside:
        return BudgetExceeded(f"nothing keeps up with speech on one core: {slow}. {_advice(decision, None, others)}")
    closest, *rest = inside
    need = decision.needs(closest)
    kinds = {
        "packed weights": closest.rows.packed_weights_bytes, "weights in place": closest.rows.in_place_bytes,
        "workspace or opening": max(closest.rows.workspace_bytes, closest.rows.opening_bytes),
        "planned arenas": closest.rows.planned_arenas_bytes,
        "operators": closest.rows.operators_bytes, "stream state": closest.rows.stream_state_bytes,
    }  # fmt: skip
    parts = ", ".join(f"{name} {show_bytes(size)}" for name, size in kinds.items() if size)
    text = (
        f"{closest.name} needs {_said(decision, closest)}, the budget is {show_bytes(decision.budget_bytes)}: "
        f"computed {parts}; that is {show_bytes(need - decision.budget_bytes)} too much."
    )
    if rest:
        text += f" The others need more: {', '.join(f'{c.name} {_said(decision, c)}' for c in rest)}."
    if slow:
        text += f" Too slow for speech: {slow}."
    return BudgetExceeded(f"{text} {_advice(decision, closest, others)}")


def _advice(decision: Decision, closest: Candidate | None, others: Sequence[Candidate]) -> str:
    """Which of the others would do; else the budget that `closest` would be within, the next that keeps up."""
    fits = [c for c in ranked(others) if decision.may_fit(c)]
    fast = [c for c in fits if not load_backend(c.backend).is_last_resort] or fits
    sure = [c.name for c in fast if decision.surely_fits(c)]
    found = {"Fits": sure, "Perhaps, once measured": [c.name for c in fast if c.name not in sure]}
    if fast:
        return " ".join(f"{how}: {', '.join(who)}." for how, who in found.items() if who)
    if closest is None:
        return "No budget helps: give another --precision or --backend, or train a smaller variant."
    # in whole steps of 100 KB, or of 1 KB where it was measured, so that the advice still holds
    need = decision.needs(closest)
    advice_kb = -(-need // 1000) + 1 if key(closest) in decision.known else -(-need * (1 + NEAR) // 100_000) * 100
    return f"Nothing fits; give --budget {advice_kb:.0f}KB or more, or train a smaller variant."


def _said(decision: Decision, one: Candidate) -> str:
    return ("" if key(one) in decision.known else "about ") + show_bytes(decision.needs(one))

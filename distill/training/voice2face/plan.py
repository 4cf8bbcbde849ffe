"""How long Voice2Face trains, on what mix, and what its losses weigh."""

from __future__ import annotations

from dataclasses import dataclass

from distill.training.plan import check_plan, growing, warm_cosine


@dataclass(frozen=True)
class Voice2FacePlan:
    """`steps` of `rows` rows of `row_s` seconds each. Appendix A's terms: `alpha_mesh`, `alpha_normal`, `alpha_kl`.
    Ours, 0 to leave them out: `alpha_vel` (of the mesh), `alpha_lip` (`losses.lip_distance`, whose `shut_weight` grows
    to `shut_final` over the second half), `alpha_class` (phone classes, for an encoder that learns).

    mix_*: how much of each source is drawn, captures against recordings that a teacher labelled against the exact
    phones of espeak and Kokoro. ema: decay of the average of weights.
    """

    steps: int = 2000
    rows: int = 8
    row_s: float = 3.0
    learning_rate: float = 1.0e-3
    alpha_mesh: float = 1.0
    alpha_normal: float = 0.5
    alpha_kl: float = 0.1
    alpha_vel: float = 1.0
    alpha_lip: float = 5.0
    alpha_class: float = 0.2
    shut_weight: float = 10.0
    shut_final: float = 25.0
    mix_human: float = 0.6
    mix_espeak: float = 0.4
    mix_kokoro: float = 0.25
    mix_captured: float = 0.6
    ema: float = 0.995
    seed: int = 1

    def __post_init__(self) -> None:
        check_plan(self, counts=("steps", "rows", "row_s"), shares=("ema",))

    @property
    def frames(self) -> int:
        """Frames of a row at 30 fps."""
        return int(self.row_s * 30)

    def mix(self, source: str) -> float:
        """How often rows of a source are drawn, against the others."""
        return float(getattr(self, f"mix_{source}"))

    def shut(self, done: float) -> float:
        """Weight of closures when `done` of the run, 0 to 1, lies behind."""
        return growing(self.shut_weight, self.shut_final, done)

    def rate(self, step: int) -> float:
        """Learning rate: warm-up over a twentieth, then cosine."""
        return warm_cosine(self.learning_rate, step, self.steps, max(self.steps // 20, 1), 0.02)

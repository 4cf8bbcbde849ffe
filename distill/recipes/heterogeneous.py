"""Heterogeneous distillation (3.1): a student learns rig labels that a teacher of another kind made for real speech.

    python -m distill.recipes.heterogeneous --variant s2 --corpus build/corpus --out checkpoints/s2.pt

Window students in two stages. *Shared*: a stretch of about a second goes through the trunk once and the head at every
column; the norm's statistics are then those of the stretch. *Exact*: true 8192-sample windows at 30 fps, as at
inference, at a lower rate. Stream students in one: rows of continuous speech, a row in one pass. The weights kept are
an exponential moving average. Killed at any moment, the same command goes on from the last `<out>.resume`.
"""

from __future__ import annotations

from distill.training.command import train_command


def main(arguments: list[str] | None = None) -> int:
    return train_command("heterogeneous", __doc__, arguments)


if __name__ == "__main__":
    raise SystemExit(main())

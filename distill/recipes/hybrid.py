"""Hybrid distillation (3.2): rig labels from the teacher, and features from a student that has learned already.

    python -m distill.recipes.hybrid --variant s5_plus --second-teacher checkpoints/table2/s0.pt \\
        --corpus build/corpus --out checkpoints/table2/s5_plus.pt

S0, frozen, says for every frame what its hidden fully connected layers and its last layer before tanh make of it. A
narrower student is drawn towards the same conclusions (down-scaling supervision, eq. 5); one that hears less of the
future is drawn towards what S0 concluded from all of it (predictive supervision, eq. 6). The loss is eq. 7, but for
eq. 1, which is off (`--alpha-rec 0`): our errors of channels and of the mouth stand for it (`training/plan.py`), beside
the lip losses of `heterogeneous.py`. Stream students are taught by wider stream students in the same way.

The paper raises alpha_vel to 9 for S2+, S4+ and S5+, whose jitter had grown (4.1.2): `--alpha-vel 9`. Ours does
not grow by it (docs/table2.md): the lips' own acceleration has a loss.
"""

from __future__ import annotations

from distill.training.command import train_command


def main(arguments: list[str] | None = None) -> int:
    return train_command("hybrid", __doc__, arguments, second=True)


if __name__ == "__main__":
    raise SystemExit(main())

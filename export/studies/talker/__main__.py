"""A compact DiffusionTalker as programs, ears and denoiser as methods of a TorchScript and a `.pte`; real time or not.

    python -m export.studies.talker build/dt/compact2.teacher --seconds 4 --budget 16MB --out build/dt/compact2

    hear(audio (1, n))                                   -> features (1, N, W), identity (1, I), emotion (1, E)
    personal(features, identity, emotion)                -> personal (1, N, W)        a voice's file gives the last two
    denoise(noisy (1, N, C), t (1,), features, personal) -> motion, normalised; run once a step of DDIM (`sampled`)

Shapes are fixed, `n` the samples of so many seconds: it hears a stretch whole, so a game waits for the stretch. Nothing
is sealed and no predictor plays it: it is what the seed claims a phone can run, measured, not an artefact of ours.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from distill.files.disk import check_writable
from distill.teachers.diffusiontalker.teacher import FILE
from export.plan.target import parse_budget
from export.studies.talker.programs import cost_table, export
from sdk.tools.command import at_least, ending


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.studies.talker", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("talker", type=Path, help=".teacher with compact ears")
    parser.add_argument("--seconds", type=at_least(0.1, float), default=4.0, help="of audio in one call")
    parser.add_argument("--budget", default="16MB", help="bytes for weights, plans and workspace; default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, help="two files are written: OUT.pt and OUT.pte")
    parser.add_argument("--runs", type=int, default=5, help="calls that are timed")
    options = parser.parse_args(arguments)
    with ending("interrupted; nothing was written", named=True) as end:
        check_writable(options.out)
        trained = FILE.load(options.talker)
        made = export(trained, options.out, options.seconds, parse_budget(options.budget))
        print(cost_table(made, options.runs))
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())

"""What the layers know (4.7, Fig. 12): phones and visemes read off a student's layers by small classifiers.

    python -m distill.recipes.probe --checkpoint checkpoints/s0.pt --aligned ../shared/data/speech/ljspeech \\
        --synthetic build/espeak-heldout --out docs/probe

How a layer is asked stands in `distill/scoring/probing.py`; scores are weighted F1 on utterances that no classifier
learned from.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from distill.files.checkpoint import Checkpoint
from distill.files.disk import check_writable
from distill.scoring.conditions import read_sets
from distill.scoring.probe_report import table, write
from distill.scoring.probing import layers_of, probe
from sdk.errors import DataError, EngineUnavailable, pip_install
from sdk.tools.command import at_least, command_line, ending
from sdk.window import WindowSpec


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.probe", description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="a trained window student or baseline")
    parser.add_argument("--aligned", type=Path, help="folder of recordings with TextGrids")
    parser.add_argument("--synthetic", type=Path, help="folder of held-out espeak shards")
    parser.add_argument("--out", type=Path, required=True, help="folder for <student>.json, .png and .md")
    parser.add_argument("--learn", type=int, default=50_000, help="most frames to learn from, of each set")
    parser.add_argument("--test", type=int, default=5_000, help="most frames to test on, of each set")
    parser.add_argument("--seed", type=at_least(0), default=1)
    options = parser.parse_args(arguments)
    with ending() as end:
        for package in ("sklearn", "matplotlib"):
            if find_spec(package) is None:
                raise EngineUnavailable(f"a probe needs {package}: {pip_install('train,viewer')}")
        checkpoint = Checkpoint.load(options.checkpoint)
        student, spec = checkpoint.student(), checkpoint.spec
        layers_of(student)  # refuses a stream before any work
        check_writable(options.out / f"{spec.name}.json")
        sets = read_sets({"human": options.aligned, "espeak": options.synthetic})
        if not sets:
            raise DataError("nothing to probe on: give --aligned, --synthetic or both")
        window, most = WindowSpec(spec.input_samples, spec.future_samples), (options.learn, options.test)
        scores = {name: probe(student, window, items, most, options.seed) for name, items in sets.items()}
        facts = {"student": spec.name, "weights_sha256": checkpoint.weights_sha256, "seed": options.seed}
        command = command_line("distill.recipes.probe", arguments)
        write(options.out / spec.name, {**facts, "command": command, "sets": scores})
        print(table(scores))
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())

"""An array of Slurm jobs that label a corpus: a script to look at and to submit, for clusters that have no Ray.

Job i of n labels every n-th batch (`pseudo_label --part i/n`). Jobs share nothing but the folder: each makes its own
shards, whole or not at all, and a job that Slurm starts again finds what it had done.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from distill.files.disk import atomic_write_text
from sdk.errors import ConfigError

SCRIPT = """\
#!/bin/sh
#SBATCH --job-name=tinyface-labels
#SBATCH --array=0-{last}
#SBATCH --cpus-per-task=1
#SBATCH --requeue
# {parts} parts; when all are done, the command without --part says what there is and makes what is missing
cd {folder} || exit 1
exec {python} -m distill.recipes.pseudo_label {arguments} --part "$SLURM_ARRAY_TASK_ID"/{parts}
"""


def write_script(path: Path, parts: int, arguments: Sequence[str]) -> None:
    """Write the array script of `parts` jobs of the command with `arguments`, run in the folder that this is run in."""
    quoted = " ".join(map(shlex.quote, arguments))
    text = SCRIPT.format(
        last=parts - 1, parts=parts, folder=shlex.quote(str(Path.cwd())), python=shlex.quote(sys.executable),
        arguments=quoted,
    )  # fmt: skip
    atomic_write_text(path, text)


def part_of(text: str) -> tuple[int, int]:
    """`3/48` -> (3, 48). Raises `ConfigError` for anything that is no part of a whole."""
    first, _, count = text.partition("/")
    if first.isdecimal() and count.isdecimal() and int(first) < int(count):
        return int(first), int(count)
    raise ConfigError(f"part {text!r} is not such as 0/48, counted from 0 to one below the number of parts")

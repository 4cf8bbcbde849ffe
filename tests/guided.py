"""Damaged and lying files at length, guided by which lines of ours a file reaches: libFuzzer, by Atheris.

    python -m tests.guided [--minutes M] [--target NAME ...]        make fuzz MINUTES=60

Of each kind of file in `tests/fuzzing.py` so many minutes of processor time. What reaches a new line is kept in
`build/fuzz/TARGET/`, from where the next run goes on; what escapes and is not an error of ours, takes more than ten
seconds or four gigabytes, in `tests/kept/TARGET/`, and is read again in every run of the tests. Needs the extra `fuzz`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.fuzzing import KEPT, TARGETS, check, damaged

ROOT = Path(__file__).resolve().parents[1]
FOUND = ROOT / "build" / "fuzz"
OURS = ("sdk", "distill", "export", "profiles")


def hunt(name: str, minutes: float) -> None:
    """Damage files of one kind for so long, in this process, which ends here: with 0 where nothing escaped."""
    import atheris

    target = TARGETS[name]
    with atheris.instrument_imports(include=[*OURS, "yaml"]):  # which others wrote, and which guides as well
        seeds = target.seeds()
        for seed in seeds:  # which imports what reads it, while imports are watched
            check(target, seed)
    corpus, kept, files = FOUND / name, KEPT / name, 0
    for folder in (corpus, kept):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    ends = time.process_time() + 60 * minutes  # beside other work an hour is still an hour
    scratch = tempfile.TemporaryDirectory()

    def read(data: bytes) -> None:
        nonlocal files
        try:
            check(target, data, Path(scratch.name))
        except BaseException as error:
            path = kept / hashlib.sha256(data).hexdigest()[:16]
            path.write_bytes(data)
            leave(f"{type(error).__name__}: {error}; kept as {path.relative_to(ROOT)}", 1)
        files += 1
        if time.process_time() > ends:
            leave("nothing escaped", 0)

    def leave(words: str, status: int) -> None:
        ledger = FOUND / f"{name}.json"
        before = json.loads(ledger.read_text()) if ledger.exists() else {"files": 0, "minutes": 0}
        total = {"files": before["files"] + files, "minutes": round(before["minutes"] + time.process_time() / 60, 2)}
        ledger.write_text(json.dumps(total))
        reached = len(list(corpus.iterdir()))
        print(f"{name}: {files:,} files (so far {total['files']:,} in {total['minutes']} minutes), {reached:,} of them "
              f"reach what no other does, {words}", flush=True)  # fmt: skip
        scratch.cleanup()
        os._exit(status)  # libFuzzer knows no other way to end

    def mutated(data: bytes, most: int, number: int) -> bytes:
        random = Random(number)
        out = atheris.Mutate(data, most) if random.random() < 0.5 else damaged(data, random, target.is_json)
        return bytes(out[:most])

    limits = [
        f"-artifact_prefix={kept}{os.sep}",
        "-rss_limit_mb=4096",
        "-timeout=120",
        "-verbosity=0",
        "-print_final_stats=0",
    ]
    atheris.Setup([name, str(corpus), *limits], read, custom_mutator=mutated)
    atheris.Fuzz()


def main(arguments: list[str] | None = None) -> int:
    """Hunt in a process for each kind, which imports anew what it watches; 1 if anything escaped."""
    parser = argparse.ArgumentParser(prog="python -m tests.guided", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="of processor time, for each kind")
    parser.add_argument("--target", action="append", choices=TARGETS)
    options = parser.parse_args(arguments)
    FOUND.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in options.target or TARGETS:
        words = [sys.executable, "-c", f"from tests.guided import hunt; hunt({name!r}, {options.minutes})"]
        with (FOUND / f"{name}.log").open("wb") as log:  # what decoders of sound mutter
            if subprocess.run(words, cwd=ROOT, stderr=log).returncode:
                failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}; what was said stands in {FOUND.relative_to(ROOT)}/NAME.log")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

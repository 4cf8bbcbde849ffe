"""Every table of the seeds by one command: styled corpus, DiffusionTalker whole, its ablations, CodeTalker, students.

    python -m distill.recipes.seeds --out build/seeds                            # `make seeds`
    python -m distill.recipes.seeds --out build/seeds --recordings ../speech/vctk   # and retrieval of real people
    python -m distill.recipes.seeds --out build/seeds --page build/seeds.md      # only the page, from what is there
    python -m distill.recipes.seeds --out build/seeds-small --small              # a rehearsal of all of it, in minutes

    styled corpus -> large N = 16 -> 8 -> 4 -> 2, each -> compact ears; without personalizer, guidance, enhancer
                  -> CodeTalker -> S0 on 50 components of its meshes; styles on a stream student
    each file -> figures/NAME.json -> the page

One process, one thread, one command after another, each of which may be typed by itself (`--list` prints them). What is
on disk is kept, so the same command goes on after a stop; what each took of the CPU stands in `cpu.json`. The page says
of each training how long it was. Needs the extras `corpus` and `ears`; `resemblyzer` (extra `voices`) is asked only
where it is installed.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch

from distill.files.disk import atomic_write_text
from distill.recipes import codetalker, diffusiontalker, strangers, styled_corpus, styled_student, table4
from distill.scoring.styled.seed_page import page
from sdk.errors import DataError
from sdk.tools.command import command_line, ending, say

Main = Callable[[list[str]], int]
STEPS = (16, 8, 4, 2)
NO_PERSONALIZER, NO_GUIDANCE, NO_ENHANCER = "no-personalizer", "no-guidance", "no-enhancer"


@dataclass(frozen=True)
class Sizes:
    """How much of everything: `people` who say `each` sentences in each emotion; steps of every kind of training, of
    `batch` clips; `clips` of strangers that talkers are judged on, 0 for all; of Table 4 clips `taught` and `asked`."""

    people: int = 28
    each: int = 2
    batch: int = 12
    train_steps: int = 3000
    halve_steps: int = 800
    compact_steps: int = 1000
    book_steps: int = 600
    code_steps: int = 900
    style_steps: int = 800
    taught: int = 160
    clips: int = 64
    asked: int = 32


SMALL = Sizes(16, 1, 4, 12, 6, 6, 10, 10, 100, 8, 8, 4)  # four strangers: fewer, and nobody reads their lips


@dataclass(frozen=True)
class Made:
    """One file that a command makes."""

    path: Path
    main: Main
    arguments: list[str]

    @property
    def line(self) -> str:
        """As it is typed."""
        return command_line(self.main.__module__, self.arguments)


@dataclass(frozen=True)
class Chain:
    """All files of a run, in the order in which one needs another."""

    out: Path
    sizes: Sizes
    ears: str
    student: Path
    s0: Path
    people: Sequence[Path] = ()

    @property
    def corpus(self) -> Path:
        return self.out / "styled"

    @property
    def figures(self) -> Path:
        return self.out / "figures"

    def __iter__(self) -> Iterator[Made]:
        yield from self._scored(self._talkers())
        yield self._strangers()
        yield from self._others()

    def _talkers(self) -> Iterator[Made]:
        """Who learns from whom: the table's rows, then the ablations."""
        sizes, gentle = self.sizes, ("--learning-rate", "0.0005")
        yield self._talker("train", "large16", sizes.train_steps)
        for steps in STEPS[1:]:
            yield self._talker("halve", f"large{steps}", sizes.halve_steps, *gentle, of=f"large{2 * steps}")
        for steps in reversed(STEPS):
            yield self._talker("compact", f"compact{steps}", sizes.compact_steps, of=f"large{steps}")
        blind = ("--alpha-guide", "0", "--alpha-features", "0")
        yield self._talker("compact", f"compact2-{NO_GUIDANCE}", sizes.compact_steps, *blind, of="large2")
        weak = ("--alpha-enhance", "0")
        yield self._talker("compact", f"compact2-{NO_ENHANCER}", sizes.compact_steps, *weak, of="large2")
        alone = f"large16-{NO_PERSONALIZER}"
        yield self._talker("train", alone, sizes.train_steps, "--no-personalizer")
        yield self._talker("compact", f"compact16-{NO_PERSONALIZER}", sizes.compact_steps, of=alone)

    def _talker(self, do: str, name: str, steps: int, *more: str, of: str = "") -> Made:
        path = self._file(name)
        taught = ["--teacher", str(self._file(of))] if of else ["--ears", self.ears]
        how = ["--steps", str(steps), "--batch", str(self.sizes.batch), *taught, *more]
        return Made(path, diffusiontalker.main, [do, *self._here, "--out", str(path), *how])

    def _scored(self, talkers: Iterator[Made]) -> Iterator[Made]:
        for one in talkers:
            yield one
            path = self.figures / f"{one.path.stem}.json"
            asked = ["evaluate", str(one.path), *self._here, "--json", str(path), "--clips", str(self.sizes.clips)]
            yield Made(path, diffusiontalker.main, asked)

    def _strangers(self) -> Made:
        names = [f"{ears}{steps}" for steps in STEPS for ears in ("large", "compact")]
        talkers = [str(self._file(name)) for name in names]
        path = self.figures / "strangers.json"
        folders = ["--people", *map(str, self.people)] if self.people else []
        asked = ["--corpus", str(self.corpus), *folders, "--json", str(path), "--clips", str(self.sizes.clips)]
        return Made(path, strangers.main, [*talkers, *asked])

    def _others(self) -> Iterator[Made]:
        sizes, path = self.sizes, self.out / "codetalker.teacher"
        steps = ["--book-steps", str(sizes.book_steps), "--steps", str(sizes.code_steps)]
        yield Made(path, codetalker.main, [*self._here, "--out", str(path), "--ears", self.ears, *steps])
        into = self.figures / "table4.json"
        asked = ["--teacher", str(path), "--s0", str(self.s0), "--json", str(into), "--taught", str(sizes.taught)]
        asked += ["--asked", str(sizes.asked)]
        yield Made(into, table4.main, ["--corpus", str(self.corpus), *asked])
        path, into = self.out / f"{self.student.stem}.styles", self.figures / "styles.json"
        how = ["--student", str(self.student), "--steps", str(sizes.style_steps), "--json", str(into)]
        pictured = ["--moods", str(self.out / "moods.json")]
        yield Made(path, styled_student.main, [*self._here, "--out", str(path), *how, *pictured])

    @property
    def _here(self) -> list[str]:
        return ["--corpus", str(self.corpus), "--threads", "1"]

    def _file(self, name: str) -> Path:
        return self.out / "talkers" / f"{name}.teacher"


def make(made: Made) -> None:
    """Make a file that is not there. Raises `DataError` if its command fails, `KeyboardInterrupt` if it was stopped."""
    if made.path.exists():
        return
    say(made.line)
    made.path.parent.mkdir(parents=True, exist_ok=True)
    status = made.main(made.arguments)
    if status == 130:
        raise KeyboardInterrupt
    if status or not made.path.exists():
        raise DataError(f"{made.path} could not be made; the error stands above")


def cpu_s() -> float:
    """Seconds of CPU that this process took, and those that it started and waited for."""
    took = os.times()
    return took.user + took.system + took.children_user + took.children_system


def note_cost(file: Path, name: str, seconds: float) -> float:
    """Add what making `name` took to a table of seconds; returns their sum, over all the stops and starts of a run."""
    found: dict[str, float] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    found[name] = round(found.get(name, 0.0) + seconds, 2)
    atomic_write_text(file, json.dumps(found, indent=1))
    return sum(found.values())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.seeds", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for everything that is made")
    parser.add_argument("--page", type=Path, help="only write the page, from the figures that are there")
    parser.add_argument("--list", action="store_true", help="only print the commands")
    parser.add_argument("--recordings", type=Path, nargs="*", default=[], help="folders of real people, for retrieval")
    parser.add_argument("--student", type=Path, default=Path("checkpoints/s7.pt"), help="stream student to give styles")
    parser.add_argument("--s0", type=Path, default=Path("checkpoints/table2/s0.pt"), help="window student for Table 4")
    parser.add_argument("--ears", default="whisper", help="of the large talkers and of CodeTalker")
    parser.add_argument("--small", action="store_true", help="a rehearsal: figures that say nothing, in minutes")
    for field in fields(Sizes):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, help=f"default {field.default}")
    options = parser.parse_args(arguments)
    typed = {field.name: getattr(options, field.name) for field in fields(Sizes)}
    sizes = replace(SMALL if options.small else Sizes(), **{name: n for name, n in typed.items() if n is not None})
    chain = Chain(options.out, sizes, options.ears, options.student, options.s0, options.recordings)
    with ending("stopped; the same command goes on from what is done") as end:
        if options.list:
            print("\n".join(one.line for one in chain))
            return end.status
        if not options.page:
            torch.set_num_threads(1)
            began, costs = cpu_s(), options.out / "cpu.json"
            styled_corpus.build(sizes.people, sizes.each, chain.corpus)
            note_cost(costs, chain.corpus.name, cpu_s() - began)
            for one in chain:
                began = cpu_s()
                try:
                    make(one)
                finally:  # a stop's work counts too
                    whole = note_cost(costs, str(one.path.relative_to(options.out)), cpu_s() - began)
            say(f"{costs}: {whole / 60:.1f} minutes of CPU")
        path = options.page or options.out / "seeds.md"
        page(chain.figures, path)
        say(f"{path}: written")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())

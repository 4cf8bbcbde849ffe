"""What README and RELIABILITY.md claim: every promise names a test that exists, every licence is told."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from tests.licences import ALL, SEPARATE, installed_bytes, is_copyleft, licence, required
from tests.scores import PAGES, rewritten

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", ["RELIABILITY.md", "docs/faults.md"])
def test_each_promise_has_its_test(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 15
    for file, name in named:
        path = ROOT / file
        assert path.is_file(), f"{page} names {file}, which is not there"
        assert not name or f"def {name}(" in path.read_text("utf-8"), f"{file} has no test {name}"


def test_every_row_of_promises_names_a_test_and_not_only_a_file() -> None:
    promises = (ROOT / "RELIABILITY.md").read_text("utf-8").split("## Whom to trust")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    assert len(rows) > 20
    by_hand = [row for row in rows if not re.search(r"`tests/[\w/]+\.py::test_\w+`", row.rsplit("|", 2)[1])]
    assert all("by hand" in row for row in by_hand), by_hand
    assert len(by_hand) <= 1


@pytest.mark.parametrize("page", PAGES)
def test_tables_say_what_the_files_were_scored_with(page: str) -> None:
    """By hand, a cell had been rounded twice and a sentence had stayed when its weights were replaced."""
    assert (ROOT / page).read_text("utf-8") == rewritten(page), "`python -m tests.scores` writes the rows anew"


def test_no_line_of_a_page_stands_there_twice() -> None:
    """A merge had left a claim about the weights before beside today's."""
    for page in (ROOT / "README.md", ROOT / "RELIABILITY.md", *(ROOT / "docs").glob("*.md")):
        prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        openings = [line[:40] for line in prose.splitlines() if len(line) > 60 and not line.startswith("|")]
        assert not [line for line in set(openings) if openings.count(line) > 1], page


def test_extras_are_installed_from_the_folder_and_only_one_function_says_so() -> None:
    """In the registry the name is another's: who followed `pip install` with it would run a stranger's package."""
    pages = [ROOT / "README.md", ROOT / "RELIABILITY.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]
    rooms = ("sdk", "distill", "export", "profiles", "runtime_examples", "docs", "tests")
    kinds = (".py", ".md", ".yaml", ".toml", ".js", ".html", ".txt")
    pages += [path for room in rooms for path in (ROOT / room).rglob("*") if path.suffix in kinds]
    told = {path: path.read_text("utf-8") for path in pages if "node_modules" not in path.parts}
    strangers = re.compile(r"tinyface\[|pip install [^\n`]*\btinyface\b(?!'s)")
    assert [str(path) for path, text in told.items() if strangers.search(text)] == []
    extra = re.compile(r"pip_install\(['\"]([\w,]+)['\"]\)|-e '\.\[([\w,]+)\]'")
    named = [one or other for text in told.values() for one, other in extra.findall(text)]
    extras = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text("utf-8"), re.M)
    assert len(named) > 40
    assert {extra for names in named for extra in names.split(",")} <= set(extras)


def test_addresses_with_a_question_mark_are_quoted_where_they_are_typed() -> None:
    """zsh looks for files by such a name, finds none, and does not run the command."""
    typed = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "sdk/cli").glob("*.py")]
    typed += [*(ROOT / "runtime_examples").rglob("*.md")]
    words = [word for path in typed for word in re.findall(r"--to +(\S+)", path.read_text("utf-8")) if "?" in word]
    assert words
    assert all(word[0] == word[-1] == '"' for word in words), words


def test_every_package_has_a_licence_and_copyleft_runs_apart() -> None:
    try:
        metadata.distribution("tinyface")
    except metadata.PackageNotFoundError:
        pytest.skip("tinyface is not installed, so nobody can tell what it brings")
    names = required(ALL)
    assert installed_bytes(["numpy"]) > 10_000_000
    assert required(()) == ["numpy"], "whoever plays through the C library installs nothing else"
    assert "numpy" in names
    assert [name for name in names if not licence(name)] == []
    assert {name for name in names if is_copyleft(name)} <= set(SEPARATE)

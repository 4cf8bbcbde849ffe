"""`make setup LOCKED=1` installs by hash: nothing that pyproject.toml asks for is missing in the lock."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.lock import EXTRAS, LOCK, line

ROOT = Path(__file__).resolve().parents[2]


def locked() -> dict[str, tuple[str, list[str]]]:
    """Version and hashes by name."""
    text = re.sub(r"^#.*\n", "", LOCK.read_text("utf-8"), flags=re.MULTILINE).replace(" \\\n", " ")
    found = {}
    for name, version, rest in re.findall(r"^([\w.-]+)==(\S+) (.*)$", text, re.MULTILINE):
        found[canonicalize_name(name)] = version, re.findall(r"--hash=sha256:([0-9a-f]{64})(?= |$)", rest)
    assert len(found) == len(text.strip().splitlines()), "each line is one package"
    return found


def asked() -> list[Requirement]:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 and newer read TOML")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = project["dependencies"] + [one for extra in EXTRAS for one in project["optional-dependencies"][extra]]
    return [Requirement(one) for one in lines]


def test_all_that_is_asked_for_is_locked_in_a_version_that_will_do() -> None:
    there = locked()
    assert len(there) > 60
    for one in asked():
        name = canonicalize_name(one.name)
        assert name in there, f"{one} is not in {LOCK.name}: make lock"
        assert one.specifier.contains(there[name][0], prereleases=True), f"{one}, locked is {there[name][0]}: make lock"


def test_every_package_has_a_hash_and_none_says_where_from() -> None:
    there = locked()
    assert [name for name, (_, hashes) in there.items() if not hashes] == []
    assert "+cpu" in there["torch"][0], "CI is to fetch no gigabytes for a GPU that it has not"
    assert not re.search(r"://|--index|--find-links|@ ", LOCK.read_text("utf-8"))


def test_setup_installs_the_extras_that_are_locked_and_ci_the_lock() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"'.[{','.join(EXTRAS)}]'" in makefile
    assert "--require-hashes -r .ci/requirements.lock" in makefile
    assert re.search(r"^if ! LOCKED=1 make setup", (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE)


def test_a_line_has_the_files_that_fit_alone() -> None:
    from packaging.tags import sys_tags

    def file(name: str, digit: str) -> dict[str, object]:
        return {"url": f"file:///a/{name}", "hashes": {"sha256": digit * 64}}

    wheels = [file("a-1.0-py3-none-any.whl", "1"), file("a-1.0-cp27-cp27m-win32.whl", "2")]
    package = {"name": "a", "version": "1.0", "wheels": wheels, "sdist": file("a-1.0.tar.gz", "3")}
    fitting = frozenset(sys_tags())
    assert line(package, fitting) == "a==1.0 \\\n    --hash=sha256:" + "1" * 64
    assert line({**package, "wheels": wheels[1:]}, fitting).endswith("3" * 64)

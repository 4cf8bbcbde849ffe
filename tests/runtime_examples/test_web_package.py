"""What goes into the npm package and into the page's folder: artefacts that a page plays, of today's students."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime_examples.web import __main__ as page_command
from runtime_examples.web import site
from sdk.artifact import seal
from sdk.errors import ConfigError
from sdk.js import pack as package_command
from sdk.js.pack import by_student, pack
from sdk.manifest import Manifest

Facts = Callable[..., Manifest]


def artefact(path: Path, make_facts: Facts, **changes: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(seal(b"program", make_facts(**{"backend": "tinyface", **changes})))
    return path


def refused(monkeypatch: pytest.MonkeyPatch, command: Any, *words: object) -> int:
    """The status of a command; there is no wasm to be built, which would take a minute."""
    monkeypatch.setattr(sys, "argv", ["command", *map(str, words)])
    status: int = command.main()
    return status


@pytest.mark.parametrize("command", [package_command, page_command], ids=["package", "page"])
@pytest.mark.parametrize("kind", ["twice", "capitals", "backend", "outside", "address"])
def test_what_no_page_can_play_is_refused_before_anything_is_written(
    kind: str,
    command: Any,
    make_facts: Facts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = artefact(tmp_path / "one.pte", make_facts, student="s7")
    changes, said = {
        "twice": ({"student": "s7"}, f"error: {one} and {tmp_path / 'other.pte'} are both of s7"),
        "capitals": ({"student": "S7"}, f"error: {one} and {tmp_path / 'other.pte'} are both of S7"),
        "backend": ({"backend": "xnnpack"}, "it is for the backend xnnpack, which no page plays: export it with"),
        "outside": ({"student": "../../escaped"}, "is called '../../escaped', which is no file's name"),
        "address": ({"student": "mine?#"}, "is called 'mine?#', which is no file's name"),
    }[kind]
    other = artefact(tmp_path / "other.pte", make_facts, **changes)
    (tmp_path / "tinyface.wasm").write_bytes(b"none of these runs it")
    before = sorted(tmp_path.rglob("*"))
    words = ["--out", tmp_path / "a/b/out", "--wasm", tmp_path / "tinyface.wasm", "--model", one, "--model", other]
    if command is page_command:
        words.append("--no-serve")
    assert refused(monkeypatch, command, *words) == 1
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_names_that_are_given_are_checked_too(make_facts: Facts, tmp_path: Path) -> None:
    """An artefact's own name is not the only one: `pack` and `build_site` take any."""
    model = artefact(tmp_path / "one.pte", make_facts, student="h_2.mine-x")
    assert by_student([model]) == {"h_2.mine-x": model}
    other = artefact(tmp_path / "other.pte", make_facts, backend="xnnpack")
    for build in (lambda models: pack(tmp_path / "out", model, models), lambda models: site.build_site(
            tmp_path / "out", wasm=model, models=models)):  # fmt: skip
        with pytest.raises(ConfigError, match=r"'\.\./up'.*\n.*xnnpack"):
            build({"../up": model, "s7": other})
        assert not (tmp_path / "out").exists()


def test_a_page_s_student_is_exported_again_when_what_it_is_made_of_changes(
    make_facts: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `make web` had once exported stayed for ever, whatever came of checkpoint, twin, styles and exporter."""
    shelf, out, runs, tools = tmp_path / "checkpoints", tmp_path / "work/s7", [], ['{"torch": "1"}']

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        if "-c" in command:
            return subprocess.CompletedProcess(command, 0, tools[0], "")
        runs.append(command[2])
        artefact(out / "model.pte", make_facts, student="s7", training={"run": len(runs)})
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(site, "CHECKPOINTS", shelf)
    monkeypatch.setattr(subprocess, "run", run)
    shelf.mkdir()
    (shelf / "s6.pt").write_bytes(b"another's")

    def exported() -> int:
        before = len(runs)
        assert site.export("s7", out) == out / "model.pte"
        again = len(runs)
        site.export("s7", out)
        assert len(runs) == again, "and it is kept while nothing changes"
        return again - before

    (shelf / "s7.pt").write_bytes(b"weights")
    artefact(out / "model.pte", make_facts, student="s7")  # of a day when nothing was noted
    assert exported() == 1
    (shelf / "s6.pt").write_bytes(b"is trained again")
    assert exported() == 0
    for name in ("s7.pt", "s7-int8.twin", "s7.styles"):
        (shelf / name).write_bytes(b"new")
        assert exported() == 1, name
    assert runs[-1] == "export.styled"
    (shelf / "s7.styles").write_bytes(b"newer")
    assert exported() == 1
    (shelf / "s7.styles").unlink()
    assert exported() == 1
    assert runs[-1] == "export.build"
    tools[0] = '{"torch": "2"}'
    assert exported() == 1
    artefact(out / "model.pte", make_facts, student="s7", training={"run": "by hand"})
    assert exported() == 1
    (out / "made_of.json").write_text("{")
    assert exported() == 1


def test_the_exporter_says_by_what_it_makes_a_page_s_student() -> None:
    pytest.importorskip("torch", reason="it is one of the exporter's tools")
    pytest.importorskip("executorch", reason="it is one of the exporter's tools")
    from export.load.versions import tools

    found = site.made_of("s7")
    assert found["tools"] == tools()
    assert {"s7.pt", "s7-int8.twin"} <= set(found["files"]) <= {"s7.pt", "s7-int8.twin", "s7.styles"}

"""Puts the page together in one folder that any static file server can serve."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from sdk.artifact import open_artifact
from sdk.errors import TinyfaceError
from sdk.faces.face import Face
from sdk.js.pack import build_wasm, pack
from sdk.scenes.head import head_scene

HERE = Path(__file__).resolve().parent
SENTENCE = HERE.parent / "animate"
CHECKPOINTS = HERE.parents[1] / "checkpoints"
PAGES = ("index.html", "style.css", "page.js", "head.js", "scope.js", "study.js")
STUDENTS = ("s7", "s6", "s8")  # the first is chosen


class SiteFailed(TinyfaceError):
    """A student could not be exported; the message ends in what the exporter said."""


def build_site(out: Path, *, wasm: Path | None = None, models: dict[str, Path] | None = None) -> Path:
    """The page with our head, the demo sentence and students to choose from, in `out`; returns `out`.

    wasm: tinyface.wasm, else it is built with zig. models: artefacts of the backend tinyface by name, else the shipped
    students in int8 are exported. Raises `EngineUnavailable` without the tools, `SiteFailed`.
    """
    out.mkdir(parents=True, exist_ok=True)
    work = out.parent / f"{out.name}-work"
    chosen = models or {name: export(name, work / name) for name in STUDENTS}
    pack(out / "tinyface", wasm or build_wasm(work / "targets"), chosen)
    for name in PAGES:
        shutil.copy2(HERE / name, out / name)
    shutil.copy2(SENTENCE / "sentence.flac", out / "sentence.flac")
    face = Face.default()
    (out / "head.glb").write_bytes(head_scene(face).to_bytes())
    phones = json.loads((SENTENCE / "sentence.phones.json").read_text("utf-8"))
    facts = {
        "lips": [face.upper_lip, face.lower_lip],
        "phones": [[phone, begin, end] for phone, begin, end, *_ in phones],
        "students": [{"name": name, "label": label(name, path)} for name, path in chosen.items()],
    }
    (out / "facts.json").write_text(json.dumps(facts), "utf-8")
    return out


def label(name: str, path: Path) -> str:
    """What the page calls an artefact."""
    return f"{name} · {open_artifact(path).manifest.precision} · {path.stat().st_size / 1000:.0f} KB"


def export(name: str, out: Path) -> Path:
    """The shipped student in int8 for our own kernels, with its styles if it has some; kept where it was exported."""
    model = out / "model.pte"
    if model.is_file():
        return model
    styles = CHECKPOINTS / f"{name}.styles"
    which = ["export.build", "--student", name]
    if styles.is_file():
        which = ["export.styled", "--checkpoint", str(CHECKPOINTS / f"{name}.pt"), "--styles", str(styles)]
    # the exporter is another room: it is run as people run it
    command = [sys.executable, "-m", *which, "--backend", "tinyface", "--precision", "int8", "--out", str(out)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode or not model.is_file():
        raise SiteFailed(f"{name} was not exported, so the page has nothing to play: {done.stdout[-2000:]}")
    return model

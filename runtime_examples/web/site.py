"""Puts the page together in one folder that any static file server can serve."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from sdk.artifact import open_artifact
from sdk.errors import DataError, TinyfaceError
from sdk.faces.face import Face
from sdk.js.pack import BACKEND, build_wasm, check_models, pack
from sdk.scenes.head import head_scene
from sdk.tools.limits import read_json, read_whole
from sdk.tools.whole import whole_file

HERE = Path(__file__).resolve().parent
SENTENCE = HERE.parent / "animate"
CHECKPOINTS = HERE.parents[1] / "checkpoints"
PAGES = ("index.html", "style.css", "page.js", "head.js", "scope.js", "study.js")
STUDENTS = ("s7", "s6", "s8")  # the first is chosen
PRECISION = "int8"
_ASK_TOOLS = "import json; from export.load.versions import tools; print(json.dumps(tools()))"
_LARGEST_RECORD_BYTES = 1 << 20


class SiteFailed(TinyfaceError):
    """A student could not be exported; the message ends in what the exporter said."""


def build_site(out: Path, *, wasm: Path | None = None, models: dict[str, Path] | None = None) -> Path:
    """The page with our head, the demo sentence and students to choose from, in `out`; returns `out`.

    wasm: tinyface.wasm, else it is built with zig. models: artefacts of the backend tinyface by name, else the shipped
    students in int8 are exported. Raises `EngineUnavailable` without the tools, `SiteFailed`, and as `check_models`
    before anything is written.
    """
    check_models(models or {})
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
    """The shipped student in int8 for our own kernels, with its styles if it has some.

    Kept where it was exported of the same weights and styles by the same exporter. Raises `SiteFailed`.
    """
    model, record = out / "model.pte", out / "made_of.json"
    wanted = made_of(name)
    if _is_kept(model, record, wanted):
        return model
    styles = CHECKPOINTS / f"{name}.styles"
    which = ["export.build", "--student", name]
    if styles.is_file():
        which = ["export.styled", "--checkpoint", str(CHECKPOINTS / f"{name}.pt"), "--styles", str(styles)]
    # the exporter is another room: it is run as people run it
    command = [sys.executable, "-m", *which, "--backend", BACKEND, "--precision", PRECISION, "--out", str(out)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode or not model.is_file():
        raise SiteFailed(f"{name} was not exported, so the page has nothing to play: {done.stdout[-2000:]}")
    with whole_file(record, DataError) as stream:
        stream.write(json.dumps({**wanted, "artefact": open_artifact(model).sha256}).encode("utf-8"))
    return model


def made_of(name: str) -> dict[str, Any]:
    """All that an export of the shipped student depends on: its files, by SHA-256, and what `export` calls its tools.

    Raises `SiteFailed` where the exporter cannot be asked.
    """
    files = [CHECKPOINTS / f"{name}{end}" for end in (".pt", f"-{PRECISION}.twin", ".styles")]
    asked = subprocess.run([sys.executable, "-c", _ASK_TOOLS], capture_output=True, text=True, check=False)
    if asked.returncode:
        raise SiteFailed(f"{name} cannot be exported, as the exporter does not start: {asked.stderr[-2000:]}")
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}
    return {"files": hashes, "tools": json.loads(asked.stdout)}


def _is_kept(model: Path, record: Path, wanted: dict[str, Any]) -> bool:
    try:
        kept = read_json(read_whole(record, DataError, _LARGEST_RECORD_BYTES), str(record), DataError)
        return bool(kept == {**wanted, "artefact": open_artifact(model).sha256})
    except TinyfaceError:  # not there, or damaged: it is made anew
        return False

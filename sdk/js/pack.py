"""Puts the npm package `tinyface` together: our modules, the wasm of the C library, tables of names, an artefact.

python -m sdk.js.pack --out build/npm/tinyface [--model build/own/model.pte] [--wasm tinyface.wasm]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import sdk
from sdk.artifact import open_artifact
from sdk.c.targets import build_target
from sdk.errors import ConfigError
from sdk.names.visemes import OPENING, OVR_15, OVR_OTHER_SPELLING, VOWELS, pose
from sdk.rig import ARKIT_52
from sdk.tools.command import building, list_files

HERE = Path(__file__).resolve().parent
MODULES = ("core.js", "worklet.js", "track.js", "names.js", "tinyface.js", "index.d.ts", "core.d.ts", "README.md")
BACKEND = "tinyface"  # of the artefacts that the C library plays
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # a file and an address everywhere, and none elsewhere


def by_student(paths: Iterable[Path]) -> dict[str, Path]:
    """Artefacts by the student that each says it is. Raises `ConfigError` for two of one, and as `check_models`."""
    found: dict[str, Path] = {}
    for path in paths:
        name = open_artifact(path).manifest.student
        # some disks do not tell capitals from small letters
        for other, taken in found.items():
            if other.casefold() == name.casefold():
                raise ConfigError(f"{taken} and {path} are both of {name}, whose file can be but one: give one of them")
        found[name] = path
    check_models(found)
    return found


def check_models(models: Mapping[str, Path]) -> None:
    """Whether a page can play these artefacts under their names. Raises `ConfigError` with all that it cannot, and as
    `open_artifact`."""
    problems = []
    for name, path in models.items():
        if not _NAME.fullmatch(name):
            problems.append(f"{path}: its student is called {name[:100]!r}, which is no file's name: give it one of "
                            "letters, digits, dots, _ and -, 100 at most, and export it again")  # fmt: skip
        if (backend := open_artifact(path).manifest.backend) != BACKEND:
            problems.append(f"{path}: it is for the backend {backend}, which no page plays: "
                            f"export it with `python -m export.build --backend {BACKEND}`")  # fmt: skip
    if problems:
        raise ConfigError("\n".join(problems))


def pack(out: Path, wasm: Path, models: dict[str, Path] | None = None) -> Path:
    """Write the package into `out`, with `wasm` and artefacts by name (`s7` -> `s7.pte`); returns `out`.

    Raises as `check_models`, before anything is written.
    """
    check_models(models or {})
    out.mkdir(parents=True, exist_ok=True)
    for name in MODULES:
        shutil.copy2(HERE / name, out / name)
    (out / "poses.js").write_text(poses(), "utf-8")
    shutil.copy2(wasm, out / "tinyface.wasm")
    licence = HERE.parents[1] / "LICENSE"
    if licence.is_file():  # of an installed package it lies with the wheel's own facts
        shutil.copy2(licence, out / licence.name)
    for name, model in (models or {}).items():
        shutil.copy2(model, out / f"{name}.pte")
    facts = json.loads((HERE / "package.json").read_text("utf-8"))
    (out / "package.json").write_text(json.dumps({**facts, "version": sdk.__version__}, indent=2) + "\n", "utf-8")
    return out


def poses() -> str:
    """A module with the mouth of every viseme and its other spellings, as `sdk/names/visemes.py` has them."""
    table = {}
    for name in dict.fromkeys((*OVR_15[1:], *VOWELS)):
        values = zip(ARKIT_52, pose(name).tolist(), strict=True)
        table[name] = {channel: round(value, 6) for channel, value in values if value}
    return (
        "// Made by sdk/js/pack.py from sdk/names/visemes.py.\n"
        f"export const OPENING = {json.dumps(OPENING)};\n"
        f"export const OVR_OTHER_SPELLING = {json.dumps(OVR_OTHER_SPELLING)};\n"
        f"export const VISEMES = {json.dumps(OVR_15)};\nexport const POSES = {json.dumps(table, indent=1)};\n"
    )


def build_wasm(out: Path) -> Path:
    """The module of the C library for a page, with 128-bit vectors. Raises as `build_target`."""
    return build_target("wasm32", out) / "bin" / "tinyface.wasm"


def main() -> int:
    """Pack as the command line says; 77 where tools are missing."""
    parser = argparse.ArgumentParser(prog="python -m sdk.js.pack", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/npm/tinyface"), help="folder of the package")
    parser.add_argument("--wasm", type=Path, help="tinyface.wasm, instead of building it")
    parser.add_argument("--model", type=Path, action="append", default=[], help="an artefact of the backend tinyface")
    options = parser.parse_args()
    with building() as end:
        models = by_student(options.model)
        pack(options.out, options.wasm or build_wasm(options.out.parent / "targets"), models)
        list_files(sorted(options.out.iterdir()))
    return end.status


if __name__ == "__main__":
    sys.exit(main())

"""Who imports whom: one way between the rooms, one way inside them, no circle, and no folder too full to survey."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "sdk": {"sdk"},
    "distill": {"distill", "sdk"},
    "profiles": {"profiles", "sdk"},
    "export": {"export", "sdk", "distill", "profiles"},
    "runtime_examples": {"runtime_examples", "sdk"},
}
# Inside a room each place, a folder or a file at its top, imports only itself and what stands before it.
INSIDE = {
    "distill": "students files speech teachers corpus scoring training recipes",
    "profiles": "model measure inspect judge show run __main__",
    "export": "load quantise lower plan measure verify deliver pipeline every explain foreign styled studies "
    "build choices qat sensitivity study table2 torchscript",
}
MOST_FILES = 15
# One file for each thing of a kind, a list and no room: recipes are the commands that users type, backends the words.
LISTS = {"distill/recipes", "export/lower/backends"}
CODE = {".py", ".c", ".cpp", ".h", ".hpp", ".inc", ".js", ".cs"}
C_ORDER = "base sound hashes artefact run voices door".split()  # of sdk/c/src; kernels/ knows base alone
PATHS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
}


def _named(path: Path) -> Iterator[str]:
    """Every module of ours that the file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in PATHS else node.module


@cache
def imports(module: str) -> frozenset[str]:
    return frozenset(name for name in _named(PATHS[module]) if name in PATHS and name != module)


@pytest.mark.parametrize("module", PATHS)
def test_rooms_import_only_whom_they_may(module: str) -> None:
    room = module.split(".")[0]
    assert {name.split(".")[0] for name in imports(module)} <= ROOMS[room]


@pytest.mark.parametrize("room", INSIDE)
def test_inside_a_room_imports_run_one_way(room: str) -> None:
    order = INSIDE[room].split()
    modules = [name for name in PATHS if name.startswith(f"{room}.")]
    assert {name.split(".")[1] for name in modules} == set(order), "a new place: say where it stands in INSIDE"
    backward = [
        f"{module} imports {name}"
        for module in modules
        for name in imports(module)
        if name.startswith(f"{room}.") and order.index(name.split(".")[1]) > order.index(module.split(".")[1])
    ]
    assert not backward


def test_no_circle_of_imports() -> None:
    """Not even one that is hidden in functions."""
    left = {module: set(imports(module)) for module in PATHS}
    while ends := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in ends:
            del left[module]
    assert not left, f"these stand in a circle, or above one: {', '.join(left)}"


def test_studies_are_imported_by_their_commands_alone() -> None:
    readers = {m for m in PATHS if any(name.startswith("export.studies") for name in imports(m))}
    assert {m for m in readers if not m.startswith("export.studies")} <= {
        "export.choices", "export.sensitivity", "export.study", "export.table2",
    }  # fmt: skip


def test_recipes_are_commands_alone() -> None:
    for module, path in PATHS.items():
        if module.startswith("distill.recipes."):
            assert '__name__ == "__main__"' in path.read_text("utf-8"), f"{module}: no command; give it another place"


def test_what_two_commands_need_stands_in_a_room() -> None:
    """Nobody takes from a recipe anything but its `main`; `seeds` runs a chain of them."""
    takers = {m for m in PATHS if any(name.startswith("distill.recipes.") for name in imports(m))}
    for module in takers - {"distill.recipes.seeds"}:
        for node in ast.walk(ast.parse(PATHS[module].read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("distill.recipes"):
                taken = {alias.name for alias in node.names}
                assert taken == {"main"}, f"{module} takes {taken} from {node.module}"


FOLDERS = {
    path.parent.relative_to(ROOT).as_posix()
    for room in ROOMS
    for path in (ROOT / room).rglob("*.*")
    if path.suffix in CODE and not {"node_modules", "build"} & set(path.parts)
}


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_a_folder_can_be_surveyed(folder: str) -> None:
    files = [path.name for path in (ROOT / folder).iterdir() if path.suffix in CODE and path.name != "__init__.py"]
    assert folder in LISTS or len(files) <= MOST_FILES, f"{len(files)} files; group what belongs together"


@pytest.mark.parametrize("folder", [*C_ORDER, "../kernels"])
def test_the_c_library_includes_one_way(folder: str) -> None:
    """A folder of `sdk/c/src` includes itself and what stands before it; a file is named with its folder."""
    source = ROOT / "sdk/c/src"
    known = {*C_ORDER[: C_ORDER.index(folder) + 1]} if folder in C_ORDER else {"base"}
    for path in (source / folder).iterdir():
        for name in re.findall(r'#include "([^"]+)"', path.read_text("utf-8")):
            room = name.split("/")[0]
            outside = room in ("kernels", "monocypher") or (path.parent / name).exists()
            outside |= (ROOT / "sdk/c/include" / name).exists()
            assert outside or (room in known and (source / name).exists()), f"{path.name} includes {name}"

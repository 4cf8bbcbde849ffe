"""C++ names the standard's headers that it uses: one standard library brings names along that the next release of it
does not (`std::uint8_t` came with <string> until GCC 15, and `frame_stream.hpp` would not compile with GCC 16)."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("sdk/c", "runtime_examples", "tests")
    for path in (ROOT / folder).rglob("*.*")
    if path.suffix in (".h", ".hpp", ".cpp") and "monocypher" not in path.parts
)
USES = {
    "algorithm": r"(min|max|clamp|fill|fill_n|copy|copy_n|sort|find|find_if|any_of|all_of|none_of|transform|reverse)",
    "array": r"array",
    "atomic": r"(atomic\w*|memory_order\w*)",
    "chrono": r"chrono",
    "cmath": r"(sqrt|exp|exp2|log|log2|log10|sin|cos|tanh|floor|ceil|l?l?round|lrint|fabs|isfinite|isnan|pow)",
    "cstddef": r"(size_t|ptrdiff_t|byte|max_align_t)",
    "cstdint": r"u?int(8|16|32|64|ptr)_t",
    "cstdio": r"(f?printf|v?snprintf|sscanf|fopen|fclose|fread|fwrite|f?puts|fflush|remove|rename|FILE)",
    "cstdlib": r"(malloc|free|calloc|realloc|abort|exit|getenv|atoi|atof|strto\w+)",
    "cstring": r"(memcpy|memset|memcmp|memmove|memchr|strlen|strcmp|strncmp|strchr|strstr)",
    "ctime": r"(clock|time)",
    "exception": r"(exception|terminate|exception_ptr)",
    "fstream": r"[io]?fstream",
    "functional": r"(function|ref|hash)",
    "limits": r"numeric_limits",
    "map": r"(map|multimap)",
    "memory": r"(unique_ptr|shared_ptr|weak_ptr|make_unique|make_shared)",
    "mutex": r"(mutex|lock_guard|unique_lock|scoped_lock|once_flag|call_once)",
    "new": r"(bad_alloc|nothrow|launder|align_val_t)",
    "optional": r"(optional|nullopt)",
    "random": r"(mt19937|uniform_\w+|normal_distribution)",
    "sstream": r"[io]?stringstream",
    "stdexcept": r"(runtime_error|logic_error|invalid_argument|out_of_range)",
    "string": r"(string|to_string|getline|stoi|stod)",
    "string_view": r"string_view",
    "thread": r"(thread|this_thread)",
    "type_traits": r"(is_same_v|enable_if_t|conditional_t|decay_t|is_\w+_v)",
    "unordered_map": r"unordered_map",
    "utility": r"(move|forward|swap|exchange|pair)",
    "variant": r"(variant|visit|get_if|holds_alternative)",
    "vector": r"vector",
}
BRINGS = {"cstddef": {"cstdio", "cstdlib", "cstring"}}  # by the standard, each of these has std::size_t too


def code(path: Path) -> str:
    """What a compiler reads of it."""
    return re.sub(r"//[^\n]*|/\*.*?\*/|\"(\\.|[^\"\\\n])*\"", "", path.read_text("utf-8"), flags=re.DOTALL)


@cache
def included(path: Path) -> frozenset[str]:
    """The standard's headers that a file or one of ours that it includes names."""
    text = path.read_text("utf-8")
    found = set(re.findall(r"^\s*#\s*include <([a-z_]+)>", text, re.MULTILINE))
    for name in re.findall(r'^\s*#\s*include "([^"]+)"', text, re.MULTILINE):
        for other in SOURCES:
            if other != path and other.as_posix().endswith("/" + name):
                found |= included(other)
    return frozenset(found)


def missing(path: Path) -> list[str]:
    text, named = code(path), included(path)
    return [
        f"<{header}> for std::{used[1]}"
        for header, names in USES.items()
        if (used := re.search(rf"\bstd::({names})\b", text)) and not named & ({header} | BRINGS.get(header, set()))
    ]


def test_files_include_what_they_use() -> None:
    assert len(SOURCES) > 80
    found = {path.relative_to(ROOT).as_posix(): missing(path) for path in SOURCES}
    assert {name: headers for name, headers in found.items() if headers} == {}


def test_what_is_missing_is_seen(tmp_path: Path) -> None:
    source = tmp_path / "a.cpp"
    source.write_text("#include <string>\nstd::uint8_t one; std::string two; // std::vector\n")
    assert missing(source) == ["<cstdint> for std::uint8_t"]

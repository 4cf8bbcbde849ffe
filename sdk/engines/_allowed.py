"""What a TorchScript file may do: the operators that our students are made of, and nothing that reaches outside them.

A `.pt` is a program. PyTorch runs parts of it while it loads, and its operators can write any file (`from_file` with
`shared=True`). So all is allowed by name, and read before PyTorch sees it: the records of the archive, the types that
its pickles make, the syntax of its source. PyTorch is then given an archive written anew of what was read,
never the file itself, whose names another reader may see otherwise; and the graph is read once more before it runs.

What this does not bind is memory and time: an allowed operator can ask for a terabyte.
"""

from __future__ import annotations

import ast
import pickletools
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sdk.errors import ArtifactError
from sdk.tools.limits import LARGEST_FILE_BYTES

OPERATORS = frozenset(
    """Int _convolution abs add batch_norm bmm cat clamp clamp_min complex constant_pad_nd contiguous conv1d conv2d
    div dropout einsum eq exp expand fft_rfft flatten floor_divide gelu group_norm imag index_select
    instance_norm layer_norm le linear log log10 lt matmul max maximum mean min minimum mul neg new_zeros ones
    pad permute pow real reflection_pad1d relu reshape round rsqrt rsub scaled_dot_product_attention select
    sigmoid silu size slice softmax sqrt square squeeze stack stft sub sum tanh tensor to transpose type_as
    unfold unsqueeze view view_as_real where zeros zeros_like""".split()
)
_PRIMITIVES = frozenset(
    """Constant ListConstruct ListUnpack NumToTensor TupleConstruct TupleUnpack GetAttr device dtype
    unchecked_cast""".split()
)
_WORDS = frozenset("int float bool annotate unchecked_cast getattr".split())  # of the language itself
_CALLS = {"": _WORDS, "torch": OPERATORS, "ops.aten": OPERATORS, "ops.prim": _PRIMITIVES}
_CODE = r"code/__torch__(/\w+)*\.py"
_RECORD = re.compile(rf"data\.pkl|constants\.pkl|(\.data/)?version|byteorder|(constants|data)/\d+|{_CODE}")
_IGNORED = re.compile(  # what tools look at; it is not handed on
    rf"\.data/serialization_id|\.format_version|\.storage_alignment|traced_inputs(/\d+|\.pkl)|{_CODE}\.debug_pkl"
)
_TYPE = re.compile(
    r"__torch__(\.(?!classes\b)\w+)* \w+|torch\._utils _rebuild_tensor_v2|torch [A-Z]\w+Storage|collections OrderedDict"
)
_SYNTAX = (
    ast.Module, ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg, ast.Assign, ast.AnnAssign, ast.Return, ast.Call,
    ast.keyword, ast.Attribute, ast.Name, ast.Constant, ast.List, ast.Tuple, ast.Subscript, ast.UnaryOp, ast.USub,
    ast.expr_context,
)  # fmt: skip
_LARGEST_SOURCE_BYTES = 1 << 20


@contextmanager
def checked_program(path: Path) -> Iterator[Path]:
    """The archive at `path` written anew, of nothing but what was read and allowed; our file is gone with the block.

    A file and not memory, of which PyTorch would make three copies more. Raises `ArtifactError`.
    """
    with TemporaryDirectory(prefix="tinyface-") as folder:  # nobody else's: mode 0700
        anew = Path(folder) / "program.pt"
        try:
            with zipfile.ZipFile(path) as source, zipfile.ZipFile(anew, "w", zipfile.ZIP_STORED) as target:
                entries = _records(path, source)
                strange: set[str] = set()
                for name, entry in entries.items():
                    data = source.read(entry)
                    if name.endswith(".py"):
                        strange |= _strange_in_source(path, data)
                    elif name.endswith(".pkl"):
                        strange |= _strange_in_pickle(path, data)
                    target.writestr(f"archive/{name}", data)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            if isinstance(error, ArtifactError):
                raise
            raise ArtifactError(f"{path}: TorchScript cannot load it ({error}); export it again") from error
        _refuse(path, strange)
        yield anew


def check_graph(path: Path, module: Any) -> None:
    """Raises `ArtifactError` unless the loaded `module` has `forward` alone, made of allowed operators."""
    strange = set(module._c._method_names()) - {"forward"}
    strange |= {kind for kind in _kinds(module.inlined_graph) if not _is_allowed(kind)}
    _refuse(path, strange)


def _records(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The records by their names below the archive's folder. Refuses names that are not known, or stand twice."""
    found: dict[str, zipfile.ZipInfo] = {}
    entries = archive.infolist()
    if sum(entry.file_size for entry in entries) > LARGEST_FILE_BYTES:
        raise ArtifactError(f"{path}: unfolds to more than 1 GiB; this is not one of our artefacts")
    folders = {entry.filename.partition("/")[0] for entry in entries}
    for entry in entries:
        name = entry.filename.partition("/")[2]
        if _IGNORED.fullmatch(name):
            continue
        plain = entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if not _RECORD.fullmatch(name) or name in found or len(folders) > 1 or not plain:
            _refuse(path, {f"a record {entry.filename[:80]!r}"})
        if name.endswith((".py", ".pkl")) and entry.file_size > _LARGEST_SOURCE_BYTES:
            raise ArtifactError(f"{path}: {name} unfolds to {entry.file_size:,} bytes; no student of ours is so long")
        found[name] = entry
    return found


def _strange_in_pickle(path: Path, data: bytes) -> set[str]:
    """The types that are made while a pickle is read, but for those of tensors and of the module itself."""
    strange = set()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            named = {"GLOBAL": argument, "INST": argument, "STACK_GLOBAL": "a type named at run time"}.get(opcode.name)
            if opcode.name.startswith("EXT") or (named is not None and not _TYPE.fullmatch(named)):
                strange.add(str(named or opcode.name))
    except Exception as error:  # pickletools raises whatever its readers do
        raise ArtifactError(f"{path}: TorchScript cannot load it ({error}); export it again") from error
    return strange


def _strange_in_source(path: Path, data: bytes) -> set[str]:
    """What a file of source does besides straight lines of allowed calls: TorchScript is written as Python is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data.decode("utf-8"))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ArtifactError(f"{path}: TorchScript cannot load it ({error}); export it again") from error
    return {word for node in ast.walk(tree) if (word := _strange_node(node))}


def _strange_node(node: ast.AST) -> str | None:
    if not isinstance(node, _SYNTAX):
        return type(node).__name__.lower()
    if isinstance(node, ast.FunctionDef) and (node.name != "forward" or node.decorator_list):
        return node.name
    if isinstance(node, ast.ClassDef) and ([ast.unparse(base) for base in node.bases] != ["Module"] or node.keywords):
        return f"class {node.name}"
    if isinstance(node, ast.Call):
        said = ast.unparse(node.func)
        family, _, name = said.rpartition(".")
        known = _CALLS.get(family, frozenset())
        below = name == "forward" and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
        return None if name in known or below else said[:80]
    return None


def _is_allowed(kind: str) -> bool:
    space, _, name = kind.partition("::")
    return name in OPERATORS if space == "aten" else space == "prim" and name in _PRIMITIVES


def _kinds(graph: Any) -> set[str]:
    """The kinds of all nodes of a graph or block, and of the blocks inside."""
    found = set()
    for node in graph.nodes():
        found.add(node.kind())
        for block in node.blocks():
            found |= _kinds(block)
    return found


def _refuse(path: Path, strange: set[str]) -> None:
    if strange:
        raise ArtifactError(
            f"{path}: refused: no student of ours is made of {', '.join(sorted(strange)[:8])}. One in integers from "
            "before? Export it again"
        )

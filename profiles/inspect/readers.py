"""ExecuTorch's readers of programs and traces without its exporter, which its packages import only to name its parts.

`executorch.exir`, `executorch.devtools` and `executorch.backends.xnnpack` each load the exporter, torch's compiler and
pandas: seven seconds of a processor, for modules that need little more than the standard library. A process that reads
and does nothing else gets them under empty packages. One that exports must not: it would miss what they name.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

_EMPTY = ("exir", "devtools", "backends.xnnpack")
_READERS = (
    "devtools.etdump.serialize", "exir._serialize._program", "exir._serialize._flatbuffer",
    "backends.xnnpack.serialization.xnnpack_graph_serialize",
)  # fmt: skip


def import_readers() -> None:
    """Makes the readers known to `import`, for the life of this process; without ExecuTorch nothing happens.

    Where a version's readers need more of their packages than their folder, all is imported as usual.
    """
    found = importlib.util.find_spec("executorch")
    folders = list(found.submodule_search_locations or []) if found else []
    before = set(sys.modules)
    if not folders:
        return
    for name in _EMPTY:
        package = ModuleType(f"executorch.{name}")
        package.__path__ = [f"{folder}/{name.replace('.', '/')}" for folder in folders]
        importlib.import_module(package.__name__.rpartition(".")[0])  # a namespace, which loads nothing
        sys.modules.setdefault(package.__name__, package)
    try:
        for name in _READERS:
            importlib.import_module(f"executorch.{name}")
    except (ImportError, AttributeError):
        for name in [name for name in sys.modules if name.startswith("executorch.") and name not in before]:
            del sys.modules[name]

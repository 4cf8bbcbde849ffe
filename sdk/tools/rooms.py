"""What a room of this project asks before it opens: whether the packages that it stands on are installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import sdk
from sdk.errors import EngineUnavailable, pip_install

# At import, which is what the rooms ask: an editable install finds this file although `sdk` itself is somebody else's.
if Path(sdk.__file__ or "").resolve().parent != Path(__file__).resolve().parents[1]:
    raise ImportError(f"sdk is {sdk.__file__}, not tinyface's")


def need(extra: str, doing: str, packages: Sequence[str]) -> None:
    """Raises `EngineUnavailable` with what to install unless all `packages` are there.

    For `python -m room.command`, which nobody could catch it for, it is a line on stderr and exit status 2: Python
    looks for the command, and sys.argv[0] is `-m` meanwhile.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if not missing:
        return
    text = f"{doing} needs {' and '.join(missing)}, not installed here: {pip_install(extra)}"
    if sys.argv[:1] == ["-m"]:
        print(f"error: {text}", file=sys.stderr)
        raise SystemExit(2)
    raise EngineUnavailable(text)

"""Checkpoint -> artefact under a memory budget. Needs the extra `export`, and says so where it is not installed."""

from __future__ import annotations

from importlib.util import find_spec

from sdk.errors import EngineUnavailable

if find_spec("torch") is None:
    raise EngineUnavailable("exporting needs PyTorch and ExecuTorch: pip install 'tinyface[export]'")

"""Modules of ours in node, which has no browser's audio: the programs in `web/` bring a stand-in of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sdk.js.pack import pack

HERE = Path(__file__).resolve().parent / "web"


def said_by_node(*words: Any) -> Any:
    """What a program of ours tells in node, as JSON."""
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed: apt install nodejs")
    done = subprocess.run([node, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def packed_without_wasm(tmp_path: Path) -> Path:
    (tmp_path / "tinyface.wasm").write_bytes(b"none of these runs it")
    return pack(tmp_path / "tinyface", tmp_path / "tinyface.wasm")

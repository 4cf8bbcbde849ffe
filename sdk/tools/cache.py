"""Where what can be made again is kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$TINYFACE_CACHE`, or `tinyface` below `$XDG_CACHE_HOME`, or `~/.cache/tinyface`."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("TINYFACE_CACHE") or Path(home) / "tinyface")

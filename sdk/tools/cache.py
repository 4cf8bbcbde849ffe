"""Where what can be made again is kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

from sdk.errors import ConfigError


def cache_folder() -> Path:
    """`$TINYFACE_CACHE`, or `tinyface` below `$XDG_CACHE_HOME`, or `~/.cache/tinyface`.

    Raises `ConfigError` where none of the three is told: a user without a home, as in some containers.
    """
    if told := os.environ.get("TINYFACE_CACHE"):
        return Path(told)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinyface"
    except RuntimeError as error:
        raise ConfigError(
            "this user has no home folder, so there is no place to keep what need not be made again: "
            "set TINYFACE_CACHE to a folder"
        ) from error

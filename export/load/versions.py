"""Which tools make an artefact: what a manifest and a report say, and what a plan depends on."""

from __future__ import annotations

import platform
from importlib import metadata


def versions() -> dict[str, str]:
    """Of the tools that make an artefact."""
    versions = {name: metadata.version(name) for name in ("torch", "executorch", "numpy")}
    return versions | {"python": platform.python_version()}

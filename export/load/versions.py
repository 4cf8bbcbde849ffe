"""Which tools make an artefact, and where: what a manifest and a report say, and what a plan depends on."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from functools import cache
from importlib import metadata
from typing import Any

from profiles.model.environment import environment, sources_sha256

_SOURCES = ("export", "distill/students", "distill/files", "profiles/measure")  # what figures are computed, measured by


def versions() -> dict[str, str]:
    """Of the tools that make an artefact."""
    versions = {name: metadata.version(name) for name in ("torch", "executorch", "numpy")}
    return versions | {"python": platform.python_version()}


def sources() -> str:
    """SHA-256 of our own code that makes plans, programs and figures: a changed line makes all of them anew."""
    return sources_sha256(*_SOURCES)


def tools() -> dict[str, str]:
    """All that figures depend on: what was planned or measured by the same tools is taken up again, all else is not."""
    return versions() | {"exporter sources": sources()}


@cache
def here() -> dict[str, Any]:
    """What tells this machine from another, as a report keeps it: figures measured elsewhere are none of ours.

    Its name is in it as a hash, so that a report can be shown around.
    """
    found = dataclasses.asdict(environment())
    facts = {name: found[name] for name in ("machine", "cpu", "isa", "cores", "memory_bytes", "system")}
    return facts | {"name_sha256": hashlib.sha256(platform.node().encode()).hexdigest()[:16]}

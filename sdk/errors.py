"""Every error a caller can meet: each says what happened, why, and what to do.

All inherit from `TinyfaceError`, so an application can catch the library with one clause. Those that
describe a bad argument are also `ValueError`, so plain Python habits keep working.
"""

from __future__ import annotations

from collections.abc import Sequence

_SHOWN = 5


def few(problems: Sequence[str]) -> str:
    """The first mistakes of a file for one message, and how many more it has."""
    more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
    return "; ".join(problems[:_SHOWN]) + more


def pip_install(extra: str) -> str:
    """How `extra` is installed: from this project's folder, as its name in the registry is another's."""
    return f"pip install -e '.[{extra}]' in tinyface's folder"


class TinyfaceError(Exception):
    """Root of all errors that this project raises on purpose."""


class AudioError(TinyfaceError, ValueError):
    """Audio that cannot be used: unreadable, empty, not finite, or at a rate out of range."""


class RigError(TinyfaceError, ValueError):
    """A rig layout, channel name or frame that does not fit."""


class FaceError(TinyfaceError, ValueError):
    """A face mesh that cannot be read, or lacks what a measurement needs."""


class ManifestError(TinyfaceError, ValueError):
    """An artefact whose manifest is missing, incomplete or contradictory."""


class ArtifactError(TinyfaceError):
    """A `.pte` or `.pt` that cannot be opened or run: truncated, foreign, altered, or of another version."""


class EngineUnavailable(TinyfaceError, ImportError):
    """The runtime that an artefact needs is not installed here."""


class ConfigError(TinyfaceError, ValueError):
    """A configuration file or command-line value with mistakes; the message lists all of them."""


class BudgetError(TinyfaceError, ValueError):
    """A memory budget that cannot be parsed."""


class BudgetExceeded(TinyfaceError):
    """Nothing, or not the thing asked for, fits the memory budget."""


class DataError(TinyfaceError, ValueError):
    """Training data or labels that cannot be read or do not belong together."""


class CheckpointError(TinyfaceError):
    """A checkpoint that is damaged, of another rig, or not a checkpoint."""


class VerificationError(TinyfaceError):
    """An exported artefact that does not do what the checkpoint does."""


class ProfileError(TinyfaceError):
    """A profile that cannot be made, read or compared."""

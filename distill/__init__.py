"""Teacher -> student: speech, labels, training, scoring."""

from __future__ import annotations

try:
    import sdk.tools.rooms  # noqa: F401
except ImportError as error:  # somebody else's `sdk` comes first: ours is not there to say it
    raise ImportError(
        "tinyface's `distill` needs tinyface's `sdk`, and Python finds another package or file named sdk first. "
        "Run Python with -P (3.11 and later), or from another folder, or rename yours"
    ) from error

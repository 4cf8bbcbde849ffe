"""Teacher -> student: speech, labels, training, scoring."""

from __future__ import annotations

try:
    import sdk.tools.rooms  # noqa: F401
except ImportError as error:  # Python found another package named `sdk`, so ours cannot explain it
    raise ImportError(
        "tinyface's `distill` needs tinyface's `sdk`, and Python finds another package or file named sdk first. "
        "Run Python with -P (3.11 and later), or from another folder, or rename yours"
    ) from error

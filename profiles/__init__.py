"""The ruler and the devices: what an artefact takes."""

from __future__ import annotations

try:
    import sdk.tools.rooms  # noqa: F401
except ImportError as error:  # Python found another package named `sdk`, so ours cannot explain it
    raise ImportError(
        "tinyface's `profiles` needs tinyface's `sdk`, and Python finds another package or file named sdk first. "
        "Run `tinyface-profiles`, which looks at what is installed alone, or Python with -P, or rename yours"
    ) from error

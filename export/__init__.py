"""Checkpoint -> artefact under a memory budget. Needs the extra `export`, and says so where it is not installed."""

from __future__ import annotations

try:
    from sdk.tools.rooms import need
except ImportError as error:  # Python found another package named `sdk`, so ours cannot explain it
    raise ImportError(
        "tinyface's `export` needs tinyface's `sdk`, and Python finds another package or file named sdk first. Run "
        "`tinyface-build`, which looks at what is installed alone, or Python with -P, or rename yours"
    ) from error

need("export", "exporting", ("torch", "executorch"))

"""What the file itself takes, measured by `profiles`, beside what was computed before: which of both is counted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from export.lower.memory import MemoryRows, error_percent
from export.lower.program import Lowered
from profiles.measure.harness import Measured
from profiles.show.words import show_bytes
from sdk.artifact import open_artifact


def counted(rows: MemoryRows, measured: Measured) -> int:
    """What is held against the budget: measured where the platform can tell, computed elsewhere."""
    heap = measured.heap_bytes
    return rows.counted_bytes if heap is None else heap + rows.beside_heap_bytes


def memory_report(rows: MemoryRows, measured: Measured, program_bytes: int, budget_bytes: int) -> dict[str, Any]:
    """Computed rows, the measured ones beside them, and how far apart they are."""
    pairs = {
        "load_peak_bytes": (rows.load_peak_bytes, measured.load_peak_bytes),
        "workspace_bytes": (rows.workspace_bytes, measured.first_run_bytes),
        "steady_bytes": (rows.steady_bytes, measured.steady_bytes),
        "program_bytes": (rows.program_bytes, program_bytes),
    }
    needed = counted(rows, measured)
    return {
        "computed": rows.as_dict(),
        "measured": {name: value for name, (_, value) in pairs.items()},
        "error_percent": {name: error_percent(*pair) for name, pair in pairs.items()},
        "extra_voice": {"computed_bytes": rows.stream_state_bytes, "measured_bytes": measured.voice_bytes},
        "kernel": {"private_bytes": measured.private_dirty_bytes, "beside_heap_bytes": _beside(measured)},
        "crowd_adds_bytes": measured.crowd_bytes,
        "counted_bytes": needed,
        "counted_error_percent": error_percent(rows.counted_bytes, needed),
        "left_bytes": budget_bytes - needed,
        "counted_is": "measured" if measured.heap_bytes is not None else "computed: no heap figures on this platform",
    }


def _beside(measured: Measured) -> int | None:
    """Pages that the kernel counts beyond the heap: first pages of the runtime's own data, and what rounds up to pages.

    They hardly depend on the artefact (0.28 to 0.38 MB for programs of 54 KB to 2 MB) and differ from one runtime to
    another, which is why a budget is held against the heap.
    """
    if measured.private_dirty_bytes is None or measured.steady_bytes is None:
        return None
    return measured.private_dirty_bytes - measured.steady_bytes


def in_words(memory: dict[str, Any]) -> str:
    """What a build takes, by both counts."""
    found = f"{show_bytes(memory['counted_bytes'])} counted"
    private = memory["kernel"]["private_bytes"]
    if private is not None:
        found += f" ({show_bytes(private)} in private pages, as the kernel sees it)"
    if memory["crowd_adds_bytes"] is not None:
        found += f", a crowd adds {show_bytes(memory['crowd_adds_bytes'])}"
    return found


def file_report(path: Path, measured: Measured, lowered: Lowered | None = None) -> dict[str, Any]:
    """One file's own cost, and which file that was; of a `.pte` also how it delegates."""
    facts = {"sha256": open_artifact(path).sha256, "measured_here": dataclasses.asdict(measured)}
    if lowered is None:
        return facts
    return facts | {"delegates": lowered.delegates, "outside_delegate": len(lowered.outside)}

"""What the file itself takes, measured by `profiles`, beside what was computed before: which of both is counted."""

from __future__ import annotations

import dataclasses
from typing import Any

from export.lower.memory import MemoryRows, error_percent
from export.lower.program import Lowered
from profiles.measure.harness import Measured


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
        "counted_bytes": needed,
        "counted_error_percent": error_percent(rows.counted_bytes, needed),
        "left_bytes": budget_bytes - needed,
        "counted_is": "measured" if measured.heap_bytes is not None else "computed: no heap figures on this platform",
    }


def file_report(measured: Measured, lowered: Lowered | None = None) -> dict[str, Any]:
    """One file's own cost; of a `.pte` also how it delegates."""
    facts = {"measured_here": dataclasses.asdict(measured)}
    if lowered is None:
        return facts
    return facts | {"delegates": lowered.delegates, "outside_delegate": len(lowered.outside)}

"""The operators of one artefact, counted and timed, alone in a fresh process; prints them as JSON.

    python -m profiles.inspect._operators FILE RUNTIME RUNS SHAPES METHOD

A `.pte` is counted from its own graph and timed by ExecuTorch's event tracer, which looks inside the delegate. There it
gets whole microseconds, rounded down, so an operator that takes less has no time. A `.pt` is counted by torch's own
counter, and timed by torch's profiler.

Events are joined to nodes by their order within a kind, as no ETRecord is there to join them (`graph.py`); and its
Inspector keeps the mean and percentiles of all runs, where the quieter half of them is wanted.
"""

from __future__ import annotations

import json
import math
import re
import statistics
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from profiles.inspect.graph import Node, program_nodes
from profiles.inspect.readers import import_readers
from profiles.measure._open import Shapes, open_pt
from sdk.artifact import open_artifact
from sdk.engines.executorch import load_runtime
from sdk.tools.caller import end_with_caller

_WARM = 10
_TICK_US = 1.0  # of the tracer inside the delegate
# event names of the tracer -> kinds of the graph
_SAME = {
    "convolution": "product", "fully connected": "product", "deconvolution": "product",
    "batch matrix multiply": "product", "conv2d": "product", "depthwise conv2d": "product",
    "conv transpose2d": "product",
    "transpose": "static transpose", "mean": "global avg pooling2d", "mean squared": "mean squared",
    "slice": "static slice", "constant pad": "static constant pad", "convert": "convert",
}  # fmt: skip


def pte_rows(path: str, runs: int, method: str) -> list[dict[str, Any]]:
    """Rows of a `.pte`: names and times of the tracer's events, with the counts of the graph's nodes they stand for."""
    nodes = program_nodes(open_artifact(path).read_program(), method)
    events = _traced(path, runs, method)
    left: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        left["product" if node.is_product else node.kind].append(node)
    seen: Counter[str] = Counter()
    names = [_kind(name) for name, _ in events]
    pools = Counter(_SAME.get(kind, kind) for kind in names)
    rows = []
    for (name, us), kind in zip(events, names, strict=True):
        pool = _SAME.get(kind, kind)
        seen[kind] += 1
        # the order within a kind is that of the graph; where the runtime merged or split some, nothing is claimed
        found = left[pool].pop(0) if left[pool] and len(left[pool]) == pools[pool] else None
        pools[pool] -= 1
        rows.append(
            {
                "name": f"{kind} #{seen[kind]}", "kind": kind, "where": "xnnpack" if "#" in name else "portable",
                "calls": 1, "us": us if us >= _TICK_US else None, "macs": found.macs if found else None,
                "bytes": found.moved_bytes + found.weight_bytes if found else None,
            }
        )  # fmt: skip
    return rows


def _traced(path: str, runs: int, method: str) -> list[tuple[str, float]]:
    """(event, microseconds) of the operators of one run, in order: means over the quieter half of the runs."""
    import torch
    from executorch.devtools.etdump.serialize import deserialize_from_etdump_flatcc

    runtime = load_runtime()
    if runtime._threadpool_get_thread_count() != 1:
        runtime._unsafe_reset_threadpool(1)
    program = runtime._load_program(path, enable_etdump=True)
    loaded = program.load_method(method)
    meta = loaded.method_meta()
    shapes = [tuple(meta.input_tensor_meta(at).sizes()) for at in range(meta.num_inputs())]
    inputs = [torch.randn(shapes[0]) * 0.1, *(torch.zeros(shape) for shape in shapes[1:])]
    for _ in range(_WARM + runs):
        loaded(inputs)
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "events.etdp"
        program.write_etdump_result_to_file(str(dump), str(Path(folder) / "debug.bin"))
        found = deserialize_from_etdump_flatcc(dump.read_bytes()).run_data
    per_run = [[_event(entry.profile_event) for entry in run.events if entry.profile_event] for run in found]
    per_run = [[event for event in events if event[0]] for events in per_run]
    per_run = [events for events in per_run if len(events) == len(per_run[-1]) and events][-runs:]
    quiet = sorted(per_run, key=lambda events: sum(us for _, us in events))[: max(1, len(per_run) // 2)]
    return [(column[0][0], round(statistics.fmean(us for _, us in column), 3)) for column in zip(*quiet, strict=True)]


def _event(event: Any) -> tuple[str, float]:
    """Name and microseconds; no name for what only contains others."""
    name = event.delegate_debug_id_str or event.name or ""
    whole = name.startswith(("DELEGATE_CALL", "Method::", "OPERATOR_CALL", "Program::"))
    return "" if whole else name, (event.end_time - event.start_time) / 1000.0


def _kind(event: str) -> str:
    """`Convolution (NHWC, F32) IGEMM #2` -> `convolution`; `Mean Squared (ND) Reduce2 #1` -> `mean squared`."""
    return re.sub(r"\s*[(#].*", "", event).strip().lower()


def pt_rows(path: str, runs: int, shapes: Shapes) -> list[dict[str, Any]]:
    """Rows of a `.pt`: the calls that torch's profiler timed, counted in a run that torch's own counter watched."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    program = open_pt(path, 1, shapes)()
    program.make_inputs()
    with torch.inference_mode():
        for _ in range(_WARM):
            program.step()
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(runs):
                program.step()
        times: dict[str, list[float]] = defaultdict(list)
        for event in profiler.events():
            if event.name.startswith("aten::") and not _inside_aten(event):
                times[event.name.removeprefix("aten::")].append(event.time_range.elapsed_us())
        calls = _watched(program.step, sorted(times))
    per_run = Counter(kind for kind, _, _ in calls)
    number: Counter[str] = Counter()
    rows = []
    for kind, macs, moved in calls:
        at, every = number[kind], per_run[kind]
        number[kind] += 1
        us = round(statistics.median(times[kind][at::every]), 3) if len(times[kind]) == every * runs else None
        name = f"{kind.strip('_')} #{number[kind]}"
        rows.append(
            {
                "name": name,
                "kind": kind.strip("_"),
                "where": "torch",
                "calls": 1,
                "us": us,
                "macs": macs,
                "bytes": moved,
            }
        )
    return rows


def _inside_aten(event: Any) -> bool:
    return event.cpu_parent is not None and event.cpu_parent.name.startswith("aten::")


def _watched(step: Callable[[], None], kinds: Sequence[str]) -> list[tuple[str, int, int]]:
    """(operator, multiply-adds, bytes) of each call in one step of the operators named, in order."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    calls: list[tuple[str, int, int]] = []

    def counter(kind: str) -> Callable[..., int]:
        def count(*arguments: Any, out_val: Any = None, **_: Any) -> int:
            tensors = [value for value in arguments if isinstance(value, torch.Tensor)]
            if isinstance(out_val, torch.Tensor):
                moved = sum(value.numel() * value.element_size() for value in (*tensors, out_val))
                calls.append((kind, _torch_macs(kind, tensors, out_val), moved))
            return 0

        count._get_raw = True  # type: ignore[attr-defined]  # tensors, not only their shapes
        return count

    operators = {getattr(torch.ops.aten, kind): counter(kind) for kind in kinds}
    with FlopCounterMode(display=False, custom_mapping=operators):
        step()
    return calls


def _torch_macs(kind: str, tensors: list[Any], result: Any) -> int:
    if "convolution" in kind or kind.startswith("conv"):
        return int(result.numel() * math.prod(tensors[1].shape[1:]))
    if kind in ("mm", "bmm", "matmul", "linear", "addmm"):
        return int(result.numel() * tensors[1 if kind == "addmm" else 0].shape[-1])
    return 0


def main() -> None:
    path, runtime, runs, shapes, method = sys.argv[1:]
    if runtime == "torchscript":
        rows = pt_rows(path, int(runs), [tuple(shape) for shape in json.loads(shapes)])
    else:
        import_readers()
        rows = pte_rows(path, int(runs), method)
    sys.stdout.write(json.dumps({"rows": rows}) + "\n")


if __name__ == "__main__":
    end_with_caller()
    main()

"""Opens a program below the sdk, with any number of threads, and runs it step by step: for the ruler's own processes.

The engines of `sdk` choose what suits a game (one thread); a profile also wants the other settings. Inputs are made
from the shapes that the program names, so both kinds of students run: a window, or a hop and its state, which is fed
back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sdk.engines.executorch import load_runtime
from sdk.engines.torchscript import load_module

Shapes = list[tuple[int, ...]]


class Program:
    """A loaded program and the inputs of its next step. `step()` runs it once."""

    def __init__(self, run: Callable[[list[Any]], Sequence[Any]], shapes: Shapes, keep: Sequence[Any] = ()) -> None:
        self.shapes = shapes
        self._run = run
        self._keep = list(keep)  # a method reads its program in place
        self._inputs: list[Any] = []

    def make_inputs(self) -> None:
        """Noise as loud as speech for the audio, zeros for states."""
        import torch

        torch.manual_seed(0)
        self._inputs = [torch.randn(self.shapes[0]) * 0.1, *(torch.zeros(shape) for shape in self.shapes[1:])]

    def drop_inputs(self) -> None:
        """Give back what the next step's inputs hold."""
        self._inputs = []

    def step(self) -> None:
        """Run once; what comes back in the shape of a state is the state of the next step."""
        outputs = self._run(self._inputs)
        states = list(outputs[1:])
        if len(states) == len(self._inputs) - 1:
            self._inputs[1:] = states


def open_pte(path: str, threads: int, load: str = "mapped", method: str = "forward") -> Callable[[], Program]:
    """A function that opens a `.pte`; the runtime itself is imported here, and given `threads` threads.

    The pool can only be changed before anything is loaded, so this is for a process of one program.
    """
    runtime = load_runtime()
    if runtime._threadpool_get_thread_count() != threads:
        runtime._unsafe_reset_threadpool(threads)

    def opened() -> Program:
        kept: list[Any] = []
        if load == "mapped":
            program = runtime._load_program(path)
        else:
            kept.append(Path(path).read_bytes())
            program = runtime._load_program_from_buffer(kept[0])
        loaded = program.load_method(method)
        meta = loaded.method_meta()
        shapes = [tuple(meta.input_tensor_meta(at).sizes()) for at in range(meta.num_inputs())]
        return Program(loaded, shapes, [program, *kept])

    return opened


def open_pt(path: str, threads: int, shapes: Shapes, device: str = "cpu") -> Callable[[], Program]:
    """A function that opens a `.pt`, which does not name its shapes."""
    import torch

    torch.set_num_threads(threads)

    def opened() -> Program:
        module = load_module(Path(path), device)

        def run(inputs: list[Any]) -> Sequence[Any]:
            outputs = module(*inputs)
            return outputs if isinstance(outputs, (tuple, list)) else (outputs,)

        return Program(run, shapes)

    return opened

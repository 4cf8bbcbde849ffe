"""One voice of either family: audio at 16 kHz in, predictions at the ticks of a clock out.

Both keep all that they remember in `memory`, a value that may be read and set back, and give the same predictions in
any chunking. The predictor above them adds resampling, smoothing and frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from sdk.clock import FrameClock
from sdk.engines.base import Engine, EngineState, StreamEngine, WindowEngine
from sdk.errors import ArtifactError, ConfigError
from sdk.hops import BetweenState, HopState, between, take_hops
from sdk.manifest import Manifest
from sdk.stream import StreamState, advance
from sdk.window import WindowSpec

Prediction = tuple[int, np.ndarray]  # a tick and its values `(channels,)`
MOST_STYLE = 2.0  # a strength beyond it is a mistake, not an expression


class Voice(Protocol):
    """What a predictor drives."""

    memory: Any

    @property
    def received(self) -> int: ...

    def push(self, samples: np.ndarray) -> list[Prediction]: ...


class WindowVoice:
    """Runs the whole window of every tick."""

    def __init__(self, engine: WindowEngine, timing: WindowSpec, ticks: FrameClock, first_tick: int) -> None:
        self.engine, self.timing, self.ticks = engine, timing, ticks
        self.memory = StreamState.initial(ticks, timing, first_tick)

    @property
    def received(self) -> int:
        return self.memory.received

    def push(self, samples: np.ndarray) -> list[Prediction]:
        """Predictions that `samples` float32 `(n,)` make due, in order."""
        self.memory, steps = advance(self.memory, samples, self.ticks, self.timing)
        return [(step.frame, self.engine.run(step.window)) for step in steps]


@dataclass(frozen=True)
class StreamMemory:
    """A value: samples short of a hop, whole hops that have not run, the engine's state, the line between hops."""

    hops: HopState
    queue: np.ndarray
    state: EngineState
    line: BetweenState


class StreamVoice:
    """Runs every hop once and draws a line between hops.

    `push` does all; a crowd takes it apart: `hear`, then for each hop that is `waiting`, run `hop` from `state` and
    `settle` what came out.
    """

    def __init__(self, engine: StreamEngine, ticks: FrameClock, first_tick: int) -> None:
        self.engine, self.ticks = engine, ticks
        self.timing = engine.manifest.hop
        nothing = np.zeros((0, self.timing.hop_samples), dtype=np.float32)
        self.memory = StreamMemory(HopState.initial(), nothing, engine.start(1), BetweenState(0, None, first_tick))

    @property
    def received(self) -> int:
        return self.memory.hops.received

    @property
    def waiting(self) -> int:
        """How many hops have been heard but not run."""
        return len(self.memory.queue)

    @property
    def hop(self) -> np.ndarray:
        """The next hop `(hop_samples,)`."""
        hop: np.ndarray = self.memory.queue[0]
        return hop

    @property
    def state(self) -> EngineState:
        """What the next hop is run from, one voice."""
        return self.memory.state

    def dress(self, style: np.ndarray) -> None:
        """Hops that have not run yet are run in `style`, the last tensor of one voice's state (`style_vector`)."""
        self.memory = replace(self.memory, state=(*self.memory.state[:-1], style[None]))

    def hear(self, samples: np.ndarray) -> None:
        """Take `samples` float32 `(n,)` in; nothing is run."""
        hops, full = take_hops(self.memory.hops, samples, self.timing.hop_samples)
        self.memory = replace(self.memory, hops=hops, queue=np.concatenate([self.memory.queue, full]))

    def settle(self, values: np.ndarray, state: EngineState) -> list[Prediction]:
        """Predictions that the next hop's `values` `(channels,)` make due; `state` is what it was left in."""
        line, due = between(self.memory.line, values, self.ticks, self.timing)
        self.memory = replace(self.memory, queue=self.memory.queue[1:], state=state, line=line)
        return due

    def push(self, samples: np.ndarray) -> list[Prediction]:
        """Predictions that `samples` float32 `(n,)` make due, in order."""
        self.hear(samples)
        made: list[Prediction] = []
        while self.waiting:
            values, state = self.engine.step(self.hop[None], self.state)
            made += self.settle(values[0], state)
        return made


def style_vector(manifest: Manifest, strengths: Mapping[str, float]) -> np.ndarray:
    """`(styles, 1, 1)` float32 of strengths by name, for the last tensor of a state. Raises as `strengths_of`."""
    return strengths_of(manifest.styles, strengths).reshape(-1, 1, 1)


def strengths_of(names: Sequence[str], strengths: Mapping[str, float]) -> np.ndarray:
    """`(styles,)` float32 in the order of `names`, 0 for those that are not named. Raises `ConfigError` for a name that
    is none of them, and for a strength beyond +-2 or not finite."""
    if unknown := [name for name in strengths if name not in names]:
        has = (
            f"there are: {', '.join(names)}" if names else "this artefact has none; `python -m export.styled` adds them"
        )
        raise ConfigError(f"no style {', '.join(unknown)}; {has}")
    if wrong := [name for name, value in strengths.items() if not abs(value) <= MOST_STYLE]:
        raise ConfigError(f"strength of {', '.join(wrong)} is not within -{MOST_STYLE:g} to {MOST_STYLE:g}")
    return np.array([strengths.get(name, 0.0) for name in names], dtype=np.float32)


def open_voice(engine: Engine, ticks: FrameClock, first_tick: int) -> Voice:
    """A new voice of `engine`, before any sample. Raises `ArtifactError` if the engine cannot do what its kind must."""
    if engine.manifest.kind == "stream":
        if not isinstance(engine, StreamEngine):
            raise ArtifactError(f"{engine.manifest.student!r} is a stream student, its engine only runs windows")
        return StreamVoice(engine, ticks, first_tick)
    if not isinstance(engine, WindowEngine):
        raise ArtifactError(f"{engine.manifest.student!r} is a window student, its engine only runs streams")
    return WindowVoice(engine, engine.manifest.window, ticks, first_tick)

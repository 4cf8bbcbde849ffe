"""Samples in, due windows out: the whole state of a voice is a value that is given and returned. No model in here.

history ......[=== window of frame k ===]            frame k is due as soon as its window is complete:
               [=== window of frame k+1 ===]         received >= sample(k) + future
-------------------------------------------------> absolute 16 kHz samples; before sample 0 stands silence
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sdk.clock import FrameClock
from sdk.errors import AudioError
from sdk.window import WindowSpec


class Step(NamedTuple):
    """One due frame: its index, its absolute sample, its window `(length_samples,)` float32, read-only."""

    frame: int
    sample: int
    window: np.ndarray


@dataclass(frozen=True)
class StreamState:
    """A value: samples still needed, covering `[received - len(history), received)`, and the next frame's index.

    It never holds more than one window, however large the chunks are.
    """

    history: np.ndarray
    received: int
    frame: int

    @classmethod
    def initial(cls, clock: FrameClock, window: WindowSpec, first_frame: int = 0) -> StreamState:
        """Before any sample: silence for the past of `first_frame`, which may be negative."""
        start = clock.sample(first_frame) - window.past_samples
        return cls(np.zeros(max(0, -start), dtype=np.float32), 0, first_frame)


def advance(
    state: StreamState, samples: np.ndarray, clock: FrameClock, window: WindowSpec
) -> tuple[StreamState, list[Step]]:
    """The state after `samples` float32 `(n,)` at the clock's rate, and the frames that became due, in order.

    Pure: the same samples give the same steps in any chunking. Windows are views of one shared read-only array. A
    frame waits at least for the sample it sits on, so frames exist where audio does even with a future of 0.
    Raises `AudioError` if `samples` has another shape or dtype.
    """
    if samples.ndim != 1 or samples.dtype != np.float32:
        raise AudioError(f"samples are {samples.dtype} {samples.shape}; give float32 (n,), see audio.to_mono_float")
    joined = np.concatenate([state.history, samples])
    joined.flags.writeable = False
    received = state.received + len(samples)
    origin = received - len(joined)  # absolute index of joined[0]
    wait = max(window.future_samples, 1)
    steps = []
    frame = state.frame
    while received >= clock.sample(frame) + wait:
        sample = clock.sample(frame)
        first = sample - window.past_samples - origin
        steps.append(Step(frame, sample, joined[first : first + window.length_samples]))
        frame += 1
    needed = clock.sample(frame) - window.past_samples - origin
    return StreamState(joined[max(0, needed) :].copy(), received, frame), steps

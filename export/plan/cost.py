"""What a point costs in time, estimated before it is lowered: multiply-adds of a call, and calls a second."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch.export import ExportedProgram

from distill.students.spec import StreamStudentSpec, StudentSpec
from distill.students.stream import HOP_SAMPLES
from export.lower.backends.base import Speed
from export.lower.memory import convolutions, operator_count
from sdk.clock import SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Cost:
    """Of one voice. macs: multiply-adds of a call. calls_per_s: a window student's frames, a stream student's hops.
    call_us: estimated, one core of the machine that the backend's speed was measured on; None where none was."""

    macs: int
    calls_per_s: float
    fps: float
    call_us: float | None

    @property
    def macs_per_s(self) -> float:
        """Multiply-adds for a second of speech."""
        return self.macs * self.calls_per_s

    @property
    def frame_us(self) -> float | None:
        """Estimated, for a frame at the student's own rate."""
        return None if self.call_us is None else self.frame_us_of(self.call_us)

    def frame_us_of(self, call_us: float) -> float:
        """The same for a call that was measured to take `call_us`."""
        return call_us * self.calls_per_s / self.fps

    @property
    def is_real_time(self) -> bool:
        """Whether one core keeps up with speech, by the estimate; True where there is no estimate."""
        return self.call_us is None or self.call_us * self.calls_per_s < 1e6


def cost(exported: ExportedProgram, spec: StudentSpec, speed: Speed | None) -> Cost:
    """Of a traced `forward` at the `speed` of a backend."""
    macs = sum(math.prod(output) * math.prod(weight[1:]) for output, weight in convolutions(exported))
    fps = spec.fps[0] / spec.fps[1]
    calls_per_s = SAMPLE_RATE_HZ / HOP_SAMPLES if isinstance(spec, StreamStudentSpec) else fps
    call_us = None if speed is None else macs / speed.macs_per_us + operator_count(exported) * speed.operator_us
    return Cost(macs, calls_per_s, fps, call_us)

"""JSON lines: one header object, then one object a frame, readable by anything.

    {"format": "tinyface.frames", "version": 1, "fps": [30, 1], "channels": {"jawOpen": [0, 1], ...}, ...}
    {"index": 0, "sample": 0, "time_s": 0.0, "values": {"jawOpen": 0.25, ...}}

Frames carry names although the header has them: a line torn from its file still means something, and lines of
different rigs can be told apart. Numbers are the shortest that read back as the same float32.
"""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np

from sdk.clock import SAMPLE_RATE_HZ
from sdk.protocols.base import FrameProtocol, values_in
from sdk.rig import Frame, RigLayout

DEFAULT_PORT = 11112


class JsonLines:
    """See `FrameProtocol`; carries any rig."""

    def header(self, layout: RigLayout, fps: Fraction) -> bytes:
        """The header line: format, frame rate, and each channel's range in order."""
        ranges = zip(layout.names, layout.minimum, layout.maximum, strict=True)
        return _line(
            {
                "format": "tinyface.frames",
                "version": 1,
                "fps": [fps.numerator, fps.denominator],
                "sample_rate_hz": SAMPLE_RATE_HZ,
                "channels": {name: [low, high] for name, low, high in ranges},
            }
        )

    def encode(self, frame: Frame, layout: RigLayout) -> bytes:
        """One frame line. Raises `RigError` if the frame lacks a channel of `layout`."""
        values = values_in(frame, layout)
        return _line(
            {
                "index": frame.index,
                "sample": frame.sample,
                "time_s": round(frame.sample / SAMPLE_RATE_HZ, 6),
                "values": {name: _short(value) for name, value in zip(layout.names, values, strict=True)},
            }
        )


PROTOCOL: FrameProtocol = JsonLines()


def _line(content: dict[str, object]) -> bytes:
    return (json.dumps(content, ensure_ascii=False) + "\n").encode("utf-8")


def _short(value: np.float32) -> float:
    return float(str(np.float32(value)))

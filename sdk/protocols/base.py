"""What a protocol is: frames to bytes, purely: no clock, socket or smoothing; the same frame gives the same bytes."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

import numpy as np

from sdk.rig import Frame, RigLayout


class FrameProtocol(Protocol):
    """Offered by each file of this folder as `PROTOCOL`.

    `layout` names the channels to send and their order; a frame brings its own layout and is read by name.
    """

    def header(self, layout: RigLayout, fps: Fraction) -> bytes:
        """What goes first, once; may be empty. Raises `RigError` for channels that this output cannot carry."""
        ...

    def encode(self, frame: Frame, layout: RigLayout) -> bytes:
        """One frame. Raises `RigError` if it lacks a channel of `layout`."""
        ...


def values_in(frame: Frame, layout: RigLayout) -> np.ndarray:
    """The frame's values in `layout`'s order, `(channels,)`. Raises `RigError` if it lacks a channel."""
    if frame.layout is layout or frame.layout.names == layout.names:
        return frame.values
    return frame.layout.select(frame.values, layout.names)

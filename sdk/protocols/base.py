"""What a protocol is: frames to bytes, purely: no clock, socket or smoothing; the same frame gives the same bytes.

Two things a protocol may offer besides: `at(fps)`, itself for frames of a known rate (timecodes then count frames),
and `datagrams(frame, layout)`, where one frame does not fit one packet. `at` and `datagrams` below ask for them.
A file with a `DEFAULT_PORT` is a word for `tinyface live --to` as well: `mine://HOST:PORT` gets each frame by UDP,
without the header.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

import numpy as np

from sdk.names.orders import arkit_name
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


def at(protocol: FrameProtocol, fps: Fraction) -> FrameProtocol:
    """The protocol for frames of that rate: its own `at(fps)`, or itself where the rate is all the same to it."""
    own = getattr(protocol, "at", None)
    bound: FrameProtocol = own(fps) if own else protocol
    return bound


def datagrams(protocol: FrameProtocol, frame: Frame, layout: RigLayout) -> list[bytes]:
    """One frame as packets for UDP, each to be sent by itself. Raises as `encode`."""
    own = getattr(protocol, "datagrams", None)
    packets: list[bytes] = own(frame, layout) if own else [protocol.encode(frame, layout)]
    return packets


def values_by_name(frame: Frame, layout: RigLayout) -> dict[str, float]:
    """The frame's channels of `layout` by name. Raises `RigError` if it lacks one."""
    return dict(zip(layout.names, values_in(frame, layout).tolist(), strict=True))


def values_by_arkit_name(frame: Frame, layout: RigLayout) -> dict[str, float]:
    """The same as ARKit spells them: `JawOpen` is jawOpen."""
    return {arkit_name(name): value for name, value in values_by_name(frame, layout).items()}

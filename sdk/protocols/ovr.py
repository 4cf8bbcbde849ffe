"""OVR's 15 visemes as one small packet a frame, for avatars that were made for OVRLipSync.

    int32 frame | int32 sample at 16 kHz | 15 float32: sil PP FF TH DD kk CH SS nn RR aa E ih oh ou      little-endian

The weights are not negative and sum to 1. They are read off the face (see `names/visemes.py`), not recognised.
"""

from __future__ import annotations

import struct
from fractions import Fraction

from sdk.names.convert import arkit_values, check_mouth, convention
from sdk.protocols.base import FrameProtocol, values_in
from sdk.rig import Frame, RigLayout

DEFAULT_PORT = 11115


class OvrVisemes:
    """See `FrameProtocol`; 68 bytes a frame, whatever the rig."""

    def header(self, layout: RigLayout, fps: Fraction) -> bytes:
        """Nothing. Raises `RigError` for channels off which no mouth can be read."""
        check_mouth(layout, "OVR's 15 visemes")
        return b""

    def encode(self, frame: Frame, layout: RigLayout) -> bytes:
        """One packet. Raises `RigError` if the frame lacks a channel of `layout`."""
        weights = convention("oculus").from_arkit(arkit_values(values_in(frame, layout), layout))
        return struct.pack("<ii15f", frame.index, frame.sample & 0x7FFFFFFF, *weights.tolist())


PROTOCOL: FrameProtocol = OvrVisemes()

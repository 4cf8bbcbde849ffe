"""Live Link Face over UDP, version 6: what the iPhone app sends to Unreal, one packet a frame, port 11111.

    uint8 6 | int32 length, device id | int32 length, subject | int32 frame, float32 sub-frame, int32 rate n, int32 d |
    uint8 61 | 61 float32                                                        big-endian throughout

The device id is 36 bytes long: receivers in use read its length byte as a mark. Unreal drops packets whose count is
not 61. The order is that of Unreal's enumeration, which is not that of the app's CSV.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass, replace
from fractions import Fraction

from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError, RigError
from sdk.names.convert import check_scale
from sdk.names.orders import PACKET_ORDER, arkit_name
from sdk.protocols.base import FrameProtocol, values_by_arkit_name
from sdk.rig import Frame, RigLayout

VERSION, COUNT, DEVICE_BYTES = 6, 61, 36
DEFAULT_PORT = 11111
_SIXTIETHS = 60


@dataclass(frozen=True)
class LiveLinkUdp:
    """See `FrameProtocol`. Raises `ConfigError` for a device id that is not 36 bytes, or an empty subject.

    fps: whose frames are counted; None counts sixtieths of a second with their fraction, which any rate fits.
    first_frame: the number of frame 0, for a timecode that starts elsewhere than midnight.
    """

    subject: str = "tinyface"
    device_id: str = ""
    fps: Fraction | None = None
    first_frame: int = 0

    def __post_init__(self) -> None:
        if not self.subject:
            raise ConfigError("a Live Link subject needs a name: Unreal lists sources by it")
        if not self.device_id:  # one id for one subject, whenever and wherever
            object.__setattr__(self, "device_id", str(uuid.uuid5(uuid.NAMESPACE_DNS, self.subject)).upper())
        if (size := len(self.device_id.encode("utf-8"))) != DEVICE_BYTES:
            raise ConfigError(f"device id of {size} bytes: receivers want {DEVICE_BYTES}, as a UUID has")

    def at(self, fps: Fraction) -> LiveLinkUdp:
        """This for frames of that rate."""
        return replace(self, fps=fps)

    def header(self, layout: RigLayout, fps: Fraction) -> bytes:
        """Nothing: each packet stands alone. Raises `RigError` for channels it has not, or of another scale."""
        homeless = [name for name in layout.names if arkit_name(name) not in PACKET_ORDER]
        if homeless:
            raise RigError(f"Live Link Face has no channel for: {', '.join(homeless)}. Send a layout without them")
        check_scale(layout, "Live Link Face")
        return b""

    def encode(self, frame: Frame, layout: RigLayout) -> bytes:
        """One packet. Raises `RigError` if the frame lacks a channel of `layout`."""
        values = values_by_arkit_name(frame, layout)
        device, subject = self.device_id.encode("utf-8"), self.subject.encode("utf-8")
        return b"".join(
            (
                struct.pack(">Bi", VERSION, len(device)),
                device,
                struct.pack(">i", len(subject)),
                subject,
                struct.pack(">ifii", *self._time(frame)),
                struct.pack(f">B{COUNT}f", COUNT, *(values.get(name, 0.0) for name in PACKET_ORDER)),
            )
        )

    def _time(self, frame: Frame) -> tuple[int, float, int, int]:
        if self.fps:
            return self.first_frame + frame.index, 0.0, self.fps.numerator, self.fps.denominator
        whole, rest = divmod(frame.sample * _SIXTIETHS, SAMPLE_RATE_HZ)
        return self.first_frame + whole, rest / SAMPLE_RATE_HZ, _SIXTIETHS, 1


PROTOCOL: FrameProtocol = LiveLinkUdp()

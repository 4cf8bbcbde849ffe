"""VMC, Virtual Motion Capture's protocol (3.1): OSC bundles for VTuber tools, UDP port 39539.

    /VMC/Ext/OK 1    /VMC/Ext/T seconds    /VMC/Ext/Blend/Val name value  (one each)    /VMC/Ext/Blend/Apply

Bundles stay under 1500 bytes, so 52 channels take several; Apply ends the last. Names are case-sensitive. What they
are is the `expressions`: `perfect` (Perfect Sync: ARKit's 52 as Apple spells them), `perfect-pascal` (the same,
`JawOpen`), `vrm0` (A I U E O, Blink_L) or `vrm1` (aa ih ou ee oh, blinkLeft). A stream (`encode`) is the same bundles,
each behind its length as OSC 1.0 has it for TCP; `datagrams` gives them one by one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError
from sdk.names.convert import arkit_values, check_mouth, check_scale, convention
from sdk.names.orders import pascal
from sdk.protocols.base import FrameProtocol, values_by_name, values_in
from sdk.rig import Frame, RigLayout

DEFAULT_PORT = 39539
MOST_BYTES = 1472  # of one datagram: 1500 of an Ethernet frame less 28 of IP and UDP
EXPRESSIONS = ("perfect", "perfect-pascal", "vrm0", "vrm1")
_HEAD = b"#bundle\0" + struct.pack(">Q", 1)  # the time tag 1 is "at once"


@dataclass(frozen=True)
class Vmc:
    """See `FrameProtocol`. Raises `ConfigError` for expressions that are none of `EXPRESSIONS`."""

    expressions: str = "perfect"

    def __post_init__(self) -> None:
        if self.expressions not in EXPRESSIONS:
            raise ConfigError(f"no expressions {self.expressions!r}; there are: {', '.join(EXPRESSIONS)}")

    def header(self, layout: RigLayout, fps: Fraction) -> bytes:
        """Nothing: every frame says all. Raises `RigError` for channels of another scale, or off which no mouth can be
        read for VRM's expressions."""
        if self.expressions.startswith("vrm"):
            check_mouth(layout, f"vmc?names={self.expressions}")
        check_scale(layout, "vmc")
        return b""

    def encode(self, frame: Frame, layout: RigLayout) -> bytes:
        """The bundles of one frame, each behind its length. Raises `RigError` as `datagrams`."""
        return b"".join(struct.pack(">i", len(bundle)) + bundle for bundle in self.datagrams(frame, layout))

    def datagrams(self, frame: Frame, layout: RigLayout) -> list[bytes]:
        """The bundles of one frame. Raises `RigError` if it lacks a channel of `layout`."""
        messages = [_message("/VMC/Ext/OK", 1), _message("/VMC/Ext/T", frame.sample / SAMPLE_RATE_HZ)]
        messages += [_message("/VMC/Ext/Blend/Val", name, value) for name, value in self._named(frame, layout).items()]
        return _bundles([*messages, _message("/VMC/Ext/Blend/Apply")])

    def _named(self, frame: Frame, layout: RigLayout) -> dict[str, float]:
        if self.expressions.startswith("vrm"):
            spelled = convention(self.expressions)
            weights = spelled.from_arkit(arkit_values(values_in(frame, layout), layout))
            return dict(zip(spelled.names, weights.tolist(), strict=True))
        values = values_by_name(frame, layout)
        return values if self.expressions == "perfect" else {pascal(name): value for name, value in values.items()}


PROTOCOL: FrameProtocol = Vmc()


def _message(address: str, *arguments: int | float | str) -> bytes:
    """An OSC message: padded address, padded types, arguments big-endian."""
    kinds, body = ",", b""
    for argument in arguments:
        if isinstance(argument, str):
            kinds, body = kinds + "s", body + _padded(argument)
        elif isinstance(argument, int):
            kinds, body = kinds + "i", body + struct.pack(">i", argument)
        else:
            kinds, body = kinds + "f", body + struct.pack(">f", argument)
    return _padded(address) + _padded(kinds) + body


def _padded(text: str) -> bytes:
    """UTF-8, ended by one to four zeros so that its length is a multiple of four."""
    raw = text.encode("utf-8")
    return raw + b"\0" * (4 - len(raw) % 4)


def _bundles(messages: list[bytes]) -> list[bytes]:
    """As few bundles as hold them in order, none above `MOST_BYTES`."""
    bundles = [_HEAD]
    for message in messages:
        element = struct.pack(">i", len(message)) + message
        if len(bundles[-1]) + len(element) > MOST_BYTES:
            bundles.append(_HEAD)
        bundles[-1] += element
    return bundles

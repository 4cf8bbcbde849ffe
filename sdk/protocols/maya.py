"""Lines of text for Maya over TCP, one a frame.

Without a node: for our receiver (`runtime_examples/maya`), which maps them to controls and keeps up by dropping.

    tinyface rig 30 1 jawOpen mouthClose ...
    tinyface frame 12 6400 0.25 0.1 ...

With a node: MEL for Maya's own `commandPort -name ":7001" -bufferSize 65536 -noreturn`, no script needed. A frame is as
many lines as that port's own limit asks for: `setAttr "head.jawOpen" 0.25;...`
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from sdk.errors import ConfigError, RigError
from sdk.protocols.base import FrameProtocol, values_by_name
from sdk.rig import Frame, RigLayout

DEFAULT_PORT = 7001
_NODE = re.compile(r"[A-Za-z_][\w:|]*")
_MOST = 4000  # characters of a line: a port that was opened without -bufferSize hangs up on more than 4,096
_VALUE = 16  # the most characters that a value takes


@dataclass(frozen=True)
class MayaLines:
    """See `FrameProtocol`. Raises `ConfigError` for what is no name of a Maya node (it would run as a command)."""

    node: str = ""

    def __post_init__(self) -> None:
        if self.node and not _NODE.fullmatch(self.node):
            raise ConfigError(f"{self.node!r} is no name of a Maya node")

    def header(self, layout: RigLayout, fps: Fraction) -> bytes:
        """The rig's line; nothing for a node. Raises `RigError` for names that are no words."""
        odd = [name for name in layout.names if not re.fullmatch(r"\w+", name)]
        if odd:
            raise RigError(f"Maya takes names of letters, digits and _ alone, not: {', '.join(odd)}")
        if self.node:
            longest = max(layout.names, key=len)
            if len(_command(self.node, longest, "")) + _VALUE > _MOST:
                raise RigError(
                    f"Maya's port takes {_MOST} characters: the names of this node and of {longest} have more"
                )
            return b""
        return f"tinyface rig {fps.numerator} {fps.denominator} {' '.join(layout.names)}\n".encode()

    def encode(self, frame: Frame, layout: RigLayout) -> bytes:
        """One line; of MEL, as many as it takes. Raises `RigError` if the frame lacks a channel of `layout`."""
        values = {name: f"{value:.6g}" for name, value in values_by_name(frame, layout).items()}
        if self.node:
            lines = [""]
            for command in (_command(self.node, name, value) for name, value in values.items()):
                if len(lines[-1]) + len(command) > _MOST:
                    lines.append("")
                lines[-1] += command
            return ("\n".join(lines) + "\n").encode()
        return f"tinyface frame {frame.index} {frame.sample} {' '.join(values.values())}\n".encode()


def _command(node: str, channel: str, value: str) -> str:
    return f'setAttr "{node}.{channel}" {value};'


PROTOCOL: FrameProtocol = MayaLines()

"""Lines of text for Maya over TCP, one a frame.

Without a node: for our receiver (`runtime_examples/maya`), which maps them to controls and keeps up by dropping.

    tinyface rig 30 1 jawOpen mouthClose ...
    tinyface frame 12 6400 0.25 0.1 ...

With a node: MEL for Maya's own `commandPort -name ":7001"`, no script needed: `setAttr "head.jawOpen" 0.25;...`
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
            return b""
        return f"tinyface rig {fps.numerator} {fps.denominator} {' '.join(layout.names)}\n".encode()

    def encode(self, frame: Frame, layout: RigLayout) -> bytes:
        """One line. Raises `RigError` if the frame lacks a channel of `layout`."""
        values = {name: f"{value:.6g}" for name, value in values_by_name(frame, layout).items()}
        if self.node:
            return ("".join(f'setAttr "{self.node}.{name}" {value};' for name, value in values.items()) + "\n").encode()
        return f"tinyface frame {frame.index} {frame.sample} {' '.join(values.values())}\n".encode()


PROTOCOL: FrameProtocol = MayaLines()

"""Where frames go: sockets, pages, files and pipes. Nothing here waits for a receiver: what cannot go now is counted.

livelink://HOST:PORT/SUBJECT   vmc://HOST:PORT?names=vrm0   maya://HOST:PORT/NODE   ws://HOST:PORT (pages connect)
jsonl://HOST:PORT (UDP)        ovr://HOST:PORT              csv or jsonl (stdout)   csv:FILE   jsonl:FILE   - (jsonl)
Every file of `protocols/` with a DEFAULT_PORT is a scheme: by UDP, a frame a packet, where nothing else is said here.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from sdk.errors import ConfigError
from sdk.live.streams import Stream
from sdk.protocols import livelink, maya, vmc
from sdk.protocols.base import FrameProtocol, at, datagrams
from sdk.rig import Frame, RigLayout
from sdk.tools.plugins import load_plugin, plugin_names

_PROTOCOLS = "sdk.protocols"
PORTS = {name: load_plugin(_PROTOCOLS, name, "DEFAULT_PORT") for name in plugin_names(_PROTOCOLS, "DEFAULT_PORT")}
PORTS["ws"] = 8765
_PATHS = ("livelink", "maya")  # a subject, a node
_AGAIN_S = 1.0


class Sink(Protocol):
    """What the conductor sends to. sent, failed: frames that went and that could not. One that may be out of reach says
    why in `unreached`.

    `send` and `close` raise `OSError` where nothing will be received any more; who may come again is no such case.
    """

    name: str
    sent: int
    failed: int

    def send(self, frame: Frame) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Address:
    """One `--to`, read: scheme, host and port of a socket, or the path of a file (empty is stdout)."""

    text: str
    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises `ConfigError` for what is no place to send to."""
        if text in ("-", "jsonl", "csv"):
            return cls(text, "csv" if text == "csv" else "jsonl")
        if match := re.fullmatch(r"(csv|jsonl):(?!//)(.+)", text):
            return cls(text, match[1], path=match[2])
        try:
            parts = urlsplit(text)
        except ValueError as error:  # half an IPv6 address
            raise ConfigError(f"--to {text!r}: {error}") from None
        if parts.scheme not in PORTS or not text.startswith(f"{parts.scheme}://"):
            schemes = ", ".join(f"{scheme}://" for scheme in PORTS)
            raise ConfigError(
                f"--to {text!r}: nowhere that is known; give {schemes}, csv, jsonl, csv:FILE, jsonl:FILE or -"
            )
        try:
            port = PORTS[parts.scheme] if parts.port is None else parts.port
        except ValueError as error:
            raise ConfigError(f"--to {text!r}: {error}") from None
        path, options = unquote(parts.path.strip("/")), parse_qs(parts.query, keep_blank_values=True)
        idle = [f"no port {port}"] if not port else []
        idle += [f"{parts.scheme} takes no path {path!r}"] if path and parts.scheme not in _PATHS else []
        idle += ["nobody logs in there"] if "@" in parts.netloc else []
        idle += [f"nothing is meant by #{parts.fragment}"] if parts.fragment else []
        idle += [f"option {key} is left empty" for key, values in options.items() if "" in values]
        idle += [f"option {key} is given {len(values)} times" for key, values in options.items() if len(values) > 1]
        if idle:
            raise ConfigError(f"--to {text!r}: {'; '.join(idle)}")
        told = tuple((key, values[0]) for key, values in options.items())
        return cls(text, parts.scheme, parts.hostname or "127.0.0.1", port, path, told)

    def protocol(self) -> FrameProtocol:
        """The bytes that are spoken there. Raises `ConfigError` for options it does not know."""
        options = dict(self.options)
        made: FrameProtocol
        if self.scheme == "livelink":
            made = livelink.LiveLinkUdp(self.path or "tinyface", options.pop("device", ""))
        elif self.scheme == "vmc":
            made = vmc.Vmc(options.pop("names", "perfect"))
        elif self.scheme == "maya":
            made = maya.MayaLines(self.path)
        else:
            made = load_plugin(_PROTOCOLS, "jsonl" if self.scheme == "ws" else self.scheme, "PROTOCOL")
        if options:
            raise ConfigError(f"--to {self.text!r}: no option {', '.join(options)}")
        return made


def open_sink(text: str, layout: RigLayout, fps: Fraction) -> Sink:
    """A place to send frames of `layout` to. Raises `ConfigError`, `RigError`, or `EngineUnavailable` for ws."""
    address = Address.parse(text)
    protocol = at(address.protocol(), fps)
    header = protocol.header(layout, fps)
    if not address.host:
        return Stream(address.text, address.path, protocol, layout, header)
    if address.scheme == "maya":
        return Line(address, protocol, layout, header)
    if address.scheme == "ws":
        from sdk.live.pages import Pages

        return Pages(address.host, address.port, protocol, layout, header)
    return Packets(address, protocol, layout)


class Packets:
    """UDP: each frame its datagrams, to whoever listens."""

    def __init__(self, address: Address, protocol: FrameProtocol, layout: RigLayout) -> None:
        self.name, self.sent, self.failed, self.unreached = address.text, 0, 0, ""
        self._protocol, self._layout = protocol, layout
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:  # UnicodeError: an empty part between two dots, or a very long one
            why = getattr(error, "strerror", None) or error
            raise ConfigError(f"--to {address.text!r}: no host {address.host!r} ({why})") from error
        # receivers of UDP mostly listen on IPv4 alone, and nobody would be told: a name that has both goes there
        there = min(found, key=lambda one: one[0] != socket.AF_INET)
        self._to, self._socket = there[4], socket.socket(there[0], socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)  # an address may be everybody's
        self._socket.setblocking(False)

    def send(self, frame: Frame) -> None:
        try:
            for packet in datagrams(self._protocol, frame, self._layout):
                self._socket.sendto(packet, self._to)
            self.sent += 1
        except BlockingIOError:  # the buffer is full: a lost frame is not sent again, the next one is newer
            self.failed += 1
        except OSError as error:  # nobody listens, or no network leads there
            self.failed += 1
            self.unreached = error.strerror or str(error)

    def close(self) -> None:
        self._socket.close()


class Line:
    """TCP: lines to one receiver, which may come later, go, and come again; lines go whole or not at all."""

    def __init__(self, address: Address, protocol: FrameProtocol, layout: RigLayout, header: bytes) -> None:
        self.name, self.sent, self.failed, self.unreached = address.text, 0, 0, ""
        self._protocol, self._layout, self._header = protocol, layout, header
        self._to, self._try_at = (address.host, address.port), 0.0
        self._socket: socket.socket | None = None
        self._reached: socket.socket | None = None
        self._rest = b""  # the part of a line that did not fit into the socket's buffer

    def send(self, frame: Frame) -> None:
        opened = self._socket or self._connect()
        if opened is None:
            self.failed += 1
            return
        try:
            if self._rest:
                self._rest = self._rest[opened.send(self._rest) :]
            if self._rest:
                self.failed += 1
                return
            line = self._protocol.encode(frame, self._layout)
            self._rest = line[opened.send(line) :]
            self.sent += 1
        except BlockingIOError:
            self.failed += 1
        except OSError:
            self.failed += 1
            self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._rest = None, b""

    def _connect(self) -> socket.socket | None:
        """The receiver, once another thread has reached it; a try a second, and nothing waits for it."""
        now = time.perf_counter()
        if now >= self._try_at:
            self._try_at = now + _AGAIN_S
            threading.Thread(target=self._reach, daemon=True).start()
        self._socket, self._reached = self._reached, None
        return self._socket

    def _reach(self) -> None:
        try:
            opened = socket.create_connection(self._to, timeout=_AGAIN_S / 2)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.sendall(self._header)
            opened.setblocking(False)
        except (OSError, UnicodeError) as error:
            self.unreached = getattr(error, "strerror", None) or str(error)
            return
        self._reached = opened

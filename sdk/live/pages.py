"""Frames for pages in a browser: a WebSocket server; each text message is one JSON line, the header first.

A page that is slow loses frames, not time: it gets the newest when it is ready for one. Needs `websockets`.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from sdk.errors import ConfigError, EngineUnavailable, pip_install
from sdk.protocols.base import FrameProtocol
from sdk.rig import Frame, RigLayout

_START_S = 5.0
_MOST_WAITING_BYTES = 1 << 16


class Pages:
    """See `Sink`; serves on `host:port` from a thread of its own. Raises `EngineUnavailable`, `ConfigError`."""

    def __init__(self, host: str, port: int, protocol: FrameProtocol, layout: RigLayout, header: bytes) -> None:
        try:
            import websockets.asyncio.server as server
        except ImportError as error:
            raise EngineUnavailable(f"ws:// needs websockets ({error}): {pip_install('ws')}") from error
        self.name, self.sent, self.failed = f"ws://{host}:{port}", 0, 0
        self._server, self._protocol, self._layout = server, protocol, layout
        self._header, self._pages, self._error = header.decode(), set(), ""  # type: ignore[var-annotated]
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(host, port)), daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_S) or self._error:
            raise ConfigError(f"cannot serve {self.name}: {self._error or 'it does not start'}")

    @property
    def watching(self) -> int:
        """How many pages are connected."""
        return len(self._pages)

    def send(self, frame: Frame) -> None:
        text = self._protocol.encode(frame, self._layout).decode()
        self._loop.call_soon_threadsafe(self._broadcast, text)
        self.sent += 1

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(_START_S)

    def _broadcast(self, text: str) -> None:
        for page in list(self._pages):
            if page.transport.get_write_buffer_size() > _MOST_WAITING_BYTES:
                self.failed += 1
                continue
            self._server.broadcast([page], text)

    async def _serve(self, host: str, port: int) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with self._server.serve(self._welcome, host, port, compression=None):
                self._ready.set()
                await self._over.wait()
        except OSError as error:
            self._error = error.strerror or str(error)
            self._ready.set()

    async def _welcome(self, page: Any) -> None:
        """A page is here until it goes: it gets the header, then whatever is broadcast."""
        await page.send(self._header)
        self._pages.add(page)
        try:
            await page.wait_closed()
        finally:
            self._pages.discard(page)

"""A card's stream that may go away: a thread looks for its device again, and who stops waits for that thread.

`Microphone` and `Player` are two; each says how it is opened and by what it is back (`_look`).
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

BLOCK_S = 0.01
SILENT_S = 1.0  # a card that has not called back for so long is gone
AGAIN_S = 1.0
FIRST_S = 5.0  # and one that was just opened may take so long to begin


class Card:
    """lost: how often the device went away."""

    def __init__(self) -> None:
        self.lost = 0
        self._port: Any = None
        self._stream: Any = None
        self._search: threading.Thread | None = None
        self._away = self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        if self._search:
            self._search.join(timeout=FIRST_S + 2 * AGAIN_S)
        if not self._search or not self._search.is_alive():
            self._close()

    def _lose(self) -> None:
        """The device is gone: another thread closes what is left of it, and looks for it."""
        self.lost += 1
        self._away = True
        self._search = threading.Thread(target=self._look, daemon=True)
        self._search.start()

    def _look(self) -> None:
        """Until stopped: close, wait, open; `_away` ends when the card calls."""
        raise NotImplementedError

    def _close(self) -> None:
        stream, port = self._stream, self._port
        self._stream = self._port = None
        for ending in (stream and stream.close, port and port.terminate):
            if ending:
                with contextlib.suppress(OSError):  # it is gone already
                    ending()

"""A page served to a headless Chromium that is driven by its own protocol: what people do, and what it then shows."""

from __future__ import annotations

import base64
import functools
import itertools
import json
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from runtime_examples.web.__main__ import StaticFiles

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
AUTOPLAY = "--autoplay-policy=no-user-gesture-required"  # sound before anybody has touched the page
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", AUTOPLAY,
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
PATIENCE_S = 120.0


def lacking() -> str:
    """What is not here of what this needs, or nothing."""
    if not any(map(shutil.which, BROWSERS)):
        return "no browser: apt install chromium"
    try:
        import websockets.sync.client  # noqa: F401
    except ImportError:
        return "no websockets: pip install websockets"
    return ""


class Page:
    """One tab. Every call waits for its answer."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._numbers = socket, itertools.count(1)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One method of the protocol. Raises `RuntimeError` with what the browser says."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (said := json.loads(self._socket.recv(timeout=PATIENCE_S))).get("id") != number:
            pass  # events that nobody asked for
        if "error" in said:
            raise RuntimeError(f"{method}: {said['error']}")
        result: dict[str, Any] = said["result"]
        return result

    def ask(self, code: str, *, touched: bool = True) -> Any:
        """What an expression is, awaited. Raises `RuntimeError` for what the page throws.

        touched: it counts as something that a person did, after which a browser lets sound begin.
        """
        asked = {"expression": code, "awaitPromise": True, "returnByValue": True, "userGesture": touched}
        said = self.call("Runtime.evaluate", **asked)
        if "exceptionDetails" in said:
            raise RuntimeError(f"{code}: {said['exceptionDetails'].get('exception', said['exceptionDetails'])}")
        return said["result"].get("value")

    def until(self, code: str, seconds: float = PATIENCE_S, *, touched: bool = True) -> Any:
        """Waits until an expression is true; returns what it is then. Raises `TimeoutError`."""
        end = time.monotonic() + seconds
        while not (found := self.ask(code, touched=touched)):
            if time.monotonic() > end:
                raise TimeoutError(f"never true: {code}")
            time.sleep(0.1)
        return found

    def before_loading(self, code: str) -> None:
        self.call("Page.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=code)

    def open(self, address: str, size: tuple[int, int], *, mobile: bool = False, dense: float = 1) -> None:
        """The page at `address`, in a window of so many points."""
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=dense, mobile=mobile
        )
        self.call("Page.navigate", url=address)

    def key(self, key: str, code: str = "") -> None:
        """A key pressed and let go, as a keyboard does."""
        text = key if len(key) == 1 else ""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=code, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=code)

    def middle(self, selector: str) -> tuple[float, float]:
        """Of an element, in the window."""
        x, y = self.ask(f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
                        f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())",
                        touched=False)  # fmt: skip
        return x, y

    def click(self, selector: str) -> None:
        """The mouse pressed and let go on an element."""
        x, y = self.middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def drop(self, path: Path, selector: str) -> None:
        """A file let fall on an element."""
        x, y = self.middle(selector)
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def picture(self, path: Path) -> Path:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return path


@contextmanager
def chromium(folder: Path, *flags: str, autoplay: bool = True) -> Iterator[Page]:
    """A browser whose profile lies in `folder`, ended with the block.

    autoplay: a page may sound before anybody has touched it.
    """
    from websockets.sync.client import connect

    program = next(found for name in BROWSERS if (found := shutil.which(name)))
    usual = [flag for flag in FLAGS if autoplay or flag != AUTOPLAY]
    command = [program, *usual, f"--user-data-dir={folder}", "--remote-debugging-port=0", *flags, "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            end, told = time.monotonic() + PATIENCE_S, folder / "DevToolsActivePort"
            while not told.exists() and time.monotonic() < end:
                time.sleep(0.1)
            port = told.read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                tab = next(one for one in json.load(answer) if one["type"] == "page")
            with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
                yield Page(socket)
        finally:
            process.terminate()


@contextmanager
def served(
    folder: Path, headers: Mapping[str, str] | None = None
) -> Iterator[tuple[str, list[str], list[dict[str, Any]], threading.Event]]:
    """The folder on the loopback address: its address, what was asked for, what was told, and when."""
    asked: list[str] = []
    told: list[dict[str, Any]] = []
    done = threading.Event()

    class Ears(StaticFiles):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def end_headers(self) -> None:
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            done.set()

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Ears, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked, told, done
        server.shutdown()

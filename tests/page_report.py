"""`make page-report WAV=a.wav`: the page in headless Chromium: a fake microphone for a minute, pictures. No test.

The microphone says a file (`--use-file-for-fake-audio-capture`) to the page as it is served; then a wav is dropped in.
A frame is late when it reaches the page after the moment at which it should be drawn. Without a graphics card the
browser draws by software, which keeps the page's one thread busy: so the minute is measured twice, with a head that is
drawn and with none (no WebGL: curves alone), in which what is late is the voice's own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/runtime_examples"))
WINDOWS = {"desktop": ((1280, 800), False), "phone": ((390, 844), True)}
NO_HEAD = """HTMLCanvasElement.prototype.getContext = ((get) => function (kind, ...rest) {
  return kind === 'webgl' ? null : get.call(this, kind, ...rest); })(HTMLCanvasElement.prototype.getContext)"""
FIGURES = """({ late: tinyface.state.voice.late, count: tinyface.state.voice.count, drawn: window.drawn,
  heap: performance.memory.usedJSHeapSize, delay: tinyface.state.voice.delay })"""
COUNT = "window.drawn = 0; (function count() { requestAnimationFrame(count); ++window.drawn; })()"
READY = "window.tinyface !== undefined && tinyface.state.voice !== null && tinyface.state.cpu !== undefined"
# said again where so few pictures were drawn that it was over before
PLAYED = """tinyface.state.clip.name
  && (tinyface.state.source ? tinyface.state.gaps.length > 0 : void tinyface.play())"""
# a page alone with itself has a clock of 5 microseconds, others one of 100
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


def minute(page: Any, address: str, seconds: float, head: bool, size: tuple[int, int]) -> dict[str, Any]:
    """Figures of so many seconds of the microphone: frames, late ones, pictures, memory before and after."""
    page.open(address, size)
    page.until(READY)
    assert page.ask("tinyface.head() !== undefined") == head
    page.ask(COUNT)
    page.ask("tinyface.listen()")
    time.sleep(3)  # what starting costs is not what is asked
    page.ask("tinyface.state.voice.late = tinyface.state.voice.count = window.drawn = 0")
    before = page.ask(FIGURES)
    time.sleep(seconds)
    after = page.ask(FIGURES)
    page.ask("tinyface.listen()")
    return {
        "seconds": seconds, "frames": after["count"], "late": after["late"], "pictures": after["drawn"],
        "delay_ms": round(1000 * after["delay"]), "heap_mb": [round(x["heap"] / 1e6, 1) for x in (before, after)],
    }  # fmt: skip


def pictures(page: Any, address: str, wav: Path, out: Path) -> None:
    """The page while a dropped recording plays, and its blind test, in every window."""
    for name, (size, mobile) in WINDOWS.items():
        page.open(address, size, mobile=mobile, dense=2 if mobile else 1)
        page.until(READY)
        page.drop(wav, "#stage")
        page.until(PLAYED)
        print(page.picture(out / f"page-{name}.png"), flush=True)
        page.ask("document.getElementById('study').open = true")
        page.ask("document.getElementById('study').scrollIntoView()")
        print(page.picture(out / f"page-{name}-study.png"), flush=True)


def hops(page: Any, address: str) -> None:
    """What a hop of 20 ms costs, each by itself, of every student."""
    page.before_loading(NO_HEAD)
    page.open(address, WINDOWS["desktop"][0])
    page.until(READY)
    for student in page.ask("tinyface.facts.students.map(({ name }) => name)"):
        page.ask(f"tinyface.voiceOf({json.dumps(student)}).then(() => 0)")
        found = page.ask("tinyface.measure(1)")
        print(student, "ms a hop:", json.dumps({key: round(value, 4) for key, value in found.items()}), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.page_report", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("site", type=Path, nargs="?", default=ROOT / "build/web", help="what `make web` built")
    parser.add_argument("--wav", type=Path, required=True, help="16-bit wav that the microphone hears, round and round")
    parser.add_argument("--seconds", type=float, default=60.0, help="0: no minute")
    parser.add_argument("--small", action="store_true", help="a window of 480 x 360: less to draw by software")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder of the pictures")
    options = parser.parse_args()
    from chromium import chromium, lacking, served

    if why := lacking():
        print(f"cannot measure: {why}", file=sys.stderr)
        return 2
    size = (480, 360) if options.small else WINDOWS["desktop"][0]
    microphone = f"--use-file-for-fake-audio-capture={options.wav.resolve()}"
    with tempfile.TemporaryDirectory() as folder:

        def browser(name: str) -> Any:
            return chromium(Path(folder) / name, microphone, "--enable-precise-memory-info")

        with served(options.site) as (address, asked, _, _):
            for head in (True, False) if options.seconds else ():
                with browser(f"minute-{head}") as page:
                    if not head:
                        page.before_loading(NO_HEAD)
                    row = minute(page, address, options.seconds, head, size)
                print(json.dumps({"head": head, "window": size, **row}), flush=True)
            with browser("pictures") as page:
                pictures(page, address, options.wav.resolve(), options.out)
        print(f"asked for: {', '.join(sorted({path.split('?')[0] for path in asked}))}")
        with served(options.site, ISOLATED) as (address, _, _, _), browser("hops") as page:
            hops(page, address)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

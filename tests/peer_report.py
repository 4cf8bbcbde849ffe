"""The same sentence through HeadAudio in the same browser: bytes, time, closures found. By hand, no test.

npm pack @met4citizen/headaudio, unpacked; `make web` once, for tinyface.wasm; then
python -m tests.peer_report --headaudio FOLDER/package/dist --wasm build/.../tinyface.wasm --model s7=model.pte

HeadAudio says a viseme every 16 ms and no curve: a labelled /p b m/ is found where it says PP from its beginning to
100 ms behind its end, which is more than it is late by. Ours is found where the lips are within 0.15 cm, from 20 ms
before it to 30 behind.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from runtime_examples.web.site import build_site
from sdk.faces.face import CLOSED_CM, Face
from sdk.rig import RigLayout

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "tests/runtime_examples/web/peer.html"
sys.path.insert(0, str(ROOT / "tests/runtime_examples"))
PP = 5  # of its fifteen
DIST = ("headaudio.min.mjs", "headworklet.min.mjs", "model-en-mixed.bin")


def found_by_headaudio(said: list[list[float]], closures: list[tuple[float, float]]) -> list[bool]:
    """Whether it says PP at each of `closures`."""
    times = np.array([when for when, viseme in said if viseme == PP])
    return [bool(((times > begin) & (times < end + 0.1)).any()) for begin, end in closures]


def found_by_us(rows: list[list[float]], names: list[str], closures: list[tuple[float, float]]) -> list[bool]:
    """Whether the lips of our head are shut at each of `closures`."""
    told = np.array(rows, np.float32)
    times, gaps = told[:, 0], Face.default().lip_gap_cm(told[:, 1:], RigLayout(tuple(names)))
    return [bool(gaps[(times > a - 0.02) & (times < b + 0.03)].min() <= CLOSED_CM) for a, b in closures]


def ask_browser(site: Path, student: str, folder: Path) -> dict[str, Any]:
    """What peer.html tells. Raises `RuntimeError` if it tells nothing, or an error."""
    from chromium import BROWSERS, served

    browser = next(found for name in BROWSERS if (found := shutil.which(name)))
    flags = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", f"--user-data-dir={folder}"]
    flags.append("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    with served(site) as (address, _, told, done):
        command = [browser, *flags, f"{address}/peer.html?student={student}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as page:
            came = done.wait(550)
            page.terminate()
    if not came or "error" in told[0]:
        raise RuntimeError(told[0]["error"] if came else "the page said nothing")
    return told[0]


def main() -> int:
    """Print the comparison; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.peer_report", description=__doc__.split("\n")[0])
    parser.add_argument("--headaudio", type=Path, required=True, help="dist of the npm package @met4citizen/headaudio")
    parser.add_argument("--wasm", type=Path, required=True)
    parser.add_argument("--model", required=True, metavar="NAME=FILE", help="an artefact of the backend tinyface")
    options = parser.parse_args()
    name, model = options.model.split("=", 1)
    with tempfile.TemporaryDirectory() as folder:
        site = build_site(Path(folder) / "site", wasm=options.wasm, models={name: Path(model)})
        shutil.copy2(PAGE, site / "peer.html")
        shutil.copytree(options.headaudio, site / "headaudio")
        told = ask_browser(site, name, Path(folder) / "profile")
        phones = json.loads((site / "facts.json").read_text("utf-8"))["phones"]
        files = [*(site / "tinyface").glob("*.js"), site / "tinyface/tinyface.wasm", site / f"tinyface/{name}.pte"]
        ours = sum(path.stat().st_size for path in files)
    closures = [(begin, end) for phone, begin, end in phones if phone[0] in "pbm"]
    seconds = told["times"] * told["seconds"]
    took = {who: min(times) / seconds for who, times in told["took"].items()}
    found = {
        "tinyface": found_by_us(told["said"]["tinyface"], told["names"], closures),
        "headaudio": found_by_headaudio(told["said"]["headaudio"], closures),
    }
    theirs = sum((options.headaudio / file).stat().st_size for file in DIST)
    print(f"{'':12}{'bytes':>12}{'closures':>10}{'ms a second of sound, the fastest of five, less an empty pass':>66}")
    for who, size in (("tinyface", ours), ("headaudio", theirs)):
        print(f"{who:12}{size:>12,}{sum(found[who]):>6}/{len(closures)}{took[who] - took['nothing']:>66.2f}")
    print(f"an empty pass {took['nothing']:.2f} ms; all passes: {json.dumps(told['took'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

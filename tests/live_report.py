"""`make live-report`: live streams received by other processes for minutes: frames lost, jitter, drift. Not a test.

`tinyface live --wav SPEECH --loop` sends to a Live Link socket, a VMC socket, a Maya-like TCP server and a WebSocket
page at once, each a process of its own that notes when every frame arrives; then the same with every core kept busy.
Arrivals and departures share the computer's clock, so drift is against the clock that paces the recording.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PORTS = {"livelink": 31111, "vmc": 31112, "maya": 31113, "ws": 31114}
WAYS = {"livelink": "livelink://127.0.0.1:31111", "vmc": "vmc://127.0.0.1:31112", "maya": "maya://127.0.0.1:31113",
        "ws": "ws://127.0.0.1:31114"}  # fmt: skip
Arrivals = list[tuple[float, int]]  # seconds, number of the frame


def receive(kind: str, seconds: float) -> Arrivals:
    """Every frame of one kind as it arrives, until `seconds` have passed or the sender has gone."""
    end = time.perf_counter() + seconds
    if kind == "ws":
        return asyncio.run(_page(end))
    if kind == "maya":
        return _lines(end)
    heard: Arrivals = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", PORTS[kind]))
        udp.settimeout(0.5)
        while time.perf_counter() < end:
            try:
                data = udp.recv(65536)
            except TimeoutError:
                continue
            if kind == "livelink":
                device = struct.unpack_from(">i", data, 1)[0]
                subject = struct.unpack_from(">i", data, 5 + device)[0]
                heard.append((time.perf_counter(), struct.unpack_from(">i", data, 9 + device + subject)[0]))
            elif b"/VMC/Ext/T\0" in data:  # the first bundle of a frame; numbered by its time
                place = data.index(b"/VMC/Ext/T\0") + 16
                heard.append((time.perf_counter(), round(struct.unpack_from(">f", data, place)[0] * 30)))
    return heard


def _lines(end: float) -> Arrivals:
    heard: Arrivals = []
    with socket.create_server(("127.0.0.1", PORTS["maya"])) as server:
        server.settimeout(max(1.0, end - time.perf_counter()))
        opened, _ = server.accept()
        with opened, opened.makefile("r") as stream:
            for line in stream:
                if line.startswith("tinyface frame"):
                    heard.append((time.perf_counter(), int(line.split()[2])))
    return heard


async def _page(end: float) -> Arrivals:
    from websockets.asyncio.client import connect

    heard: Arrivals = []
    while time.perf_counter() < end and not heard:
        try:
            async with connect(f"ws://127.0.0.1:{PORTS['ws']}") as page:
                async for message in page:
                    frame = json.loads(message)
                    if "index" in frame:
                        heard.append((time.perf_counter(), int(frame["index"])))
        except OSError:
            await asyncio.sleep(0.1)
    return heard


def measured(heard: Arrivals, fps: float = 30.0) -> dict[str, float]:
    """Frames, lost between first and last, jitter around the even raster in ms, and drift over the run in ms."""
    if len(heard) < 2:  # it never connected: the row says so
        return dict.fromkeys(("frames", "lost", "jitter_p50_ms", "jitter_p99_ms", "drift_ms", "minutes"), 0)
    times, numbers = np.array([at for at, _ in heard]), np.array([number for _, number in heard])
    off = (times - numbers / fps) * 1000
    off -= np.median(off)
    tenth = max(1, len(off) // 10)
    # the floor of a stretch is its best arrival: other work can only make frames later
    drift = np.percentile(off[-tenth:], 10) - np.percentile(off[:tenth], 10)
    jitter = np.abs(off)
    return {
        "frames": len(heard),
        "lost": int(numbers[-1] - numbers[0] + 1 - len(set(numbers.tolist()))),
        "jitter_p50_ms": round(float(np.percentile(jitter, 50)), 2),
        "jitter_p99_ms": round(float(np.percentile(jitter, 99)), 2),
        "drift_ms": round(float(drift), 2),
        "minutes": round((times[-1] - times[0]) / 60, 2),
    }


def run(model: Path, wav: Path, seconds: float, busy: int) -> tuple[dict[str, dict[str, float]], dict[str, object]]:
    """A run with `busy` processes that only burn time beside it: figures of every receiver, counters of the sender."""
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    listen = [sys.executable, "-m", "tests.live_report", "--receive"]
    receivers = {
        kind: subprocess.Popen([*listen, kind, "--seconds", str(seconds + 30)], cwd=ROOT, stdout=subprocess.PIPE)
        for kind in WAYS
    }
    try:
        time.sleep(4)
        command = [sys.executable, "-m", "sdk", "live", str(model), "--wav", str(wav), "--loop", "--for", str(seconds)]
        command += ["--stats", "--quiet", *(word for way in WAYS.values() for word in ("--to", way))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        facts = json.loads(done.stderr.splitlines()[-1])
        outputs = {kind: receiver.communicate()[0] for kind, receiver in receivers.items()}
    finally:
        for process in [*burning, *receivers.values()]:
            process.kill()
            process.wait()
    return {kind: measured(json.loads(output)) for kind, output in outputs.items()}, facts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=ROOT / "build/demo/model.pte")
    parser.add_argument("--wav", type=Path, default=ROOT / "runtime_examples/animate/sentence.flac")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument(
        "--busy", type=int, nargs="*", default=[0, (os.cpu_count() or 2) - 1], help="runs: busy processes"
    )
    parser.add_argument("--receive", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        print(json.dumps(receive(options.receive, options.seconds)))
        return 0
    print(f"{options.model}, {options.seconds:g} s, load average {os.getloadavg()[0]:.1f} at the start")
    for busy in options.busy:
        rows, facts = run(options.model, options.wav, options.seconds, busy)
        late = facts["left_late_ms"]
        print(f"\n{busy} busy processes beside it; dropped {facts['dropped']}, left late by {late} ms", flush=True)
        print(
            "| stream | minutes | frames | lost | jitter p50, ms | p99, ms | drift, ms |\n|---|---|---|---|---|---|---|"
        )
        for kind, row in rows.items():
            words = ("minutes", "frames", "lost", "jitter_p50_ms", "jitter_p99_ms", "drift_ms")
            print(f"| {kind} | {' | '.join(re.sub('[.]0$', '', str(row[word])) for word in words)} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""`make mic-report`: how far the mouth is behind the sound, by a microphone, against what `Latency` promises. No test.

Speech is played into a virtual sound card. Two programs listen to it: parec, which tells when the sound is there, and
`tinyface live --mic`, whose frames arrive at a socket here. The lag of the jaw's curve behind parec's sound is the
figure; parec asks for 5 ms of buffer, so it hears at most that late, and the figure errs on the small side by as much.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import sdk
from sdk.sounds.recording import read_recording
from tests.virtual_sound import lacking, virtual_sound

ROOT = Path(__file__).resolve().parent.parent
RATE = 48000
STEP_S = 0.002


def heard_by_parec(environment: dict[str, str], levels: list[tuple[float, float]], over: threading.Event) -> None:
    """Level of every 5 ms of the cable, with the moment at which it was there."""
    command = [
        "parec",
        "--device=cable.monitor",
        f"--rate={RATE}",
        "--channels=1",
        "--format=s16le",
        "--latency-msec=5",
    ]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as parec:
        assert parec.stdout
        while not over.is_set():
            data = parec.stdout.read(480)
            if not data:
                return
            levels.append((time.perf_counter(), float(np.abs(np.frombuffer(data, "<i2").astype(float)).mean())))
        parec.terminate()


def lag(times: np.ndarray, curve: np.ndarray, wanted_s: np.ndarray, wanted: np.ndarray) -> float:
    """By how many seconds `curve` at `times` is behind `wanted` at `wanted_s`: the shift at which they agree best."""
    grid = np.arange(0.0, wanted_s[-1], STEP_S)
    reference = np.interp(grid, wanted_s, wanted)
    shifts = np.arange(times[0], times[-1] - wanted_s[-1], STEP_S)
    errors = [np.square(np.interp(grid + shift, times, curve) - reference).mean() for shift in shifts]
    return float(shifts[int(np.argmin(errors))])


def measure(model: Path, wav: Path) -> dict[str, float]:
    """Milliseconds: mouth behind sound as measured, and as promised; and how much both programs left late."""
    samples, rate = read_recording(wav)
    frames = sdk.predict(model, samples, rate)
    wanted_s = np.array([frame.sample / 16000 for frame in frames])
    wanted = np.array([frame["jawOpen"] for frame in frames])
    loud = np.abs(samples).max(axis=1) > 0.05
    onset_s = float(np.argmax(loud)) / rate
    levels: list[tuple[float, float]] = []
    got: list[tuple[float, float]] = []
    over = threading.Event()
    with tempfile.TemporaryDirectory() as folder, virtual_sound(Path(folder)) as sound:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(0.2)
        command = [sys.executable, "-m", "sdk", "live", str(model), "--mic", "cable", "--rate", str(RATE), "--stats"]
        live = subprocess.Popen(
            [*command, "--to", f"jsonl://127.0.0.1:{udp.getsockname()[1]}"],
            cwd=ROOT, env=sound.environment, stderr=subprocess.PIPE,
        )  # fmt: skip
        listener = threading.Thread(target=heard_by_parec, args=(sound.environment, levels, over))
        listener.start()

        def receive() -> None:
            while not over.is_set():
                try:
                    frame = json.loads(udp.recv(65536))
                except TimeoutError:
                    continue
                got.append((time.perf_counter(), frame["values"]["jawOpen"]))

        receiver = threading.Thread(target=receive)
        receiver.start()
        while len(got) < 60:
            time.sleep(0.1)
        sound.play(wav).wait()
        time.sleep(1.0)
        live.send_signal(2)
        _, said = live.communicate()
        over.set()
        receiver.join()
        listener.join()
    at, level = np.array(levels).T
    there = at[int(np.argmax(level > 0.02 * 32768))] - onset_s  # when sample 0 was there
    times, jaw = np.array(got).T
    keep = times > there - 0.5
    facts = json.loads(said.decode().splitlines()[-1])
    promised = re.search(r"the face is (\d+) ms", said.decode())
    return {
        "measured": 1000 * (lag(times[keep], jaw[keep], wanted_s, wanted) - there),
        "promised": float(promised[1]) if promised else 0.0,
        "late_p50": facts["left_late_ms"]["p50"],
        "late_p99": facts["left_late_ms"]["p99"],
        "dropped": facts["dropped"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--wav", type=Path, required=True, help="speech, 48 kHz")
    options = parser.parse_args()
    if why := lacking():
        print(f"cannot measure: {why}", file=sys.stderr)
        return 2
    print("| model | measured, ms | promised, ms | left late p50, ms | p99, ms | dropped |\n|---|---|---|---|---|---|")
    for model in options.models:
        row = measure(model, options.wav)
        print(f"| {model} | " + " | ".join(f"{value:.1f}" for value in row.values()) + " |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

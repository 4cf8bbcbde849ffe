"""Hours of audio through every engine that plays an artefact: no frame out of its place, and no memory gained.

    python -m tests.soak build/demo/model.pte --hours 1 [--native build/native/lib] [--program build/native/bin/soak]
                                                                                       make soak HOURS=1

Audio hours, fed as fast as they are taken, in blocks of 10 ms at 48 kHz: ten seconds of noise, pauses and a tail that
dies away, over and over. Memory is what the kernel says of this process; the first tenth warms up. Status 1 where a
frame is not the next one, where its sample is not the clock's, or where more than a megabyte was gained. `--program`
is the same in C alone (`sdk/c/tests/soak.cpp`, some twenty times faster): a voice at 48 kHz, one at 44.1 kHz and 29.97
frames a second, and sixteen in a crowd.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import sdk

RATE_HZ = 48000
BLOCK = RATE_HZ // 100
GAINED_BYTES = 1_000_000
IN_C = (("48000",), ("44100", "1", "30000", "1001"), ("16000", "16"))  # what follows artefact and hours


def noise() -> np.ndarray:
    """Ten seconds, float32: loud, silent, and dying away through all that a float can hold."""
    made = np.random.default_rng(0).standard_normal(10 * RATE_HZ) * 0.1
    made[4 * RATE_HZ : 6 * RATE_HZ] = 0
    made[7 * RATE_HZ :] *= np.exp(-np.linspace(0, 100, 3 * RATE_HZ))
    return made.astype(np.float32)


def resident_bytes() -> int:
    """What this process holds by the kernel's count; 0 where it does not say (Linux alone does)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    line = next(one for one in status.read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def soak(voice: sdk.FramePredictor | sdk.NativePredictor, hours: float) -> str:
    """Play `hours` of audio; returns what was found, or raises `AssertionError` with what went wrong."""
    clock, audio = voice.clock, noise()
    blocks = max(100, round(hours * 3600 * 100))
    frames, before, started = 0, 0, time.monotonic()
    for number in range(blocks):
        if number == blocks // 10:
            before = resident_bytes()
        at = number * BLOCK % len(audio)
        for frame in voice.push(audio[at : at + BLOCK]):
            if frame.index != frames or frame.sample != clock.sample(frames):
                raise AssertionError(f"frame {frames} came as {frame.index} at sample {frame.sample}")
            if not np.isfinite(frame.values).all():
                raise AssertionError(f"frame {frames} is not finite")
            frames += 1
    gained = resident_bytes() - before
    frames += len(voice.finish())
    wanted = clock.frames_before(blocks * BLOCK * 16000 // RATE_HZ)
    if frames != wanted:
        raise AssertionError(f"{frames} frames came of {wanted}: the clock drifted")
    if gained > GAINED_BYTES:
        raise AssertionError(f"{gained:,} bytes were gained in {blocks / 360_000:.2f} h")
    took = time.monotonic() - started
    return f"{blocks / 360_000:.2f} h of audio in {took:.0f} s: {frames:,} frames in their places, {gained:+,} bytes"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.split("\n")[0])
    parser.add_argument("artefact", type=Path)
    parser.add_argument("--hours", type=float, default=1.0, help="of audio, through each engine")
    parser.add_argument("--native", type=Path, help="folder of the C library, to play through it too")
    parser.add_argument("--program", type=Path, help="`soak` of the C library's tests, to play through it too")
    options = parser.parse_args(arguments)
    engines: dict[str, Callable[[], sdk.FramePredictor | sdk.NativePredictor]] = {
        "python": lambda: sdk.FramePredictor(sdk.open(options.artefact), rate_hz=RATE_HZ)
    }
    if options.native:
        engines["native"] = lambda: sdk.NativePredictor(
            sdk.NativeModel(options.artefact, options.native), rate_hz=RATE_HZ
        )
    failed = 0
    for name, make in engines.items():
        try:
            print(f"{name}: {soak(make(), options.hours)}", flush=True)
        except AssertionError as error:
            print(f"{name}: {error}", flush=True)
            failed += 1
    if options.program:
        is_window = sdk.open(options.artefact).manifest.kind == "window"
        for words in IN_C[:2] if is_window else IN_C:  # there is no crowd of window students
            failed += bool(subprocess.run([options.program, options.artefact, str(options.hours), *words]).returncode)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

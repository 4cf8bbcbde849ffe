"""Animate one recording and show it: frames as Live Link Face CSV and JSON lines, and a picture of the lips.

    python -m runtime_examples.animate build/demo/model.pte --audio speech.wav --out build/demo

Without --audio it speaks the bundled synthetic sentence, whose phones are known. Everything here uses `sdk` alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import sdk
from runtime_examples.animate.picture import draw
from sdk.audio import StreamingResampler, to_mono_float
from sdk.errors import AudioError, TinyfaceError
from sdk.face import CLOSED_CM, Face
from sdk.plugins import load_plugin

HERE = Path(__file__).parent


class SpokenPhone(NamedTuple):
    """One phone for the picture: IPA symbol, start and end in seconds."""

    symbol: str
    start: float
    end: float


def read_phones(path: Path | None) -> list[SpokenPhone]:
    """Rows `[symbol, start, end, ...]` of a JSON file; none without a file. Raises `AudioError` if it holds others."""
    if path is None:
        return []
    try:
        return [SpokenPhone(str(row[0]), float(row[1]), float(row[2])) for row in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, TypeError, IndexError, KeyError) as error:
        raise AudioError(f"{path}: no phone rows [symbol, start, end]: {error}") from error


def read_audio(path: Path) -> tuple[np.ndarray, int]:
    """Samples as stored and their rate. Raises `AudioError` for what is no sound."""
    import soundfile

    try:
        samples, rate_hz = soundfile.read(str(path), dtype="float32")
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{path}: not readable as sound ({error}); give wav, flac, ogg or mp3") from error
    return samples, rate_hz


def summary(gap_cm: np.ndarray, fps: float, phones: Sequence[SpokenPhone]) -> str:
    """How many /p b m/ the lips meet, in one line."""
    shut = asked = 0
    for phone in phones:
        if phone.symbol[:1] in "pbm":
            first, last = int(phone.start * fps) - 2, int(phone.end * fps) + 3
            asked += 1
            shut += bool((gap_cm[max(first, 0) : last] <= CLOSED_CM).any())
    return f"lips shut on {shut} of {asked} /p b m/" if asked else f"widest lip gap {gap_cm.max():.2f} cm"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m runtime_examples.animate", description=__doc__.split("\n")[0])
    parser.add_argument("artefact", type=Path, help=".pte or .pt made by export.build")
    parser.add_argument("--audio", type=Path, help="recording to animate (default: the bundled sentence)")
    parser.add_argument("--phones", type=Path, help="its phones, JSON rows [symbol, start, end]")
    parser.add_argument("--face", type=Path, help="npz face instead of the default head")
    parser.add_argument("--out", type=Path, required=True, help="folder for frames.csv, frames.jsonl, picture.png")
    options = parser.parse_args(arguments)
    audio = options.audio or HERE / "sentence.flac"
    try:
        phones = read_phones(options.phones if options.audio else HERE / "sentence.phones.json")
        samples, rate_hz = read_audio(audio)
        engine = sdk.open(options.artefact)
        frames = sdk.predict(engine, samples, rate_hz)
        layout, fps = engine.manifest.layout, engine.manifest.frame_rate
        options.out.mkdir(parents=True, exist_ok=True)
        for name, suffix in (("csv", "csv"), ("jsonl", "jsonl")):
            protocol = load_plugin("sdk.protocols", name, "PROTOCOL")
            lines = [protocol.header(layout, fps), *(protocol.encode(frame, layout) for frame in frames)]
            (options.out / f"frames.{suffix}").write_bytes(b"".join(lines))
        face = Face.from_npz(options.face) if options.face else Face.default()
        values = np.stack([frame.values for frame in frames])
        resampler = StreamingResampler(rate_hz)
        mono = np.concatenate([resampler.push(to_mono_float(samples)), resampler.finish()])
        title = f"{audio.name} by {engine.manifest.student} ({options.artefact.name})"
        draw(options.out / "picture.png", mono, phones, values, float(fps), layout, face, title)
    except TinyfaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"artefact  {options.artefact}")
    print(f"frames    {options.out / 'frames.csv'} and frames.jsonl: {len(frames)} at {float(fps):g} fps")
    print(f"picture   {options.out / 'picture.png'}")
    print(f"result    {summary(face.lip_gap_cm(values, layout), float(fps), phones)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Animate one recording and show it: frames as Live Link Face CSV and JSON lines, and a picture of the lips.

    python -m runtime_examples.animate build/demo/model.pte --audio speech.wav --out build/demo

Without --audio it speaks the bundled synthetic sentence, whose phones are known. Everything here uses `sdk` alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

import sdk
from runtime_examples.animate.picture import draw, is_shut
from sdk.audio import StreamingResampler, to_mono_float
from sdk.errors import AudioError, DataError, RigError
from sdk.faces.face import Face
from sdk.sounds.sound import read_sound
from sdk.tools.command import ending
from sdk.tools.limits import LONGEST_SPEECH_S, read_json_file
from sdk.tools.plugins import load_plugin

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
        rows = read_json_file(path, AudioError)
        phones = [SpokenPhone(str(row[0]), float(row[1]), float(row[2])) for row in rows]
        if any(not 0 <= phone.start <= phone.end <= LONGEST_SPEECH_S for phone in phones):
            raise ValueError("times that are none")
    except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
        raise AudioError(f"{path}: no phone rows [symbol, start, end]: {error}") from error
    return phones


def summary(gap_cm: np.ndarray, fps: float, phones: Sequence[SpokenPhone]) -> str:
    """How many /p b m/ the lips meet, in one line."""
    shut = [is_shut(gap_cm, phone.start, phone.end, fps) for phone in phones if phone.symbol[:1] in ("p", "b", "m")]
    return f"lips shut on {sum(shut)} of {len(shut)} /p b m/" if shut else f"widest lip gap {gap_cm.max():.2f} cm"


def write_frames(out: Path, frames: Sequence[sdk.Frame], fps: Fraction) -> list[str]:
    """Write `frames.csv` and `frames.jsonl` into `out`; returns one line each, also for a rig that CSV cannot carry."""
    layout, said = frames[0].layout, []
    for name in ("csv", "jsonl"):
        protocol, path = load_plugin("sdk.protocols", name, "PROTOCOL"), out / f"frames.{name}"
        try:
            lines = [protocol.header(layout, fps), *(protocol.encode(frame, layout) for frame in frames)]
        except RigError as error:
            said.append(f"no {name}: {error}")
            continue
        path.write_bytes(b"".join(lines))
        said.append(f"{path}: {len(frames)} at {float(fps):g} fps")
    return said


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m runtime_examples.animate", description=__doc__.split("\n")[0])
    parser.add_argument("artefact", type=Path, help=".pte or .pt made by export.build")
    parser.add_argument("--audio", type=Path, help="recording to animate (default: the bundled sentence)")
    parser.add_argument("--phones", type=Path, help="its phones, JSON rows [symbol, start, end]")
    parser.add_argument("--face", type=Path, help="npz or glTF face instead of the default head")
    parser.add_argument("--out", type=Path, required=True, help="folder for frames.csv, frames.jsonl, picture.png")
    parser.add_argument("--trust", action="store_true", help="open a .pt too: you know who made it")
    options = parser.parse_args(arguments)
    with ending("interrupted") as end:
        for line in animate(options):
            print(line)
    return end.status


def animate(options: argparse.Namespace) -> list[str]:
    """Write what the command line asks for; what was written, and how many closures the lips made.

    Raises `DataError` where nothing can be written, and what reading the artefact, sound and phones raises.
    """
    audio = options.audio or HERE / "sentence.flac"
    try:
        phones = read_phones(options.phones or (None if options.audio else HERE / "sentence.phones.json"))
        samples, rate_hz = read_sound(audio)
        engine = sdk.open(options.artefact, trusted=options.trust)
        frames = sdk.predict(engine, samples, rate_hz)
        layout, fps = engine.manifest.layout, engine.manifest.frame_rate
        options.out.mkdir(parents=True, exist_ok=True)
        written = write_frames(options.out, frames, fps)
        face = Face.from_file(options.face) if options.face else Face.default()
        values = np.stack([frame.values for frame in frames])
        resampler = StreamingResampler(rate_hz)
        mono = np.concatenate([resampler.push(to_mono_float(samples)), resampler.finish()])
        title = f"{audio.name} by {engine.manifest.student} ({options.artefact.name})"
        draw(options.out / "picture.png", mono, phones, values, float(fps), layout, face, title)
    except OSError as error:  # reading has errors of its own; what is left is writing
        raise DataError(f"cannot write into {options.out}: {error.strerror or error}") from error
    return [
        f"artefact  {options.artefact}",
        *(f"frames    {line}" for line in written),
        f"picture   {options.out / 'picture.png'}",
        f"result    {summary(face.lip_gap_cm(values, layout), float(fps), phones)}",
    ]


if __name__ == "__main__":
    raise SystemExit(main())

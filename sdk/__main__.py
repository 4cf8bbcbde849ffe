"""`python -m sdk info FILE` describes an artefact, `python -m sdk card FILE` as a model card in Markdown;
`python -m sdk animate FILE AUDIO --out FRAMES` plays sound into it.

Exit status: 0 done, 2 a mistake that the message explains, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sdk.artifact import open_artifact
from sdk.card import NORMALISATION, card, flat
from sdk.clock import FrameClock
from sdk.command import ending
from sdk.engines import open_engine
from sdk.errors import AudioError
from sdk.latency import Latency
from sdk.manifest import Manifest
from sdk.plugins import load_plugin, plugin_names
from sdk.predictor import FramePredictor
from sdk.protocols.base import FrameProtocol
from sdk.sound import open_sound
from sdk.whole import whole_file


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors of ours become a line on stderr, never a traceback."""
    parser = argparse.ArgumentParser(prog="python -m sdk", description="Speech audio in, face-rig frames out.")
    commands = parser.add_subparsers(dest="command", required=True)
    info = commands.add_parser("info", help="print what an artefact says about itself")
    info.add_argument("artefact", type=Path)
    info.add_argument("--json", action="store_true", help="print the manifest as JSON")
    card_of = commands.add_parser("card", help="print an artefact's model card, as Markdown")
    card_of.add_argument("artefact", type=Path)
    animate = commands.add_parser("animate", help="animate a recording")
    animate.add_argument("artefact", type=Path)
    animate.add_argument("audio", type=Path)
    outputs = ", ".join(f".{name}" for name in plugin_names("sdk.protocols", "PROTOCOL"))
    animate.add_argument("--out", type=Path, required=True, help=f"file to write; its suffix is the format: {outputs}")
    animate.add_argument("--fps", help="frames a second: 30, 29.97, 30000/1001 (default: the artefact's own)")
    animate.add_argument("--no-ensemble", action="store_true", help="leave out smoothing that the artefact asks for")
    chosen = parser.parse_args(arguments)
    with ending() as end:
        if chosen.command == "info":
            _info(chosen.artefact, chosen.json)
        elif chosen.command == "card":
            print(card(open_artifact(chosen.artefact)), end="")
        else:
            _animate(chosen.artefact, chosen.audio, chosen.out, chosen.fps, chosen.no_ensemble)
    return end.status


def _info(path: Path, as_json: bool) -> None:
    artifact = open_artifact(path)
    manifest = artifact.manifest
    if as_json:
        print(json.dumps(json.loads(manifest.to_json()), indent=2, ensure_ascii=False))
        return
    clock = FrameClock(manifest.frame_rate)
    latency = Latency.of(clock, manifest.timing, ensemble=bool(manifest.ensemble))
    sees = f"{manifest.window_samples} samples, {manifest.timing.future_ms:g} ms of future"
    if manifest.kind == "stream":
        floats = sum(math.prod(shape) for shape in manifest.state)
        sees = f"hops of {sees}, state of {4 * floats:,} bytes a voice, crowds of {manifest.crowd_voices or 1}"
    rows: list[tuple[str, Any]] = [
        ("artefact", path),
        ("student", f"{manifest.student} ({manifest.kind}), {manifest.parameters:,} parameters, {manifest.precision}"),
        ("runs on", f"{manifest.runtime}, {manifest.backend}"),
        ("file", f"{path.stat().st_size:,} bytes, of which program {artifact.program_bytes:,}"),
        ("sha256", artifact.sha256),
        ("weights", manifest.weights_sha256),
        ("sees", sees),
        ("frames", f"{float(manifest.frame_rate):g} a second"),
        ("ensemble", ", ".join(f"{weight:.4g}" for weight in manifest.ensemble) or "none"),
        ("latency", f"{latency.total_ms:.1f} ms at 16 kHz, plus the caller's chunk and the inference"),
        ("history", manifest.history),
        ("normalisation", NORMALISATION),
        ("channels", f"{len(manifest.names)}, least to most (at rest): {_channels(manifest)}"),
        ("schema", manifest.schema),
    ]
    for title, facts in (("tool", manifest.tools), ("training", manifest.training), ("score", manifest.scores)):
        rows += [(f"{title} {name}", value) for name, value in flat(facts)]
    width = max(len(title) for title, _ in rows)
    for title, value in rows:
        print(f"{title:<{width}}  {value}")


def _channels(manifest: Manifest) -> str:
    """Names with their ranges; ranges alike are told once, behind the last name that has them."""
    groups: list[tuple[str, list[str]]] = []
    for name, low, high, rest in zip(manifest.names, manifest.minimum, manifest.maximum, manifest.neutral, strict=True):
        words = f"{low:g} to {high:g} ({rest:g})"
        if groups and groups[-1][0] == words:
            groups[-1][1].append(name)
        else:
            groups.append((words, [name]))
    return "; ".join(f"{', '.join(names)}: {words}" for words, names in groups)


def _animate(artefact: Path, audio: Path, out: Path, fps: str | None, no_ensemble: bool) -> None:
    protocol: FrameProtocol = load_plugin("sdk.protocols", out.suffix[1:].lower(), "PROTOCOL")
    engine = open_engine(artefact)
    with open_sound(audio) as sound:
        rate = int(sound.samplerate)
        predictor = FramePredictor(engine, rate_hz=rate, fps=fps, ensemble=False if no_ensemble else None)
        layout, count, heard = predictor.layout, 0, 0
        with whole_file(out) as stream:
            stream.write(protocol.header(layout, predictor.clock.fps))
            for block in _progress(_blocks(sound, audio), -(-sound.frames // rate)):
                heard += len(block)
                frames = predictor.push(block)
                stream.writelines(protocol.encode(frame, layout) for frame in frames)
                count += len(frames)
            if not heard:
                raise AudioError(f"{audio}: holds no samples")
            tail = predictor.finish()
            stream.writelines(protocol.encode(frame, layout) for frame in tail)
    print(f"{out}: {count + len(tail)} frames at {float(predictor.clock.fps):g} fps from {heard / rate:.2f} s of audio")


def _blocks(sound: Any, path: Path) -> Iterator[np.ndarray]:
    """The recording `(n, channels)` a second at a time. Raises `AudioError` where it cannot be decoded."""
    try:
        yield from sound.blocks(blocksize=int(sound.samplerate), dtype="float32", always_2d=True)
    except (RuntimeError, OSError) as error:
        raise AudioError(f"{path}: damaged ({error}); give a sound file that plays to its end") from error


def _progress(blocks: Iterable[np.ndarray], total: int) -> Iterable[np.ndarray]:
    """A bar on a terminal, if tqdm is there."""
    try:
        from tqdm import tqdm
    except ImportError:
        return blocks
    bar: Iterable[np.ndarray] = tqdm(blocks, total=total, unit="s", desc="animating", disable=None, delay=1)
    return bar


if __name__ == "__main__":
    sys.exit(main())

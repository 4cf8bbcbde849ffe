"""What `animate` and `live` have in common: the model, the face's options, durations, names."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from sdk.engines import open_engine
from sdk.engines.base import Engine
from sdk.errors import ConfigError
from sdk.live.life import Life
from sdk.live.performance import Performance
from sdk.live.shaping import Shaping
from sdk.names import convention, conventions
from sdk.names.convert import Convention, arkit_values, check_mouth
from sdk.predictor import FramePredictor
from sdk.rig import Frame, RigLayout
from sdk.tools.command import at_least, quietly

MODEL_VARIABLE = "TINYFACE_MODEL"
DEMO_MODEL = Path("build/demo/model.pte")
SUFFIXES = (".pte", ".pt")


def add_face_options(parser: argparse.ArgumentParser) -> None:
    """Options of the face, the same wherever frames are made."""
    face = parser.add_argument_group("the face")
    face.add_argument("--model", type=Path, metavar="FILE", help=f"artefact; else ${MODEL_VARIABLE}, else {DEMO_MODEL}")
    face.add_argument("--trust", action="store_true", help="open a .pt (TorchScript) too: you know who made it")
    face.add_argument("--key", metavar="HEX", help="public key of its maker: refuse a model without that signature")
    face.add_argument("--apart", action="store_true", help="run the model in a process of its own: it is a stranger's")
    face.add_argument("--fps", help="frames a second: 30, 29.97, 30000/1001 (default: the artefact's own)")
    face.add_argument("--no-ensemble", action="store_true", help="leave out smoothing that the artefact asks for")
    face.add_argument("--strength", type=float, default=1.0, metavar="X", help="of all movement: 1.3 is more, 0.7 less")
    face.add_argument(
        "--channels", type=Path, metavar="FILE", help="lines `name gain [offset [low high]]`, name or mouth*"
    )
    face.add_argument(
        "--rest", default="0.3s", metavar="TIME", help="in which the face comes to rest at the end; 0 for not"
    )
    face.add_argument(
        "--life", type=at_least(0), metavar="SEED", help="add blinks, glances and brows; never touches the mouth"
    )
    face.add_argument(
        "--style", action="append", default=[], metavar="NAME=X", help="a mood of a model with styles: anger=0.7"
    )
    face.add_argument("--names", choices=conventions(), metavar="NAME", help=f"channels as {', '.join(conventions())}")
    face.add_argument(
        "--channel", type=int, metavar="N", help="hear this channel of the recording, from 1, not the mean"
    )


def split_model(words: list[str], model: Path | None) -> tuple[Path, list[str]]:
    """(artefact, the other words): the first word is the artefact if it is named like one. Raises `ConfigError`."""
    if words and Path(words[0]).suffix.lower() in SUFFIXES:
        return Path(words[0]), words[1:]
    if model is None and os.environ.get(MODEL_VARIABLE):
        model = Path(os.environ[MODEL_VARIABLE])
    if model is None and DEMO_MODEL.exists():
        model = DEMO_MODEL
    if model is None:
        raise ConfigError(
            f"no artefact: give --model FILE, set {MODEL_VARIABLE}, or make one: "
            "python -m export.build --budget 8MB --out build/demo"
        )
    return model, words


def seconds(text: str) -> float:
    """`0.3s`, `300ms` or `0.3` as seconds. Raises `ConfigError`."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(ms|s)?\s*", text)
    if not match:
        raise ConfigError(f"{text!r} is no time: give 0.3s or 300ms")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def performance(options: argparse.Namespace, model: Path, rate_hz: int) -> Performance:
    """The voice and its face as asked for. Raises `ConfigError` and what opening an artefact raises."""
    return performance_of(options, opened(model, options), rate_hz)


def opened(model: Path, options: argparse.Namespace) -> Engine:
    """The artefact, as `--trust` and `--key` say, without its runtime's chatter. Raises what opening raises."""
    with quietly():
        return open_engine(model, trusted=options.trust, key=options.key, apart=options.apart)


def performance_of(options: argparse.Namespace, engine: Engine, rate_hz: int) -> Performance:
    predictor = FramePredictor(
        engine, rate_hz=rate_hz, fps=options.fps, ensemble=False if options.no_ensemble else None
    )
    if options.style:
        predictor.style(**strengths(options.style))
    layout = predictor.layout
    life = None if options.life is None else Life(layout, options.life)
    return Performance(predictor, Shaping.of(layout, options.strength, options.channels), life, seconds(options.rest))


def strengths(words: Iterable[str]) -> dict[str, float]:
    """`anger=0.7` as a name and a number. Raises `ConfigError`."""
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise ConfigError(f"--style {word!r}: give a name and a strength: --style anger=0.7") from None
    return found


class Renamed:
    """Frames in a convention's names, order and scale; `None` leaves them as they are. Raises `RigError` for a rig that
    has not ARKit's mouth, of which all conventions are made."""

    def __init__(self, name: str | None, layout: RigLayout) -> None:
        self._to: Convention | None = convention(name) if name else None
        self.layout = layout
        if self._to:
            check_mouth(layout, f"--names {name}")
            count = len(self._to.names)
            self.layout = RigLayout(self._to.names, (0.0,) * count, (self._to.scale,) * count)

    def frame(self, frame: Frame) -> Frame:
        if self._to is None:
            return frame
        values = self._to.from_arkit(arkit_values(frame.values, frame.layout)).astype(np.float32)
        return Frame(frame.index, frame.sample, values, self.layout)

    def frames(self, frames: Iterable[Frame]) -> list[Frame]:
        return [self.frame(frame) for frame in frames]


def rate_word(fps: Fraction) -> str:
    """30000/1001 as people say it: 29.97."""
    return f"{float(fps):.5g}"

"""`tinyface animate`: a recording and, if there is one, a head, into a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from sdk.cli.shared import Renamed, add_face_options, performance, rate_word, seconds, split_model
from sdk.errors import AudioError, ConfigError, FaceError, few
from sdk.faces.face import Face
from sdk.live.performance import Performance
from sdk.protocols.base import FrameProtocol, at
from sdk.rig import Frame
from sdk.scenes.glb import read_scene
from sdk.scenes.head import head_scene
from sdk.scenes.spoken import animate_scene
from sdk.scenes.targets import read_map
from sdk.scenes.usd import SUFFIXES as USD
from sdk.scenes.usd import check_usd, usd_bytes
from sdk.sounds.recording import PhaseWatch, Sound, one_channel, open_recording, show
from sdk.tools.command import say, stdout_file
from sdk.tools.plugins import load_plugin, plugin_names
from sdk.tools.whole import whole_file

_EXAMPLES = """examples:
  tinyface animate speech.wav --out frames.csv                     Live Link Face CSV; or .jsonl
  tinyface animate speech.wav --mesh head.glb --out spoken.glb     into your head: ARKit, VRM, Oculus, CC4 names
  tinyface animate talk.m4a --out spoken.glb --life 7              our head, with blinks; m4a and webm by ffmpeg
  tinyface animate speech.wav --out spoken.usda --fps 24           USD time samples
  record | tinyface animate - --out - --names unity | ./engine     a pipe to a pipe, JSON lines
  tinyface animate build/s7/model.pte speech.wav --out f.csv --strength 1.3 --rest 0.5s
  tinyface animate build/s7-styled/model.pte speech.wav --out sad.glb --style sadness=0.8 --life 7
"""


def add_animate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The subcommand's options."""
    parser = commands.add_parser(
        "animate", help="animate a recording", epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="tinyface animate [MODEL] RECORDING --out FILE [--mesh HEAD] [options]",
    )  # fmt: skip
    parser.add_argument("words", nargs="+", metavar="[MODEL] RECORDING", help="a sound file, or - for stdin")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help=f"file to write, its suffix is the format: {', '.join(_outputs())}; - is JSON lines to stdout",
    )
    parser.add_argument("--mesh", type=Path, metavar="HEAD", help="your head, .glb, .gltf or .vrm (else ours)")
    parser.add_argument("--map", type=Path, metavar="JSON", help='your names: {"jawOpen": {"Jaw_Drop": 0.9}}')
    add_face_options(parser)


def _outputs() -> tuple[str, ...]:
    """The suffixes that a file may have."""
    return (*(f".{name}" for name in plugin_names("sdk.protocols", "PROTOCOL")), ".glb", *USD)


def run_animate(options: argparse.Namespace) -> None:
    """Run the command. Raises errors whose words the user is shown."""
    model, words = split_model(options.words, options.model)
    if len(words) != 1:
        raise ConfigError(f"one recording at a time, not {len(words)}: {' '.join(map(show, words))}")
    suffix = options.out.suffix.lower()
    if str(options.out) != "-" and suffix not in _outputs():
        raise ConfigError(
            f"--out {show(options.out)}: no {suffix[1:]!r} among the formats; there are: {', '.join(_outputs())}, "
            "and - for JSON lines to stdout"
        )
    seconds(options.rest)
    if options.mesh and suffix not in (".glb", *USD):
        raise ConfigError("--mesh is for --out FILE.glb or .usda")
    if options.map and suffix != ".glb":
        raise ConfigError("--map is for --out FILE.glb")
    if options.names and suffix in (".glb", *USD):
        raise ConfigError("--names is for frames (.csv, .jsonl, -): a head has names of its own")
    with open_recording(words[0]) as sound:
        act = performance(options, model, int(sound.samplerate))
        if suffix == ".glb":
            _into_glb(options, act, sound, words[0])
        elif suffix in USD:
            _into_usd(options, act, sound, words[0])
        else:
            _into_frames(options, act, sound, words[0])


def _into_frames(options: argparse.Namespace, act: Performance, sound: Sound, name: str) -> None:
    to_stdout = str(options.out) == "-"
    renamed = Renamed(options.names, act.layout)
    kind = "jsonl" if to_stdout else options.out.suffix[1:].lower()
    protocol: FrameProtocol = at(load_plugin("sdk.protocols", kind, "PROTOCOL"), act.clock.fps)
    header, heard = protocol.header(renamed.layout, act.clock.fps), _Heard(options, act, sound, name)
    with stdout_file() if to_stdout else whole_file(options.out) as stream:
        stream.write(header)
        for frames in heard:
            stream.writelines(protocol.encode(frame, renamed.layout) for frame in renamed.frames(frames))
    line = f"{show(options.out)}: {heard.said()}"
    say(line) if to_stdout else print(line)


def _into_glb(options: argparse.Namespace, act: Performance, sound: Sound, name: str) -> None:
    scene = read_scene(options.mesh) if options.mesh else head_scene(Face.default())
    if scene.outside:
        say(
            f"warning: {show(options.mesh)}: pictures that stay outside: {few(scene.outside)}; not there, or of a kind "
            f"that neither name nor mimeType tells: {show(options.out)} shows them where they lie beside it"
        )
    named = read_map(options.map) if options.map else None
    heard = _Heard(options, act, sound, name)
    with whole_file(options.out) as stream:
        frames = [frame for some in heard for frame in some]
        try:
            targets = animate_scene(scene, frames, act.layout, act.clock.fps, named, Path(show(name)).stem or "speech")
        except FaceError as error:
            raise FaceError(f"{show(options.mesh)}: {error}" if options.mesh else str(error)) from None
        stream.write(scene.to_bytes())
    print(f"{show(options.out)}: {heard.said()}; {targets.said()}")


def _into_usd(options: argparse.Namespace, act: Performance, sound: Sound, name: str) -> None:
    check_usd()
    face = Face.from_file(options.mesh) if options.mesh else Face.default()
    heard = _Heard(options, act, sound, name)
    with whole_file(options.out) as stream:
        frames = [frame for some in heard for frame in some]
        stream.write(usd_bytes(options.out.suffix, face, frames, act.layout, act.clock.fps))
    missing = face.missing(act.layout)
    print(f"{show(options.out)}: {heard.said()}; not on this head: {', '.join(missing) or 'nothing is missing'}")


class _Heard:
    """The frames of a recording as they are made, with a bar, and what to say of it afterwards."""

    def __init__(self, options: argparse.Namespace, act: Performance, sound: Sound, name: str) -> None:
        self._channel, self._act, self._sound, self._name = options.channel, act, sound, show(name)
        self.frames = self.samples = 0

    def __iter__(self) -> Iterator[list[Frame]]:
        rate = int(self._sound.samplerate)
        watch = PhaseWatch(rate)
        total = None if self._sound.frames is None else -(-self._sound.frames // rate)
        for block in _progress(self._sound.blocks(rate), total):
            if self._channel is None:
                watch.hear(block)
            self.samples += len(block)
            yield self._counted(self._act.push(one_channel(block, self._channel, self._name)))
        if not self.samples:
            raise AudioError(f"{self._name}: holds no samples")
        yield self._counted(self._act.finish())
        if watch.warning:
            say(f"warning: {self._name}: {watch.warning}")

    def _counted(self, frames: list[Frame]) -> list[Frame]:
        self.frames += len(frames)
        return frames

    def said(self) -> str:
        length = self.samples / int(self._sound.samplerate)
        return f"{self.frames} frames at {rate_word(self._act.clock.fps)} fps from {length:.2f} s of audio"


def _progress(blocks: Iterable[np.ndarray], total: int | None) -> Iterable[np.ndarray]:
    """A bar on a terminal, if tqdm is there."""
    if not sys.stderr.isatty():
        return blocks
    try:
        from tqdm import tqdm
    except ImportError:
        return blocks
    bar: Iterable[np.ndarray] = tqdm(blocks, total=total, unit="s", desc="animating", disable=None, delay=1)
    return bar

"""`tinyface live`: a microphone, a recording or a pipe, to engines, VTuber tools, Maya, pages, files, as it happens."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sdk.cli.shared import Renamed, add_face_options, opened, performance_of, split_model
from sdk.errors import AudioError, ConfigError, TinyfaceError
from sdk.live.conductor import Conductor, summary
from sdk.live.meter import Meter
from sdk.live.microphone import Microphone
from sdk.live.performance import Performance
from sdk.live.player import Player
from sdk.live.sinks import PORTS, Address, Sink, open_sink
from sdk.live.sources import BLOCK_S, Piped, Recording, Source
from sdk.rig import Frame
from sdk.tools.command import at_least, say

_INFERENCE_MS = 5.0  # what a frame may take to compute here, on top of what it waits for
_LONGEST_DELAY_MS = 5000.0
_LONGEST_S = 1e7  # of a show that ends by itself; threads count no more than some such
_ONLY_FOR = (  # options that would do nothing for another sound
    ("channel", ("wav", "stdin"), "--channel is for recordings and stdin; a microphone is heard in one"),
    ("loop", ("wav",), "--loop is for recordings; what a pipe or a microphone gave is gone"),
    ("rate", ("mic", "stdin"), "--rate is for stdin and microphones; a recording says its own"),
    ("stdin_channels", ("stdin",), "--stdin-channels is for samples on stdin"),
    ("format", ("stdin",), "--format is for samples on stdin"),
)
_EXAMPLES = """examples:
  tinyface live --mic --to livelink://127.0.0.1:11111/Anna          the system's microphone to Unreal
  tinyface live --mic "USB" --to vmc://127.0.0.1 --to csv:take.csv  by a part of its name; and kept
  tinyface live --mic --to "vmc://127.0.0.1:39539?names=vrm0"       a VRM 0 model without Perfect Sync
  tinyface live --wav speech.wav --play --delay auto --to ws://     heard in time with the mouth on a page
  tts | tinyface live - --rate 24000 --to maya://127.0.0.1:7001     samples on stdin (s16le; or a wav)
  kill -USR1 PID                                                    barge-in: forget what was heard, rest, go on
"""


def add_live(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The subcommand's options."""
    parser = commands.add_parser(
        "live", help="animate sound as it happens", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="tinyface live [MODEL] (--mic [DEVICE] | --wav FILE | -) --to WHERE [--to WHERE ...] [options]",
    )  # fmt: skip
    parser.add_argument("words", nargs="*", metavar="[MODEL] [-]", help="the artefact; - hears stdin")
    sound = parser.add_argument_group("the sound")
    sound.add_argument(
        "--mic", nargs="?", const="", metavar="DEVICE", help="a microphone, by number or part of its name"
    )
    sound.add_argument("--wav", metavar="FILE", help="a recording at its own pace")
    sound.add_argument("--loop", action="store_true", help="play the recording again and again")
    sound.add_argument("--rate", type=at_least(1), metavar="HZ", help="of stdin (16000) or the microphone (its own)")
    sound.add_argument("--stdin-channels", type=at_least(1), metavar="N", help="of samples on stdin (1)")
    sound.add_argument("--format", choices=("s16le", "f32le"), help="of samples on stdin (s16le)")
    sound.add_argument("--play", nargs="?", const="", metavar="DEVICE", help="play what is heard, held back by --delay")
    sound.add_argument(
        "--delay", default="auto", metavar="auto|MS", help="holds sound and face back; auto: what the face needs"
    )
    sound.add_argument(
        "--for", type=at_least(0, float, _LONGEST_S), dest="seconds", metavar="S", help="stop after so many seconds"
    )
    where = ", ".join(f"{scheme}://HOST:{port}" for scheme, port in PORTS.items())
    parser.add_argument(
        "--to",
        action="append",
        required=True,
        metavar="WHERE",
        help=f"{where}, csv, jsonl, csv:FILE, - ; several at once",
    )
    parser.add_argument("--stats", action="store_true", help="at the end, counters as JSON on stderr")
    parser.add_argument("--quiet", action="store_true", help="no level meter")
    add_face_options(parser)


def run_live(options: argparse.Namespace) -> None:
    """Run until the sound ends, or Ctrl-C. Raises errors whose words the user is shown."""
    _barge_in(lambda: None)  # before there is sound there is nothing to forget, and nothing that ends by it
    model, words = split_model(options.words, options.model)
    engine = opened(model, options)
    source = _source(options, words)
    act = performance_of(options, engine, source.rate_hz)
    _promised(options, act, source)
    _each_once(options.to)
    renamed = Renamed(options.names, act.layout)
    with contextlib.ExitStack() as closing:
        sinks = []
        for where in options.to:
            sinks.append(_Named(open_sink(where, renamed.layout, act.clock.fps), renamed))
            closing.callback(_let_go, sinks[-1])
        if isinstance(source, Piped):  # whoever speaks into it may take their time; the receivers are there already
            _await(source, options)
            act = performance_of(options, engine, source.rate_hz)
        delay_ms, behind_ms = _promised(options, act, source)
        player = _player(options, source, delay_ms)
        if player:
            player.start()
            closing.callback(player.stop)
        closing.callback(source.stop)
        meter = Meter(options.quiet)
        conductor = Conductor(source, act, sinks, max(delay_ms, behind_ms), player, meter.show, say)
        _listen(conductor, options.seconds)
        if not options.quiet:
            behind = f"the face is {behind_ms:.0f} ms behind the sound"
            say(f"{source.name}, {source.rate_hz} Hz -> {', '.join(options.to)}; {behind}")
        _conduct(conductor)
        meter.end()
        conductor.close()
        _report(conductor, act, options.stats)
    if conductor.broken:
        failed = "; ".join(f"{name}: {why}" for name, why in conductor.broken)
        raise TinyfaceError(f"not all was received: {failed}")


def _each_once(texts: list[str]) -> None:
    """Raises `ConfigError` for two that go to one place, where they would write over or between each other."""
    seen: dict[object, str] = {}
    for text in texts:
        where = Address.parse(text)
        place: object = (where.scheme, where.host, where.port, where.path)
        if not where.host:
            file = Path(where.path)
            place = file.resolve() if where.path else "stdout"
            if where.path and file.exists() and not file.is_file():
                continue  # a device or a pipe: whoever made it knows what it does with several
        if place in seen:
            raise ConfigError(f"--to {text!r}: goes where {seen[place]!r} goes: give it once")
        seen[place] = text


def _let_go(sink: Sink) -> None:
    with contextlib.suppress(OSError):  # the conductor has told of it, or something worse is being told
        sink.close()


def _conduct(conductor: Conductor) -> None:
    try:
        conductor.run()
    except KeyboardInterrupt:  # how live sound usually ends; a second one does not wait for the face to rest
        with contextlib.suppress(KeyboardInterrupt):
            conductor.come_to_rest()


def _report(conductor: Conductor, act: Performance, as_json: bool) -> None:
    facts = summary(conductor)
    if as_json:
        say(json.dumps(facts))
    else:
        names = ("dropped", "overruns", "underruns", "skipped", "refused", "lost", "player_lost", "stalls")
        troubles = [f"{name.replace('_', ' ')} {facts[name]}" for name in names if facts[name]]
        # of frames that nobody got
        troubles += [f"not sent {one['failed']} to {name}" for name, one in facts["sinks"].items() if one["failed"]]
        said = "; ".join(troubles) or "nothing lost"
        say(
            f"{facts['frames']} frames at {float(act.clock.fps):.5g} fps from {facts['heard_s']:.1f} s of sound: {said}"
        )


def _source(options: argparse.Namespace, words: list[str]) -> Source:
    """The one that was asked for. Raises `ConfigError` for none or several, and what opening it raises."""
    asked = [options.mic is not None, options.wav is not None, words == ["-"]]
    if sum(asked) != 1 or (words and words != ["-"]):
        raise ConfigError("give one of --mic [DEVICE], --wav FILE or - (stdin)")
    sound = ("mic", "wav", "stdin")[asked.index(True)]
    given = {name for name, value in vars(options).items() if value is not None and value is not False}
    idle = [why for name, sounds, why in _ONLY_FOR if name in given and sound not in sounds]
    if idle:
        raise ConfigError("; ".join(idle))
    if options.mic is not None:
        microphone = Microphone(options.mic or None, options.rate)
        microphone.start()  # started here, as its sample rate is not known before
        return _Started(microphone)
    if options.wav is not None:
        return Recording(options.wav, options.channel, options.loop)
    return Piped(options.rate or 16000, options.stdin_channels or 1, options.format or "s16le", channel=options.channel)


def _await(piped: Piped, options: argparse.Namespace) -> None:
    """The first sound of a pipe. Raises `ConfigError` where it is not what was told, `AudioError` where it is none or
    does not come within `--for`."""
    if options.seconds is None:
        piped.start()
    elif not piped.begins(options.seconds):
        raise AudioError(f"stdin: nothing came within the {options.seconds:g} s of --for")
    for option, told, found in (
        ("--rate", options.rate, piped.rate_hz), ("--stdin-channels", options.stdin_channels, piped.channels),
    ):  # fmt: skip
        if told and told != found:
            raise ConfigError(f"{option} {told}: stdin is a wav, which says {found} itself: leave {option} out")


def _promised(options: argparse.Namespace, act: Performance, source: Source) -> tuple[float, float]:
    """How long sound and face are held back, and how far the face is behind the sound by itself, ms. Raises
    `ConfigError` for a delay that is none."""
    latency = act.predictor.latency_at(max(1, int(source.rate_hz * BLOCK_S)), _INFERENCE_MS)
    return _delay_ms(options.delay, latency.total_ms), latency.total_ms


def _delay_ms(word: str, needed_ms: float) -> float:
    if word == "auto":
        return needed_ms
    try:
        delay = float(word.removesuffix("ms"))
    except ValueError:
        raise ConfigError(f"--delay {word!r}: give auto or milliseconds") from None
    if not 0 <= delay <= _LONGEST_DELAY_MS:
        raise ConfigError(f"--delay {word!r}: give 0 to {_LONGEST_DELAY_MS:g} ms")
    return delay


def _player(options: argparse.Namespace, source: Source, delay_ms: float) -> Player | None:
    if options.play is None:
        return None
    player = Player(source.rate_hz, delay_ms, options.play or None)
    if isinstance(source, Recording):
        source.card = player.time_of
    return player


def _barge_in(reset: Callable[[], None]) -> None:
    """What SIGUSR1 does from now on, where the system has it: unheeded, it ends a program."""
    if hasattr(signal, "SIGUSR1") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR1, lambda *_: reset())


def _listen(conductor: Conductor, seconds: float | None) -> None:
    """SIGUSR1 is barge-in; a timer ends what was given a time."""
    _barge_in(conductor.reset)
    if seconds is not None:
        timer = threading.Timer(seconds, conductor.stop)
        timer.daemon = True
        timer.start()


class _Named:
    """A sink that gets frames by other names."""

    def __init__(self, sink: Sink, renamed: Renamed) -> None:
        self._sink, self._renamed = sink, renamed

    def send(self, frame: Frame) -> None:
        self._sink.send(self._renamed.frame(frame))

    def close(self) -> None:
        self._sink.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)


class _Started:
    """A source that runs already: its `start` does nothing more."""

    def __init__(self, source: Microphone) -> None:
        self._source = source

    def start(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

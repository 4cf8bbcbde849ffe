"""Live: rings that lose nothing, clocks that follow the card, frames that leave in time, receivers that are real."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sdk
from sdk.__main__ import main
from sdk.engines.eager import EagerEngine
from sdk.errors import AudioError, ConfigError
from sdk.live.conductor import Conductor, summary
from sdk.live.pace import CardClock
from sdk.live.performance import Performance
from sdk.live.player import Player
from sdk.live.ring import Ring
from sdk.live.sinks import Address, open_sink
from sdk.live.sources import Piped, Recording
from sdk.rig import Frame, RigLayout
from tests.sdk.test_recordings import tone, wav

ROOT = Path(__file__).parents[2]


def test_a_ring_gives_what_was_put_in_across_threads() -> None:
    ring, total = Ring(1000, 1), 60_000
    data = np.arange(total, dtype=np.float32).reshape(-1, 1)
    got: list[np.ndarray] = []

    def write() -> None:
        rng, at = np.random.default_rng(0), 0
        while at < total:
            at += ring.write(data[at : min(total, at + int(rng.integers(1, 900)), at + ring.room)])

    writer = threading.Thread(target=write)
    writer.start()
    while sum(map(len, got)) < total:
        got.append(ring.read(337))
    writer.join()
    np.testing.assert_array_equal(np.concatenate(got), data)
    assert ring.overrun == 0


def test_a_full_ring_keeps_the_old_and_counts_the_new() -> None:
    ring = Ring(10, 2)
    assert ring.write(np.ones((7, 2), np.float32)) == 7
    assert ring.write(np.full((7, 2), 2, np.float32)) == 3
    assert (ring.overrun, ring.waiting, ring.room) == (4, 10, 0)
    assert ring.read(100)[:, 0].tolist() == [1] * 7 + [2] * 3
    assert ring.skip() == 0


def test_what_waits_can_be_forgotten_while_a_reader_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A barge-in comes from another thread than the card's, which may be copying just then."""
    ring = Ring(100, 1)
    ring.write(np.ones((100, 1), np.float32))
    joined = np.concatenate

    def in_the_middle(parts: list[np.ndarray]) -> np.ndarray:
        assert ring.skip() == 100
        return joined(parts)

    monkeypatch.setattr("sdk.live.ring.np.concatenate", in_the_middle)
    assert len(ring.read(60)) == 60, "what it was taking is its own"
    monkeypatch.undo()
    assert (ring.waiting, ring.room, ring.read_total) == (0, 100, 100)
    assert ring.write(np.full((130, 1), 2, np.float32)) == 100, "and nothing is written over itself"
    assert (ring.read(200) == 2).all()


@pytest.mark.parametrize("ppm", [-120.0, 0.0, 80.0])
def test_the_card_s_clock_is_followed_through_jitter(ppm: float) -> None:
    """Ten minutes of blocks of a card that is off by `ppm`, each late by up to 15 ms, one in a hundred by 60."""
    rng, rate = np.random.default_rng(1), 48000
    clock, true = CardClock(rate), (1 + ppm * 1e-6) / rate
    worst = 0.0
    for block in range(1, 60_000):
        late = float(rng.exponential(0.003)) + (0.06 if rng.random() < 0.01 else 0.0)
        clock.arrived(block * 480, block * 480 * true + min(late, 0.075))
        if block > 6000:
            worst = max(worst, abs(clock.time_of(block * 480) - block * 480 * true))
    assert worst < 0.004, "no drift, whatever the card's crystal"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("livelink://10.0.0.5:9/A%20B", ("livelink", "10.0.0.5", 9, "A B")),
        ("vmc://h?names=vrm0", ("vmc", "h", 39539, "")),
        ("maya://h:1/a:head", ("maya", "h", 1, "a:head")),
        ("ws://", ("ws", "127.0.0.1", 8765, "")),
        ("csv:a/b.csv", ("csv", "", 0, "a/b.csv")),
        ("-", ("jsonl", "", 0, "")),
    ],
)
def test_addresses(text: str, expected: tuple[str, str, int, str]) -> None:
    address = Address.parse(text)
    assert (address.scheme, address.host, address.port, address.path) == expected


def test_addresses_that_are_none() -> None:
    for text, words in (
        ("http://x", "nowhere"),
        ("x", "nowhere"),
        ("vmc://h:99999", "ort"),
        ("vmc://h?names=x", "expressions"),
        ("vmc://h?a=1", "no option a"),
        ("livelink://[::1", "IPv6"),
        ("vmc://h/path", "vmc takes no path 'path'"),
        ("jsonl://h/path", "jsonl takes no path"),
        ("ws://h/path", "ws takes no path"),
        ("ovr://h/a/b", "ovr takes no path 'a/b'"),
        ("vmc://h?names=", "option names is left empty"),
        ("livelink://h/A?device", "option device is left empty"),
        ("vmc://h?names=vrm0&names=vrm1", "option names is given 2 times"),
        ("vmc://h:0", "no port 0"),
        ("vmc://me:word@h", "nobody logs in there"),
        ("maya://h/head#jaw", "nothing is meant by #jaw"),
    ):
        with pytest.raises(ConfigError, match=words):
            open_sink(text, RigLayout.arkit(), sdk.FrameClock.at(30).fps)


@pytest.fixture
def act(make_engine: Callable[..., EagerEngine]) -> Performance:
    return Performance(sdk.FramePredictor(make_engine()), rest_s=0.2)


class Kept:
    """A sink that keeps what it gets, and when."""

    name = "kept"

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.times: list[float] = []
        self.failed = 0

    @property
    def sent(self) -> int:
        return len(self.frames)

    def send(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.times.append(time.perf_counter())

    def close(self) -> None:
        pass


def test_a_recording_leaves_in_its_own_time(act: Performance, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(tone(1.0)))
    kept, source = Kept(), Recording(tmp_path / "a.wav")
    conductor = Conductor(source, act, [kept], 200.0)
    conductor.run()
    offline = Performance(sdk.FramePredictor(act.predictor.engine), rest_s=0.2)
    wanted = offline.push(tone(1.0)) + offline.finish()
    shown = {frame.index: frame.values for frame in kept.frames}
    assert len(shown) + conductor.counters.dropped == len(wanted)
    for frame in wanted:
        if frame.index in shown:
            np.testing.assert_allclose(shown[frame.index], frame.values, atol=1e-3)
    due = [source.time_of(frame.sample) + 0.2 for frame in kept.frames]
    assert min(np.subtract(kept.times, due)) > -0.001, "never before its moment"
    assert np.median(np.subtract(kept.times, due)) < 0.03
    facts = summary(conductor)
    assert facts["sinks"]["kept"]["sent"] == facts["frames"] == len(kept.frames)


def test_no_moment_is_told_by_a_clock_of_steps(
    act: Performance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`time.monotonic` goes by 15.6 ms on Windows before Python 3.13; and two clocks must not be mixed."""

    def asked() -> float:
        raise AssertionError("time.monotonic was asked")

    monkeypatch.setattr(time, "monotonic", asked)
    (tmp_path / "a.wav").write_bytes(wav(tone(0.5)))
    kept = Kept()
    Conductor(Recording(tmp_path / "a.wav"), act, [kept], 100.0).run()
    act.reset()
    Conductor(Piped(16000, 1, "s16le", io.BytesIO(bytes(8000))), act, [kept], 100.0).run()
    assert len(kept.frames) > 10
    player = Player(48000, 100.0)
    player.push(np.zeros(480, np.float32), player.time_of(0))
    player._callback(_Card)(None, 480, None, 0)
    rooms = [*Path(sdk.__file__).parent.joinpath("live").glob("*.py")]
    assert len(rooms) > 10
    assert [path.name for path in rooms if re.search(r"time\.(monotonic|time)\(", path.read_text("utf-8"))] == []


def test_late_frames_are_dropped_and_counted(act: Performance, tmp_path: Path) -> None:
    class Slow(Kept):
        def send(self, frame: Frame) -> None:
            super().send(frame)
            if len(self.frames) == 5:
                time.sleep(0.4)

    (tmp_path / "a.wav").write_bytes(wav(tone(1.0)))
    kept = Slow()
    conductor = Conductor(Recording(tmp_path / "a.wav"), act, [kept], 60.0)
    counters = conductor.run()
    assert counters.dropped >= 8, "those of the pause are not caught up with"
    assert counters.frames == len(kept.frames)
    indices = [frame.index for frame in kept.frames]
    assert indices == sorted(set(indices))


def test_numbers_follow_the_time_after_a_pause_of_the_machine(act: Performance, tmp_path: Path) -> None:
    """What nobody had time to hear is skipped, as a card would; a frame's number still says when its sound was."""

    class Stuck(Kept):
        def send(self, frame: Frame) -> None:
            super().send(frame)
            if len(self.frames) == 5:
                time.sleep(2.3)

    (tmp_path / "a.wav").write_bytes(wav(tone(3.2)))
    kept, source = Stuck(), Recording(tmp_path / "a.wav")
    conductor = Conductor(source, act, [kept], 60.0)
    counters = conductor.run()
    assert counters.takes == 2
    assert source.overruns > 2 * 16000
    indices = [frame.index for frame in kept.frames]
    assert indices == sorted(set(indices))
    ahead = [
        frame.index / 30 - (moment - source.time_of(0) - 0.06)
        for frame, moment in zip(kept.frames, kept.times, strict=True)
    ]
    assert max(ahead[5:]) < 0.05, "never ahead of its time"
    assert np.median(ahead[5:]) > -0.1


def test_barge_in_rests_and_begins_again(act: Performance, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    (tmp_path / "a.wav").write_bytes(wav((rng.standard_normal(24000) * 0.2).clip(-1, 1).astype(np.float32)))
    kept = Kept()
    conductor = Conductor(Recording(tmp_path / "a.wav"), act, [kept], 60.0)
    threading.Timer(0.7, conductor.reset).start()
    counters = conductor.run()
    assert counters.takes == 2
    indices = [frame.index for frame in kept.frames]
    assert indices == sorted(set(indices)), "numbers go on over the takes"
    values = np.stack([frame.values for frame in kept.frames])
    assert np.abs(np.diff(values, axis=0)).max() < 0.75
    np.testing.assert_allclose(values[-1], act.neutral, atol=1e-6)


def test_a_show_that_is_stopped_leaves_the_face_at_rest(act: Performance, tmp_path: Path) -> None:
    """In the midst of a word; whoever ends `run` by Ctrl-C calls `come_to_rest` itself."""
    rng = np.random.default_rng(3)
    (tmp_path / "a.wav").write_bytes(wav((rng.standard_normal(24000) * 0.2).clip(-1, 1).astype(np.float32)))

    class Interrupting(Kept):
        def send(self, frame: Frame) -> None:
            super().send(frame)
            if len(self.frames) == 12:
                stop()

    def interrupt() -> None:
        raise KeyboardInterrupt

    for way in ("stop", "interrupt"):
        act.reset()
        kept = Interrupting()
        conductor = Conductor(Recording(tmp_path / "a.wav"), act, [kept], 60.0)
        stop = conductor.stop if way == "stop" else interrupt
        with pytest.raises(KeyboardInterrupt) if way == "interrupt" else contextlib.nullcontext():
            conductor.run()
        if way == "interrupt":
            conductor.come_to_rest()
        assert np.abs(kept.frames[11].values - act.neutral).max() > 0.02, "it was in the midst of speaking"
        np.testing.assert_allclose(kept.frames[-1].values, act.neutral, atol=1e-6)
        assert 0.1 < kept.times[-1] - kept.times[11] < 0.6, "within its rest"
        indices = [frame.index for frame in kept.frames]
        assert indices == sorted(set(indices))


@pytest.mark.parametrize("end", ["SIGINT", "SIGTERM", "--for"])
def test_however_live_ends_the_last_frame_is_a_face_at_rest(
    sealed: dict[str, Path], tmp_path: Path, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.wav").write_bytes(wav(tone(5.0)))
    kept = tmp_path / "kept.jsonl"
    words = ["live", str(sealed["executorch"]), "--wav", str(tmp_path / "a.wav"), "--quiet", "--to", f"jsonl:{kept}"]
    if end == "--for":
        assert main([*words, "--for", "1"]) == 0
    else:
        number = getattr(signal, end)

        class Clocked(Recording):
            def start(self) -> None:
                super().start()
                threading.Timer(1.0, lambda: signal.raise_signal(number)).start()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sdk.cli.live.Recording", Clocked)
            assert main(words) == 0
    rows = [json.loads(line)["values"] for line in kept.read_text().splitlines()[1:]]
    assert 10 < len(rows) < 90, "it was stopped"
    assert max(abs(value) for row in rows for value in row.values()) > 0.02
    assert max(abs(value) for value in rows[-1].values()) < 0.01
    assert "nothing lost" in capsys.readouterr().err


def test_a_pipe_is_played_at_its_rate_and_its_pauses_rest_the_face(act: Performance) -> None:
    read, write = os.pipe()
    rng = np.random.default_rng(4)
    burst = (rng.standard_normal(8000) * 6000).clip(-32768, 32767).astype("<i2").tobytes()

    def talk() -> None:
        os.write(write, burst)
        time.sleep(1.3)
        os.write(write, burst)
        os.close(write)

    threading.Thread(target=talk).start()
    kept = Kept()
    with open(read, "rb", buffering=0) as stream:
        source = Piped(16000, 1, "s16le", stream)
        conductor = Conductor(source, act, [kept], 80.0)
        counters = conductor.run()
    assert counters.stalls == 1
    assert counters.takes == 2
    gaps = np.diff(kept.times)
    longest = int(gaps.argmax())
    np.testing.assert_allclose(kept.frames[longest].values, act.neutral, atol=1e-6)
    assert kept.times[-1] - kept.times[0] > 1.5, "a fast pipe is not a fast face"
    assert counters.heard_s == pytest.approx(1.0, abs=0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells nobody how much a pipe holds")
@pytest.mark.parametrize("header", [b"", wav(np.zeros(0, np.float32))[:40] + b"\xff" * 4], ids=["raw", "wav"])
def test_after_a_barge_in_a_pipe_says_what_is_new_and_at_once(header: bytes) -> None:
    """Four seconds and a half wait: in the ring, the pump's hands and the pipe. None is heard or waited for."""
    read, write = os.pipe()
    old, new = np.full(72000, 8192, "<i2").tobytes(), np.full(1600, -8192, "<i2").tobytes()
    said = threading.Thread(target=lambda: os.write(write, header + old[: -len(header) or None]))
    said.start()
    with open(read, "rb") as stream:
        source = Piped(16000, 1, "s16le", stream)
        source.start()
        said.join(5)
        assert not said.is_alive(), "all of it fits"
        given = 0
        end = time.perf_counter() + 0.3
        while time.perf_counter() < end:
            block = source.read(end)
            assert block is not None
            given += len(block)
        given += source.forget()
        begun = time.perf_counter()
        assert source.time_of(given) == pytest.approx(begun, abs=0.2), "what was forgotten takes no time"
        os.write(write, new)
        os.close(write)
        heard, after = [], []
        while (block := source.read(time.perf_counter() + 0.05)) is not None:
            heard.append(block)
            after += [time.perf_counter() - begun] * (len(block) > 0)
    assert np.concatenate(heard).ravel().tolist() == [-0.25] * 1600
    assert after[0] < 0.5


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class _Card:
    """A card and a clock that go only when they are told: blocks of 10 ms at 48 kHz."""

    paContinue = 0
    rate_hz, block = 48000, 480

    def __init__(self, monkeypatch: pytest.MonkeyPatch, delay_ms: float) -> None:
        self.now = 100.0
        monkeypatch.setattr("sdk.live.player.time.perf_counter", lambda: self.now)
        self.player = Player(self.rate_hz, delay_ms)
        self._give = self.player._callback(self)
        self.heard: list[np.ndarray] = []

    def run(self, blocks: int, speaking: bool = True, click: bool = False, shift_s: float = 0.0) -> None:
        """Blocks pushed in time, and the card taking them; `shift_s`: how much later than now they say they are."""
        for number in range(blocks):
            sound = np.zeros(self.block, np.float32)
            sound[0] = float(click and number == 0)
            if click and number == 0:
                self.clicked = self.now + shift_s
            if speaking:
                self.player.push(sound, self.now + shift_s)
            self._play(1)

    def hang(self, blocks: int, at_once: int = 1) -> None:
        """The machine stands still while people speak on and the card plays on; then all of it comes, `at_once` blocks
        together."""
        began = self.now
        self._play(blocks)
        for number in range(0, blocks, at_once):
            sound = np.zeros(min(at_once, blocks - number) * self.block, np.float32)
            self.player.push(sound, began + number * self.block / self.rate_hz)

    def _play(self, blocks: int) -> None:
        for _ in range(blocks):
            data, _ = self._give(None, self.block, None, None)
            played = np.frombuffer(data, np.float32)
            if played.any():
                self.late_s = self.now + int(played.argmax()) / self.rate_hz - self.clicked
            self.now += self.block / self.rate_hz


def test_sound_is_held_back_after_a_barge_in_and_a_pause_as_at_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    card = _Card(monkeypatch, 150.0)
    card.run(20, speaking=False)  # the card asks before anybody has spoken
    card.run(40, click=True)
    assert card.late_s == pytest.approx(0.150, abs=1e-3)
    card.player.forget()
    card.run(40, click=True)
    assert card.late_s == pytest.approx(0.150, abs=1e-3)
    card.run(50, speaking=False)
    card.player.forget()  # as the conductor says when sound comes again after a pause
    card.run(40, click=True)
    assert card.late_s == pytest.approx(0.150, abs=1e-3)
    assert card.player.underruns == card.player.skipped == 0
    card.run(20, speaking=False)  # 50 ms more than waited: a source that is late, not one that paused
    card.run(40, click=True)
    assert card.player.underruns == 5 * card.block


@pytest.mark.parametrize("at_once", [1, 50])
def test_sound_keeps_to_its_face_after_the_machine_stood_still(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Whether what it missed comes block by block, as a recording's does, or as one block, as a microphone's."""
    card = _Card(monkeypatch, 65.0)
    card.run(50)
    card.hang(50, at_once)
    card.run(40, click=True)
    assert card.late_s == pytest.approx(0.065, abs=1e-3), "not behind its face by what the hang lasted"
    assert card.player.underruns == card.rate_hz * 435 // 1000
    assert card.player.skipped == card.rate_hz * 435 // 1000


def test_sound_that_is_a_little_late_or_early_is_set_right_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    card = _Card(monkeypatch, 65.0)
    card.run(50)
    card.hang(12)
    card.run(1, click=True)
    card.run(100)
    assert card.late_s == pytest.approx(0.120, abs=1e-3), "it may be its card's way"
    card.run(40, click=True)
    assert card.late_s == pytest.approx(0.065, abs=1e-3)
    assert card.player.underruns == card.player.skipped == card.rate_hz * 55 // 1000
    card.run(100, shift_s=0.05)  # this one's crystal is slower than that of the microphone
    card.run(40, click=True, shift_s=0.05)
    assert card.late_s == pytest.approx(0.065, abs=1e-3)
    assert card.player.skipped == card.rate_hz * 55 // 1000


def test_sound_that_comes_in_lumps_is_late_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a delay is shorter than what a card collects before it calls, leaving out would only tear holes."""
    card = _Card(monkeypatch, 20.0)
    for _ in range(50):
        card.hang(8, at_once=8)
    assert card.player.skipped == 0


def test_a_device_that_comes_back_begins_one_take(act: Performance) -> None:
    """It stalled, and its source says by `generation` that sound is missing: one absence, one new take."""

    class Away(Recording):
        def read(self, until: float) -> np.ndarray | None:
            gone = 0.3 < time.perf_counter() - self._began < 0.6
            if gone:
                time.sleep(max(0.0, until - time.perf_counter()))
                return self.samples[:0]
            if time.perf_counter() - self._began >= 0.6 and not self.generation:
                self._at, self.generation = int(0.6 * self.rate_hz), 1
            return super().read(until)

    source = Away.__new__(Away)
    source.rate_hz, source.name, source.samples = 16000, "away", np.zeros(16000, np.float32)
    source.overruns = source.lost = source.generation = source.position = 0
    source._loop, source._at, source._block, source.card = False, 0, 160, None
    counters = Conductor(source, act, [], 80.0).run()
    assert counters.takes == max(counters.stalls, 1) + 1  # a machine that pauses too stalls once more


@pytest.mark.parametrize(
    ("rate", "channels", "channel", "says"),
    [
        (4_000_000_000, 1, None, "4,000,000,000 Hz"), (16000, 1000, None, "1000 channels"), (-5, 1, None, "-5 Hz"),
        (16000, 0, None, "0 channels"), (16000, 2, 7, "no channel 7; it has 2"),
    ],
)  # fmt: skip
def test_pipes_that_nobody_has_are_refused_before_room_is_made(
    rate: int, channels: int, channel: int | None, says: str
) -> None:
    with pytest.raises(AudioError, match=says):
        Piped(rate, channels, "s16le", io.BytesIO(b"\0" * 100), channel).start()


def test_one_channel_of_a_pipe_is_heard_and_what_breaks_it_is_told() -> None:
    class Broken(io.BytesIO):
        def read1(self, size: int = -1) -> bytes:
            data = super().read1(size)
            if not data:
                raise AudioError("stdin: torn")
            return data

    both = np.stack([np.zeros(1600), np.full(1600, 8192)], 1).astype("<i2")
    source = Piped(16000, 2, "s16le", Broken(both.tobytes()), 2)
    source.start()
    heard: list[np.ndarray] = []

    def hear() -> None:
        while (block := source.read(time.perf_counter() + 0.05)) is not None:
            heard.append(block)

    with pytest.raises(AudioError, match="torn"):
        hear()
    assert np.concatenate(heard).tolist() == [0.25] * 1600


def test_several_receivers_at_once(sealed: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command itself, to a UDP socket, a TCP server, a WebSocket page and a file."""
    websockets = pytest.importorskip("websockets.asyncio.client", reason="a page needs a WebSocket client")
    (tmp_path / "a.wav").write_bytes(wav(tone(1.5)))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    udp.settimeout(5)
    tcp = socket.create_server(("127.0.0.1", 0))
    page_port = free_port(socket.SOCK_STREAM)
    lines: list[str] = []
    messages: list[str] = []

    def hear_maya() -> None:
        opened, _ = tcp.accept()
        with opened, opened.makefile("r") as stream:
            lines.extend(stream)

    async def see_page() -> None:
        for _ in range(100):
            try:
                async with websockets.connect(f"ws://127.0.0.1:{page_port}") as page:
                    async for message in page:
                        messages.append(message)
                return
            except OSError:
                await asyncio.sleep(0.05)

    others = [threading.Thread(target=hear_maya), threading.Thread(target=lambda: asyncio.run(see_page()))]
    for other in others:
        other.start()
    to = [f"jsonl://127.0.0.1:{udp.getsockname()[1]}", f"maya://127.0.0.1:{tcp.getsockname()[1]}",
          f"ws://127.0.0.1:{page_port}", f"jsonl:{tmp_path / 'kept.jsonl'}"]  # fmt: skip
    command = ["live", str(sealed["executorch"]), "--wav", str(tmp_path / "a.wav"), "--stats", "--quiet"]
    assert main([*command, *(word for where in to for word in ("--to", where))]) == 0
    for other in others:
        other.join(5)
    facts = json.loads(capsys.readouterr().err.splitlines()[-1])
    kept = [json.loads(line) for line in (tmp_path / "kept.jsonl").read_text().splitlines()[1:]]
    assert len(kept) == facts["frames"] > 30
    udp.setblocking(False)
    packets = []
    while len(packets) < facts["frames"]:
        packets.append(json.loads(udp.recv(65536)))
    assert packets == kept
    assert lines[0].startswith("tinyface rig 30 1 jawOpen")
    assert len(lines) - 1 == facts["sinks"][to[1]]["sent"] > 20
    assert json.loads(messages[0])["format"] == "tinyface.frames"
    assert json.loads(messages[-1]) == kept[-1]
    assert len(messages) > 20


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_barge_in_by_a_signal(sealed: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.wav").write_bytes(wav(tone(1.5)))
    before = signal.getsignal(signal.SIGUSR1)
    timer = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGUSR1))

    class Clocked(Recording):
        def start(self) -> None:
            super().start()
            timer.start()

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sdk.cli.live.Recording", Clocked)
            words = ["live", str(sealed["executorch"]), "--wav", str(tmp_path / "a.wav"), "--stats", "--quiet"]
            assert main([*words, "--to", f"jsonl:{tmp_path / 'kept.jsonl'}"]) == 0
    finally:
        timer.cancel()
        signal.signal(signal.SIGUSR1, before)
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["takes"] == 2


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_receivers_and_signals_are_heeded_before_a_pipe_s_first_sound(sealed: dict[str, Path], tmp_path: Path) -> None:
    """Whoever speaks into it may take their time: a page connects meanwhile, and a barge-in has nothing to forget."""
    pytest.importorskip("websockets", reason="a page needs a WebSocket server")
    port = free_port(socket.SOCK_STREAM)
    command = [sys.executable, "-m", "sdk", "live", str(sealed["executorch"]), "-", "--stats", "--quiet"]
    pipe = subprocess.PIPE
    live = subprocess.Popen([*command, "--to", f"ws://127.0.0.1:{port}"], cwd=ROOT, stdin=pipe, stderr=pipe)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise AssertionError("no page can connect while the pipe is silent")
        live.send_signal(signal.SIGUSR1)
        time.sleep(0.3)
        _, said = live.communicate((tone(0.5) * 32767).astype("<i2").tobytes(), timeout=30)
    finally:
        live.kill()
        live.wait()
    assert live.returncode == 0, said
    facts = json.loads(said.decode().splitlines()[-1])
    assert (facts["takes"], facts["heard_s"]) == (1, 0.5)


def test_a_pipe_that_says_nothing_ends_in_its_time(
    sealed: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read, write = os.pipe()
    with open(read) as silent, open(write, "wb"):
        monkeypatch.setattr(sys, "stdin", silent)
        assert main(["live", str(sealed["executorch"]), "-", "--for", "0.2", "--to", "csv", "--quiet"]) == 2
    assert capsys.readouterr().err.endswith("error: stdin: nothing came within the 0.2 s of --for\n")


def test_live_mistakes_end_in_one_line(
    sealed: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.wav").write_bytes(wav(tone()))
    model, sound = str(sealed["executorch"]), ["--wav", str(tmp_path / "a.wav")]
    for arguments, words in [
        ([model, "--to", "csv"], "give one of --mic"),
        ([model, *sound, "-", "--to", "csv"], "give one of --mic"),
        ([model, *sound, "--to", "ftp://x"], "nowhere that is known"),
        ([model, *sound, "--to", "csv", "--delay", "soon"], "give auto or milliseconds"),
        ([model, *sound, "--to", "csv", "--rest", "soon"], "'soon' is no time"),
        ([model, *sound, "--to", f"csv:{tmp_path}/no/a.csv"], "cannot write"),
        ([str(tmp_path / "no.pte"), *sound, "--to", "csv"], "cannot read"),
        ([model, "--mic", "--channel", "2", "--to", "csv"], "a microphone is heard in one"),
        ([model, "--mic", "--loop", "--to", "csv"], "--loop is for recordings"),
        ([model, "--mic", "--format", "s16le", "--to", "csv"], "--format is for samples on stdin"),
        ([model, "-", "--loop", "--to", "csv"], "--loop is for recordings"),
        (
            [model, *sound, "--rate", "8000", "--stdin-channels", "3", "--format", "f32le", "--to", "csv"],
            "--rate is for stdin and microphones; a recording says its own; --stdin-channels is for samples on stdin; "
            "--format is for samples on stdin",
        ),
    ]:
        assert main(["live", *arguments]) == 2, arguments
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert words in said
        assert said.count("\n") == 1


def test_a_wav_on_stdin_is_not_what_is_said_beside_it(
    sealed: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for option, told, found in (("--rate", "8000", "16000"), ("--stdin-channels", "2", "1")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(wav(tone()))))
        assert main(["live", str(sealed["executorch"]), "-", option, told, "--to", "csv"]) == 2
        words = f"error: {option} {told}: stdin is a wav, which says {found} itself: leave {option} out\n"
        assert capsys.readouterr().err.endswith(words)


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("animate", "live"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        said = capsys.readouterr().out
        assert f"tinyface {command}" in said
        assert "examples:" in said


def test_no_artefact_says_where_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINYFACE_MODEL", raising=False)
    assert main(["animate", "a.wav", "--out", "a.csv"]) == 2
    assert "python -m export.build" in capsys.readouterr().err
    assert sys.modules["sdk.live.sinks"]

"""Receivers that stop, go or fail: the others never wait for them, and whoever runs the show is told."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import sdk
from sdk.__main__ import main
from sdk.engines.eager import EagerEngine
from sdk.errors import ConfigError
from sdk.live.conductor import Conductor, summary
from sdk.live.performance import Performance
from sdk.live.sinks import Packets, open_sink
from sdk.live.sources import Piped, Recording
from sdk.rig import Frame, RigLayout
from tests.sdk.test_live import Kept
from tests.sdk.test_recordings import tone, wav

FPS = sdk.FrameClock.at(30).fps
FULL = Path("/dev/full")


@pytest.fixture
def act(make_engine: Callable[..., EagerEngine]) -> Performance:
    return Performance(sdk.FramePredictor(make_engine()), rest_s=0.2)


@contextmanager
def reader() -> Iterator[int]:
    """What is read from stdout, which is a pipe inside."""
    read, write = os.pipe()
    with open(write, "w") as stdout, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        yield read


def frames(count: int) -> list[Frame]:
    layout = RigLayout.arkit()
    return [Frame(k, k * 533, np.full(52, 0.123456789, np.float32), layout) for k in range(count)]


def test_a_reader_that_stops_is_not_waited_for() -> None:
    with reader() as unread:
        sink = open_sink("jsonl", RigLayout.arkit(), FPS)
    many = frames(1000)  # far more bytes than the pipe and the queue hold

    def send() -> None:
        for frame in many:
            sink.send(frame)
        sink.close()

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    sending.join(60)
    assert not sending.is_alive(), "stuck behind a reader that does not read"
    assert sink.sent + sink.failed == len(many)
    assert sink.sent > 0
    assert sink.failed > 100
    os.close(unread)


def test_what_is_read_late_is_whole_and_in_order() -> None:
    with reader() as end:
        sink = open_sink("jsonl", RigLayout.arkit(), FPS)
    got: list[bytes] = []

    def read() -> None:
        with open(end, "rb") as stream:
            got.extend(stream)

    for frame in frames(100):
        sink.send(frame)
    reading = threading.Thread(target=read)
    reading.start()
    sink.close()
    reading.join()
    assert [json.loads(line)["index"] for line in got[1:]] == list(range(100))
    assert (sink.sent, sink.failed) == (100, 0)


def test_a_reader_that_goes_leaves_the_others_their_show(act: Performance, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(tone(1.0)))
    told: list[str] = []
    with reader() as end:
        kept, stdout = Kept(), open_sink("jsonl", act.layout, act.clock.fps)
    os.close(end)
    conductor = Conductor(Recording(tmp_path / "a.wav"), act, [stdout, kept], 200.0, tell=told.append)
    counters = conductor.run()
    conductor.close()
    assert counters.frames == len(kept.frames) > 15
    assert counters.heard_s == pytest.approx(1.0)
    assert told == ["jsonl takes no more frames: Broken pipe; on go kept"]
    assert summary(conductor)["broken"] == {"jsonl": "Broken pipe"}


@pytest.mark.skipif(not FULL.exists(), reason="no device here that is always full")
def test_a_full_disk_is_told_once_and_the_others_go_on(
    sealed: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.wav").write_bytes(wav(tone(1.0)))
    command = ["live", str(sealed["executorch"]), "--wav", str(tmp_path / "a.wav"), "--quiet", "--to", f"csv:{FULL}"]
    assert main([*command, "--stats", "--to", f"jsonl:{tmp_path / 'kept.jsonl'}"]) == 2
    said = capsys.readouterr().err
    assert said.count(" takes no more frames") == 1
    told, stats, error = said.splitlines()[-3:]
    assert told == f"csv:{FULL} takes no more frames: No space left on device; on go jsonl:{tmp_path / 'kept.jsonl'}"
    facts = json.loads(stats)
    assert len((tmp_path / "kept.jsonl").read_text().splitlines()) - 1 == facts["frames"] > 15
    assert error == f"error: not all was received: csv:{FULL}: No space left on device"
    assert main([*command, "--loop"]) == 2, "nobody is left: a loop without end ends"
    assert "on go nobody, so the show ends" in capsys.readouterr().err


def test_a_block_that_is_no_sound_is_silence_and_counted(act: Performance) -> None:
    samples = tone(1.0).astype("<f4")
    samples[8000:8003] = np.nan, np.inf, 1e30
    read, write = os.pipe()

    def talk() -> None:
        with open(write, "wb") as stream:
            stream.write(samples.tobytes())

    threading.Thread(target=talk).start()
    told: list[str] = []
    kept = Kept()
    with open(read, "rb", buffering=0) as stream:
        conductor = Conductor(Piped(16000, 1, "f32le", stream), act, [kept], 80.0, tell=told.append)
        counters = conductor.run()
    assert counters.heard_s == pytest.approx(1.0)
    assert counters.refused == 160, "its block of 10 ms"
    assert summary(conductor)["refused"] == 160
    assert len(told) == 1
    assert told[0].startswith("stdin: samples hold NaN or infinite values; such blocks are taken as silence")
    assert kept.frames[-1].sample > 15000
    assert np.isfinite(np.stack([frame.values for frame in kept.frames])).all()


def test_whoever_is_not_reached_is_told_of_once_and_counted(
    sealed: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A port that nobody listens on, a host that no one can be called, and one who is there."""
    (tmp_path / "a.wav").write_bytes(wav(tone(2.5)))
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        refusing, nameless = f"maya://127.0.0.1:{unheard.getsockname()[1]}", "maya://studio..local"
        words = ["live", str(sealed["executorch"]), "--wav", str(tmp_path / "a.wav"), "--quiet"]
        assert main([*words, "--to", refusing, "--to", nameless, "--to", f"csv:{tmp_path / 'a.csv'}"]) == 0
    *told, last = capsys.readouterr().err.splitlines()
    told = [line for line in told if "is not reached" in line]
    assert len(told) == 2, "once each, although they are tried again"
    assert any(line.startswith(f"{refusing} is not reached: ") and "refused" in line for line in told)
    assert any(line.startswith(f"{nameless} is not reached: ") for line in told)
    assert re.search(rf"not sent [1-9]\d* to {re.escape(refusing)}; not sent [1-9]\d* to {re.escape(nameless)}$", last)


def test_packets_go_where_receivers_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPv4 where a name has both, whichever a resolver names first; everybody's address is no refusal."""
    four, six = socket.AF_INET, socket.AF_INET6
    asked = socket.getaddrinfo
    both = [(six, 2, 17, "", ("::1", 9, 0, 0)), (four, 2, 17, "", ("127.0.0.1", 9))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: both if host == "localhost" else asked(host, 9))
    layout, fps = RigLayout.arkit(), sdk.FrameClock.at(30).fps
    sinks = {host: open_sink(f"vmc://{host}:9", layout, fps) for host in ("localhost", "255.255.255.255")}
    assert isinstance(sinks["localhost"], Packets)
    assert sinks["localhost"]._to == ("127.0.0.1", 9)
    everybody = sinks["255.255.255.255"]
    assert isinstance(everybody, Packets)
    assert everybody._socket.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST), "else the system refuses each frame"
    for sink in sinks.values():
        sink.close()
    with pytest.raises(ConfigError, match=r"no host 'studio\.\.local'"):
        open_sink("vmc://studio..local", layout, fps)


def test_one_destination_is_named_once(
    sealed: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two would write over one another, or between each other's lines."""
    (tmp_path / "a.wav").write_bytes(wav(tone()))
    kept = tmp_path / "kept"
    kept.write_text("of before")
    words = ["live", str(sealed["executorch"]), "--wav", str(tmp_path / "a.wav"), "--quiet"]
    for one, other in (
        ("-", "csv"),
        (f"csv:{kept}", f"jsonl:{tmp_path}/../{tmp_path.name}/kept"),
        ("vmc://127.0.0.1", "vmc://127.0.0.1:39539"),
    ):
        assert main([*words, "--to", one, "--to", other]) == 2
        assert capsys.readouterr().err == f"error: --to {other!r}: goes where {one!r} goes: give it once\n"
    assert kept.read_text() == "of before", "and nothing is opened before that is known"
    two = [f"livelink://127.0.0.1/{name}" for name in ("Anna", "Ben")]
    assert main([*words, *(word for where in two for word in ("--to", where))]) == 0, "two subjects are two"


def test_a_time_that_no_clock_of_ours_counts_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["live", "--wav", "a.wav", "--to", "csv", "--for", "1e10"])
    assert "--for: 1e10 is not 0 to 1e+07" in capsys.readouterr().err

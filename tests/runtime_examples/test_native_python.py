"""The native library as Python sees it: a peer of `FramePredictor`, errors in this package's words, nothing leaked."""

from __future__ import annotations

import ctypes as c
import gc
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from native_tools import TOLERANCE, animate, largest_difference, noise, refused, values

import sdk
from sdk.artifact import seal
from sdk.errors import ArtifactError, AudioError, ConfigError, EngineUnavailable, ManifestError, RigError
from sdk.native import NativeCrowd, NativeModel, NativePredictor, abi
from sdk.native.abi import LIBRARY, Library
from sdk.predictor import FramePredictor

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "sdk/c/include/frame_stream.h"
STRUCTS = {
    "fp_error": abi.Error, "fp_model_info": abi.ModelInfo, "fp_stream_config": abi.StreamConfig,
    "fp_frame": abi.FramePlace, "fp_curve": abi.Curve, "fp_latency": abi.LatencyParts,
    "fp_track_config": abi.TrackConfig,
}  # fmt: skip
Speech = Callable[[int, float], np.ndarray]


# ------------------------------------------------------------------------------------------------- the header's mirror
def test_structs_lie_as_the_header_lays_them(tmp_path: Path) -> None:
    """A C compiler says where each field of each struct is; ctypes must say the same."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler")
    wanted, lines = [], []
    for name, struct in STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        wanted.append(f"{name} {c.sizeof(struct)}")
        for field, *_ in struct._fields_:
            lines.append(f'printf("{name}.{field} %zu\\n", offsetof({name}, {field}));')
            wanted.append(f"{name}.{field} {getattr(struct, field).offset}")
    source = tmp_path / "layout.c"
    source.write_text(
        f'#include <stdio.h>\n#include "frame_stream.h"\nint main(void) {{ {" ".join(lines)} return 0; }}\n'
    )
    subprocess.run([compiler, "-I", HEADER.parent, source, "-o", tmp_path / "layout"], check=True)
    said = subprocess.run([tmp_path / "layout"], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == wanted


def test_every_name_of_the_header_is_there(library: Library) -> None:
    text = HEADER.read_text("utf-8")
    declared = set(re.findall(r"\b(fp_\w+)\(", text))
    assert declared == set(abi._STATUS) | set(abi._OTHERS)
    for name, number in re.findall(r"\bFP_(\w+) = (-?\d+)", text):
        if name not in ("OUT_OF_MEMORY", "INTERNAL"):
            assert getattr(abi, name) == int(number), name
    for struct in STRUCTS:
        body = text[: text.index(f"}} {struct};")].rpartition(f"typedef struct {struct} {{")[2]
        fields = [
            re.sub(r"\[\d+\]", "", line.split()[-1])
            for line in re.findall(r"^\s*[\w ]+[ *]+\w+(?:\[\d+\])?(?=;)", body, re.M)
        ]
        assert fields == [field[0] for field in STRUCTS[struct]._fields_], struct
    assert library.abi_version == abi.ABI_VERSION == int(re.findall(r"FP_ABI_VERSION (\d+)u", text)[0])


def test_a_library_of_another_abi_is_refused(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler")
    for source, match in (
        ("unsigned fp_abi_version(void) { return 2; }", "has ABI version 2, this package speaks 1"),
        ("unsigned fp_abi_version(void) { return 1; }", "has no function fp_.*older than this package"),
    ):
        file, made = tmp_path / "other.c", tmp_path / f"{len(source)}{len(match)}.so"
        file.write_text(source)
        subprocess.run([compiler, "-shared", "-fPIC", file, "-o", made], check=True)
        with pytest.raises(EngineUnavailable, match=match):
            Library(made)


# ----------------------------------------------------------------------------------------------------------- the peer
@pytest.mark.parametrize(("rate_hz", "fps"), [(16000, None), (48000, "30000/1001"), (22050, 60)])
def test_it_takes_the_place_of_a_frame_predictor(
    rate_hz: int, fps: object, library: Library, any_kind: Path, speech_like: Speech
) -> None:
    """The same calls on both, whatever is pushed, give the same frames at the same calls but for the lookahead."""
    audio = speech_like(rate_hz, 0.9)
    stereo = np.stack([audio, -audio / 2], axis=1)
    pushes: list[object] = [
        audio[:5000], (audio[5000:9000] * 32767).astype(np.int16), stereo[9000:9100], audio[9100:12000].tolist(),
        np.zeros(0, np.float32), audio[12000:].astype(np.float64),
    ]  # fmt: skip
    native = NativePredictor(NativeModel(any_kind, library), rate_hz=rate_hz, fps=fps)  # type: ignore[arg-type]
    python = FramePredictor(sdk.open(any_kind), rate_hz=rate_hz, fps=fps)  # type: ignore[arg-type]
    assert (native.layout, native.clock, native.rate_hz) == (python.layout, python.clock, python.rate_hz)
    for _ in range(2):
        frames = [(native.push(chunk), python.push(chunk)) for chunk in pushes]
        frames.append((native.finish(), python.finish()))
        assert (native.finish(), python.finish()) == ([], [])
        assert [len(a) for a, _ in frames] == [len(b) for _, b in frames]
        given, wanted = ([frame for pair in frames for frame in pair[i]] for i in (0, 1))
        assert largest_difference(given, wanted) <= TOLERANCE
        assert given[-1]["jawOpen"] == given[-1].as_dict()["jawOpen"]
        native.reset()
        python.reset()
    assert native.latency == python.latency


@pytest.mark.parametrize("ensemble", [None, True, False, (), [], (0.5, 0.25, 0.25), np.zeros(0)])
def test_an_ensemble_is_asked_for_in_the_same_words(
    library: Library, small: Path, speech_like: Speech, ensemble: Any
) -> None:
    """`()` is how a manifest writes none; the artefact has weights of its own."""
    audio = speech_like(16000, 0.5)
    native = NativePredictor(NativeModel(small, library), ensemble=ensemble)
    python = FramePredictor(sdk.open(small), ensemble=ensemble)
    given, wanted = (voice.push(audio) + voice.finish() for voice in (native, python))
    assert largest_difference(given, wanted) <= TOLERANCE
    assert native.latency == python.latency


@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_a_column_of_sound_is_made_whole_once(
    library: Library, tiny: Path, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute took a thousand times as long as a second: each turn copied all that was left."""
    model, rows = NativeModel(tiny, library), np.stack([noise(i, 48000) for i in range(3)], axis=1)
    rows = rows if kind is np.int16 else (rows / 32768).astype(kind)
    turns: list[bool] = []
    feed = NativePredictor.feed
    monkeypatch.setattr(
        NativePredictor, "feed", lambda self, pcm: turns.append(pcm.flags.c_contiguous) or feed(self, pcm)
    )
    for voice, given in (
        (NativePredictor(model), rows[:, 0]),
        (NativePredictor(model), rows[::2, 0]),
        (NativePredictor(model, audio_channels=2), rows[:, :2]),
        (NativePredictor(model, audio_channels=2), np.asfortranarray(rows[:, 1:])),
    ):
        turns.clear()
        got, whole = voice.push(given), NativePredictor(model, audio_channels=voice.audio_channels)
        assert len(turns) > 2
        assert all(turns)
        wanted = whole.push(np.ascontiguousarray(given))
        np.testing.assert_array_equal([f.values for f in got], [f.values for f in wanted])


def test_mistakes_are_said_as_a_frame_predictor_says_them(library: Library, tiny: Path, tmp_path: Path) -> None:
    model = NativeModel(tiny, library)
    native, python = NativePredictor(model), FramePredictor(sdk.open(tiny))
    good = (noise(0, 3000) / 32768).astype(np.float32)
    spoiled = np.tile(good, 9)
    spoiled[-1] = np.nan
    for voice in (native, python):
        for bad in (spoiled, np.zeros((3, 9), np.float32), np.zeros(3, np.int32), "words", np.full(9, 300.0)):
            with pytest.raises(AudioError):
                voice.push(bad)
        assert len(voice.push(good)) == 5, "what was refused is not heard"
        voice.finish()
        for late in (good, good[:0]):
            with pytest.raises(AudioError, match=r"finished; call reset\(\)"):
                voice.push(late)
    for kind, options in (
        (AudioError, {"rate_hz": 7000}), (AudioError, {"rate_hz": 16000.5}), (ConfigError, {"fps": 241}),
        (ConfigError, {"fps": 121, "ensemble": True}), (ConfigError, {"fps": "fast"}),
        (ConfigError, {"ensemble": (0, 0, 0)}), (ConfigError, {"ensemble": (1, 1, 1)}), (ConfigError, {"ensemble": 3}),
    ):  # fmt: skip
        for make in (lambda o: NativePredictor(model, **o), lambda o: FramePredictor(python.engine, **o)):
            with pytest.raises(kind):
                make(options)
    for options in ({"audio_channels": 9}, {"audio_channels": 0}, {"buffer_samples": -1}, {"buffer_samples": 10**6}):
        with pytest.raises(ConfigError):
            NativePredictor(model, **options)
    with pytest.raises(ConfigError, match="chunks of 0"):
        native.latency_at(0)
    with pytest.raises(RigError, match="jawOpn"):
        native.set_curve("jawOpn")
    damaged = bytearray(tiny.read_bytes())
    damaged[50] ^= 1
    with pytest.raises(ArtifactError, match=r"absent\.pte: .*") as refusal:
        NativeModel(tmp_path / "absent.pte", library)
    assert isinstance(refusal.value.__cause__, abi.StatusError)
    with pytest.raises(ArtifactError, match=r"in memory: .*SHA-256"):
        NativeModel(bytes(damaged), library)
    with pytest.raises(AudioError, match="samples are no array"):
        NativePredictor(model).push([[0.1, 0.2], [0.3]])
    stereo = NativePredictor(model, audio_channels=2)
    for mono in (good, (good * 9).astype(np.int16), good[:, None]):
        with pytest.raises(AudioError, match=r"voice takes \(n, 2\)"):
            stereo.push(mono)
        with pytest.raises(AudioError, match="give int16 or float32"):
            stereo.feed(mono)


def test_closed_things_say_so_and_lost_ones_are_given_back(library: Library, brook: Path, tiny: Path) -> None:
    model = NativeModel(brook, library)
    voice, crowd = NativePredictor(model), NativeCrowd(model)
    model.close()
    model.close()
    assert len(animate(voice, noise(0, 3200), [320])) == 6, "a voice goes on without its model's handle"
    for thing, what in ((voice, "the voice"), (crowd, "the crowd"), (model, "the model")):
        thing.close()
        with pytest.raises(ArtifactError, match=f"{what} was closed"):
            _ = thing.handle
    with pytest.raises(ArtifactError, match="closed"):
        NativePredictor(model)
    model = NativeModel(tiny, library)
    voices = [NativePredictor(model) for _ in range(3)]
    closers = [model._owned._give_back, *(voice.owned._give_back for voice in voices)]
    assert all(closer.alive for closer in closers)
    del model, voices
    gc.collect()
    assert not any(closer.alive for closer in closers), "each handle went back to the library"


def test_one_thread_feeds_and_another_drains(library: Library, any_kind: Path, speech_like: Speech) -> None:
    audio = speech_like(48000, 2.0)
    model = NativeModel(any_kind, library)
    wanted = animate(NativePredictor(model, rate_hz=48000), audio, [480])
    voice = NativePredictor(model, rate_hz=48000, buffer_samples=4800)
    done = threading.Event()

    def microphone() -> None:
        at = 0
        while at < len(audio):
            at += voice.feed(audio[at : at + 480])
        done.set()

    thread = threading.Thread(target=microphone)
    thread.start()
    frames = []
    while not done.is_set():
        frames += voice.drain()
    thread.join()
    frames += voice.finish()
    np.testing.assert_array_equal(values(frames), values(wanted))


def test_it_needs_no_runtime_in_python(library: Library, any_kind: Path) -> None:
    code = (
        "import sys, numpy, sdk; v = sdk.NativePredictor(sdk.NativeModel(sys.argv[1]));"
        "n = len(v.push(numpy.zeros(16000, numpy.int16)) + v.finish());"
        "print(n, [m for m in ('torch', 'executorch', 'scipy') if m in sys.modules])"
    )
    environment = {LIBRARY: str(library.path.parent), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, any_kind], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("30 []\n", "")


def test_two_models_of_two_libraries_in_one_process(library: Library, tiny: Path, brook: Path) -> None:
    again = Library(library.path.parent)
    frames = [
        animate(NativePredictor(NativeModel(path, lib)), noise(0, 16000), [160])
        for path in (tiny, brook)
        for lib in (library, again)
    ]
    np.testing.assert_array_equal(values(frames[0]), values(frames[1]))
    np.testing.assert_array_equal(values(frames[2]), values(frames[3]))
    with refused(abi.NO_FILE):
        NativeModel("", library)


def test_a_manifest_that_is_none(library: Library) -> None:
    class Empty:
        def to_json(self) -> str:
            return "{}"

    with pytest.raises(ManifestError, match="in memory"):
        NativeModel(seal(b"program", Empty()), library)  # type: ignore[arg-type]


def test_a_voice_closed_under_a_thread_that_uses_it(library: Library, brook: Path, speech_like: Speech) -> None:
    """It is given back when the call that is under way has returned; the next says that it was closed."""
    model, audio = NativeModel(brook, library), speech_like(16000, 0.5)
    for _ in range(30):
        voice, ends = NativePredictor(model), []

        def speak(voice: NativePredictor = voice, ends: list[Exception] = ends) -> None:
            try:
                while True:
                    voice.feed(audio[:320])
                    voice.drain()
            except ArtifactError as error:
                ends.append(error)

        speaker = threading.Thread(target=speak)
        speaker.start()
        time.sleep(0.002)
        voice.close()
        speaker.join(10)
        assert not speaker.is_alive()
        assert "was closed" in str(ends[0])

"""The calls of OVRLipSync on our library: blocks as engines give them, our own frames' weights."""

from __future__ import annotations

import ctypes as c
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_cases import Case, Speech

from sdk.names import from_arkit
from sdk.names.visemes import OVR_15
from sdk.native import NativeModel, NativePredictor
from sdk.native.abi import Library

ROOT = Path(__file__).resolve().parents[2]
S16_MONO, S16_STEREO, F32_MONO, F32_STEREO = range(4)
ON, OFF, AMOUNT, SMOOTHING = range(4)


class Frame(c.Structure):
    _fields_ = [
        ("number", c.c_int), ("delay_ms", c.c_int), ("visemes", c.POINTER(c.c_float)), ("count", c.c_uint),
        ("laughter", c.c_float), ("categories", c.c_void_p), ("category_count", c.c_uint),
    ]  # fmt: skip


class Talker:
    """One context, as a program in C has it."""

    def __init__(self, calls: Any, model: Path, rate_hz: int, block: int) -> None:
        self.calls, self.context, self.shown = calls, c.c_uint(), (c.c_float * 15)()
        self.frame = Frame(visemes=c.cast(self.shown, c.POINTER(c.c_float)), count=15, laughter=7)
        assert calls.ovrLipSync_Initialize(rate_hz, block) == 0
        assert calls.ovrLipSync_SetModel(str(model).encode()) == 0
        assert calls.ovrLipSync_CreateContextEx(c.byref(self.context), 1, 0, False) == 0

    def hear(self, block: np.ndarray, kind: int) -> np.ndarray:
        count = len(block)
        block = np.ascontiguousarray(block)
        status = self.calls.ovrLipSync_ProcessFrameEx(
            self.context, block.ctypes.data_as(c.c_void_p), count, kind, c.byref(self.frame)
        )
        assert status == 0, self.calls.ovrLipSync_LastError()
        return np.array(self.shown)


@pytest.fixture
def calls(alone: Path) -> Iterator[Any]:
    library = c.CDLL(str(alone / "ovr" / "libOVRLipSync.so"))
    library.ovrLipSync_LastError.restype = c.c_char_p
    yield library
    library.ovrLipSync_Shutdown()


@pytest.mark.parametrize(
    ("rate_hz", "block", "kind"),
    [(48000, 1024, F32_MONO), (44100, 512, S16_STEREO), (16000, 160, S16_MONO), (48000, 480, F32_STEREO)],
)
def test_the_weights_are_those_of_our_frames(
    rate_hz: int, block: int, kind: int, calls: Any, alone: Path, make_case: Callable[[str], Case],
    speech_like: Speech,
) -> None:  # fmt: skip
    path, audio = make_case("delta").path, speech_like(rate_hz, 1.2)  # whose noise opens the lips
    heard = np.round(audio * 32767).astype(np.int16) if kind in (S16_MONO, S16_STEREO) else audio
    talker = Talker(calls, path, rate_hz, block)
    voice = NativePredictor(NativeModel(path, Library(alone / "lib")), rate_hz=rate_hz)
    shown, wanted = [], np.eye(15)[0]
    for at in range(0, len(heard) - block, block):
        part = heard[at : at + block]
        frames = voice.push(part.astype(np.float32) / 32768 if part.dtype == np.int16 else part)
        if frames:
            wanted = from_arkit(frames[-1].values, "oculus")
        seen = talker.hear(np.stack([part, part], axis=1) if kind in (S16_STEREO, F32_STEREO) else part, kind)
        np.testing.assert_allclose(seen, wanted, atol=2e-4)
        shown.append(seen)
    assert talker.frame.number == len(shown)
    assert talker.frame.laughter == 0
    assert 44 < talker.frame.delay_ms < 44 + 50 + 1000 * block / rate_hz
    assert np.std(shown, axis=0).max() > 0.02, "it answers to what it hears"
    np.testing.assert_allclose(np.sum(shown, axis=1), 1, atol=1e-5)
    assert np.min(shown) >= 0


def test_signals_reset_and_the_names_of_the_unity_package(
    calls: Any, make_case: Callable[[str], Case], speech_like: Speech
) -> None:
    path, audio = make_case("delta").path, speech_like(48000, 0.6)
    talker = Talker(calls, path, 48000, 1024)
    first = [talker.hear(audio[at : at + 1024], F32_MONO) for at in range(0, 24 * 1024, 1024)]
    assert calls.ovrLipSync_ResetContext(talker.context) == 0
    again = [talker.hear(audio[at : at + 1024], F32_MONO) for at in range(0, 24 * 1024, 1024)]
    np.testing.assert_array_equal(first, again, "nothing is left behind")
    assert calls.ovrLipSync_SendSignal(talker.context, AMOUNT, OVR_15.index("aa"), 40) == 0
    assert talker.hear(audio[:64], F32_MONO)[OVR_15.index("aa")] == pytest.approx(0.4)
    assert calls.ovrLipSync_SendSignal(talker.context, OFF, OVR_15.index("aa"), 0) == 0
    assert calls.ovrLipSync_SendSignal(talker.context, ON, 15, 0) == -2202
    calls.ovrLipSync_ResetContext(talker.context)
    assert calls.ovrLipSync_SendSignal(talker.context, SMOOTHING, 70, 0) == 0
    smooth = [talker.hear(audio[at : at + 1024], F32_MONO) for at in range(0, 24 * 1024, 1024)]
    assert np.abs(np.diff(smooth, axis=0)).sum() < 0.7 * np.abs(np.diff(first, axis=0)).sum()

    other, number, delay, laughter, room = c.c_uint(), c.c_int(), c.c_int(), c.c_float(3), (c.c_float * 15)()
    model, unity = str(path).encode(), calls.ovrLipSyncDll_ProcessFrameEx
    assert calls.ovrLipSyncDll_CreateContextWithModelFile(c.byref(other), 1, model, 48000, False) == 0
    assert other.value != talker.context.value
    for at in range(0, 24 * 1024, 1024):
        part = np.ascontiguousarray(audio[at : at + 1024])
        answer = unity(
            other, part.ctypes.data_as(c.c_void_p), 1024, F32_MONO, c.byref(number), c.byref(delay), room, 15,
            c.byref(laughter), None, 0,
        )  # fmt: skip
        assert answer == 0
        np.testing.assert_array_equal(np.array(room), first[at // 1024])
    assert (number.value, laughter.value) == (24, 0)
    assert calls.ovrLipSyncDll_DestroyContext(other) == 0
    assert calls.ovrLipSyncDll_DestroyContext(other) == -2202
    assert b"no such context" in calls.ovrLipSync_LastError()


def test_the_artefact_is_named_once(calls: Any, make_case: Callable[[str], Case]) -> None:
    """Games shut down and begin again between levels."""
    talker = Talker(calls, make_case("delta").path, 48000, 1024)
    assert calls.ovrLipSync_Shutdown() == 0
    assert calls.ovrLipSync_ResetContext(talker.context) == -2202
    assert calls.ovrLipSync_Initialize(48000, 1024) == 0
    assert calls.ovrLipSync_CreateContext(c.byref(talker.context), 1) == 0


SHORT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include "ovr_lip_sync.h"
static long left = -1;  /* until one is refused */
void* malloc(size_t size) {
  static void* (*real)(size_t);
  if (!real) *(void**)&real = dlsym(RTLD_NEXT, "malloc");
  return left >= 0 && left-- == 0 ? NULL : real(size);
}
int main(int count, char** words) {
  unsigned context, refused = 0;
  long n = 0;
  (void)count;
  ovrLipSync_Initialize(48000, 1024);
  if (ovrLipSync_SetModel(words[1])) return 1;
  for (ovrLipSyncResult made = ovrLipSyncError_Unknown; made; ++n) {
    left = n;
    made = ovrLipSync_CreateContext(&context, ovrLipSyncContextProvider_Enhanced);
    left = -1;
    refused += made != 0;
  }
  left = 0;
  printf("%u %d\\n", refused, ovrLipSync_SetModel(words[1]) != 0);
  return 0;
}
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="stands before malloc as glibc lets it")
def test_a_program_that_is_short_of_memory_is_told_and_goes_on(
    alone: Path, make_case: Callable[[str], Case], tmp_path: Path
) -> None:
    """Each memory that a context asks for is refused in turn; what C calls throws nothing."""
    (tmp_path / "short.c").write_text(SHORT)
    folders = [f"-L{alone / 'ovr'}", f"-L{alone / 'lib'}"]
    paths = f"-Wl,-rpath,{alone / 'ovr'}:{alone / 'lib'}"
    command = ["cc", f"-I{ROOT / 'sdk/c/ovr'}", tmp_path / "short.c", *folders, "-lOVRLipSync", "-lframe_stream", paths]
    subprocess.run([*command, "-ldl", "-o", tmp_path / "short"], check=True)
    done = subprocess.run([tmp_path / "short", make_case("delta").path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    refused, named = map(int, done.stdout.split())
    assert refused > 10
    assert named == 1


def test_it_is_installed_with_its_header_beside_our_library(alone: Path, tmp_path: Path) -> None:
    subprocess.run(["cmake", "--install", alone, "--prefix", tmp_path], check=True, capture_output=True)
    assert (tmp_path / "include/ovr_lip_sync.h").is_file()
    (library,) = tmp_path.rglob("libOVRLipSync.*")
    assert list(library.parent.glob("libframe_stream.*"))
    assert c.CDLL(str(library)).ovrLipSync_Initialize(1, 1024) == -2203


def test_wrong_use_is_answered(alone: Path, tmp_path: Path) -> None:
    (tmp_path / "ovr").mkdir()  # a copy, in which no test has named an artefact yet
    shutil.copy2(alone / "ovr" / "libOVRLipSync.so", tmp_path / "ovr")
    (tmp_path / "lib").symlink_to(alone / "lib")
    calls = c.CDLL(str(tmp_path / "ovr" / "libOVRLipSync.so"))
    calls.ovrLipSync_LastError.restype = c.c_char_p
    context = c.c_uint()
    assert calls.ovrLipSync_Initialize(1, 1024) == -2203
    assert calls.ovrLipSync_Initialize(48000, 1024) == 0
    assert calls.ovrLipSync_CreateContextEx(c.byref(context), 1, 0, False) == -2201
    assert b"ovrLipSync_SetModel" in calls.ovrLipSync_LastError()
    assert calls.ovrLipSync_SetModel(str(tmp_path / "none").encode()) == -2202
    assert b"cannot read" in calls.ovrLipSync_LastError()


def test_each_thread_is_told_of_its_own_failure(calls: Any) -> None:
    """Engines give every speaker a thread."""
    assert calls.ovrLipSync_Initialize(1, 1024) == -2203
    said: list[bytes] = []

    def other() -> None:
        said.append(calls.ovrLipSync_LastError())
        assert calls.ovrLipSync_DestroyContext(7) == -2202
        said.append(calls.ovrLipSync_LastError())

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert said[0] == b""
    assert b"no such context" in said[1]
    assert b"sampleRate" in calls.ovrLipSync_LastError()


def test_every_call_of_the_header_is_there(calls: Any) -> None:
    header = (ROOT / "sdk/c/ovr/ovr_lip_sync.h").read_text("utf-8")
    names = re.findall(r"^OVR_API [^(]*?(ovrLipSync\w+)\(", header, re.M)
    assert len(names) >= 22
    assert all(hasattr(calls, name) for name in names)

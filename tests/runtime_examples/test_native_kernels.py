"""Our own kernels behind the same C door: the frames of the student itself, on `libexecutorch` alone."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kernel_cases import BACKEND, BROOK, UNITS_AGREE, Case, Speech, lively
from made_once import compiled_once
from native_tools import TOLERANCE, animate, largest_difference, noise, refused, run, values

import sdk
from sdk.artifact import seal
from sdk.c.build import build
from sdk.errors import ArtifactError, TinyfaceError, VerificationError
from sdk.native import NativeCrowd, NativeModel, NativePredictor, abi
from sdk.native.abi import Library
from sdk.predictor import FramePredictor

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "sdk" / "c"
FIELDS = 26  # of a layer in a plan
EXACT = 1e-5  # the same sums, in another order where more voices share a call


@pytest.fixture
def brook_case(make_case: Callable[[str], Case]) -> Case:
    return make_case("brook")


# ---------------------------------------------------------------------------------------------------------- frames
@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_frames_are_the_students(rate_hz: int, case: Case, library: Library, speech_like: Speech) -> None:
    audio = speech_like(rate_hz, 1.1)
    predictor = FramePredictor(case.judge, rate_hz=rate_hz)
    wanted = predictor.push(audio) + predictor.finish()
    assert np.std(values(wanted), axis=0).max() > 0.02, "the student answers to what it hears"
    voice = NativePredictor(NativeModel(case.path, library), rate_hz=rate_hz)
    given = animate(voice, audio, [1, 479, 3000])
    assert largest_difference(given, wanted) <= case.tolerance
    voice.reset()
    np.testing.assert_array_equal(values(animate(voice, audio, [rate_hz])), values(given), "nothing is left behind")


@pytest.mark.parametrize("name", ["brook", "delta", "creek-int8"])
def test_a_crowd_is_its_voices(name: str, make_case: Callable[[str], Case], library: Library) -> None:
    from export.lower import kernels as lower_kernels

    model = NativeModel(make_case(name).path, library)
    assert model.info.backend == BACKEND == lower_kernels.BACKEND
    crowd, voices = NativeCrowd(model), [NativePredictor(model) for _ in range(21)]
    for i, voice in enumerate(voices):
        voice.feed(noise(100000 * i, 6400 - 13 * i))
    assert crowd.run(voices) >= 20 * 19
    for i, voice in enumerate(voices):
        alone = animate(NativePredictor(model), noise(100000 * i, 6400 - 13 * i), [500])
        assert largest_difference(voice.drain() + voice.finish(), alone) <= EXACT


def units_here() -> list[str]:
    """Units that must have run, by what the kernel of this system says of the processor."""
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text().partition("flags")[2].partition("\n")[0].split()) if info.exists() else set()
    needs = {"avx2": {"avx2", "fma"}, "avx512": {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni"}}
    return ["base", *(name for name, wanted in needs.items() if wanted <= flags)]


@pytest.mark.parametrize("several", [False, True])
def test_instruction_sets_agree(several: bool, case: Case, built_native: Path) -> None:
    voices = 7 if several and case.is_stream else 1  # a window student runs one voice a call
    lines = [line.split() for line in run(built_native, "units", case.path, voices, 40).splitlines()]
    assert [name for name, *_ in lines] == units_here()
    for name, _, most, _mean in lines:
        # in int8 a rounding more or less would be a whole step of a grid somewhere, so there is none: to the last bit
        assert float(most) <= (UNITS_AGREE if case.tolerance == TOLERANCE else 0), name


@pytest.mark.parametrize("name", ["delta", "bay", "creek-int8"])
def test_arm_agrees_with_no_runtime_at_all(
    name: str, make_case: Callable[[str], Case], built_native: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The kernels and the reader of plans alone, cross-built into one static program, run by an emulator."""
    path, compiler, emulator = make_case(name).path, shutil.which("aarch64-linux-gnu-g++"), shutil.which("qemu-aarch64")
    if not compiler or not emulator:
        pytest.skip("no cross compiler or no emulator: apt install g++-aarch64-linux-gnu qemu-user")
    program = tmp_path_factory.getbasetemp() / "units-aarch64"
    if not program.exists():
        plan = ("plan.cpp", "plan_read.cpp", "plan_style.cpp")
        kernels = [NATIVE / "kernels" / file for file in ("unit_base.cpp", *plan, "kernels.cpp")]
        kernels.append(NATIVE / "src/base/memory.cpp")
        flags = ["-std=c++17", "-O2", "-ffp-contract=off", "-Wno-psabi", "-static", "-I", NATIVE, "-I", NATIVE / "src"]
        flags += ["-I", NATIVE / "include"]
        subprocess.run([compiler, *flags, *kernels, NATIVE / "tests/units.cpp", "-o", program], check=True)
    made = [tmp_path_factory.mktemp(name) / file for file in ("here", "arm")]
    run(built_native, "units", path, 1, 20, made[0])
    subprocess.run([emulator, "-cpu", "cortex-a76", program, path, "1", "20", made[1]], check=True, capture_output=True)
    here, arm = (np.fromfile(file, "<f4") for file in made)
    assert np.std(here) > 0.01
    assert np.abs(arm - here).max() <= (UNITS_AGREE if make_case(name).tolerance == TOLERANCE else 0)


# ------------------------------------------------------------------------------------------------ what nobody may do
@pytest.mark.parametrize("name", ["brook", "bay", "delta-int8"])
def test_nothing_is_allocated_in_the_loop(name: str, make_case: Callable[[str], Case], built_native: Path) -> None:
    case = make_case(name)
    assert run(built_native, "no_alloc", case.path, 0.05, 44100, 1) == f"{90 + 30}\n"
    if case.is_stream:
        assert run(built_native, "no_alloc", case.path, 0.05, 48000, 0, 20) == f"{20 * (90 + 30)}\n"


def test_threads_give_the_frames_of_one(brook_case: Case, built_native: Path) -> None:
    assert run(built_native, "threads", brook_case.path) == "ok\n"


def test_opening_and_closing_leaks_nothing(brook_case: Case, built_native: Path) -> None:
    said = run(built_native, "open_close", brook_case.path, 200, GLIBC_TUNABLES="glibc.malloc.tcache_count=0")
    early, late = map(int, said.split())
    assert late == early


@pytest.mark.parametrize("name", ["brook", "pane", "creek-int8"])
def test_damaged_programs_never_crash(name: str, make_case: Callable[[str], Case], built_native: Path) -> None:
    """Behind a seal that holds, as only somebody who means harm would make one."""
    said = run(built_native, "hostile", make_case(name).path, 300, 5, "--reseal")
    assert said.endswith("crashes 0\n"), said
    assert "bad program" in said


def test_every_number_of_a_plan_is_checked(brook_case: Case, alone: Path) -> None:
    """Each field of each layer made absurd: refused with a reason, or harmless; the process lives. The library alone:
    in a process where Python's runtime was started after ours, its hooks lie over ours and swallow reasons."""
    library = Library(alone / "lib")
    good = brook_case.path.read_bytes()
    start, manifest = good.index(b"TFKP\1\0\0\0"), brook_case.judge.manifest
    program = good[: good.rindex(b"{", 0, good.index(b'"backend"'))]
    layers = struct.unpack_from("<I", good, start + 8)[0]

    def spoiled(word: int, value: int) -> bytes:
        spoilt = bytearray(program)
        struct.pack_into("<I", spoilt, start + 4 * word, value)
        return seal(bytes(spoilt), manifest)

    for word, value, why in (
        (0, 0, "cannot be loaded"), (1, 3, "another version"), (2, 0xFFFF, "out of its range"),
        (3, 3, "no possible shape"), (3, 640, "one column of values"), (4, 3, "one column of values"),
    ):  # fmt: skip
        with refused(abi.BAD_PROGRAM, why):
            NativeModel(spoiled(word, value), library)
    reasons = [_refusal(spoiled(word, value), library) for word in range(16, 16 + 32 * layers)
               for value in (0, 1, 0x7FFFFFFF, 0xFFFFFFC0) if (word - 16) % 32 < FIELDS]  # fmt: skip
    refusals = [reason for reason in reasons if reason]
    assert all("the program" in reason for reason in refusals), refusals
    assert len(refusals) > 40 * layers


def _refusal(artefact: bytes, library: Library) -> str:
    """Why it is refused; "" if it plays, whatever it plays."""
    try:
        NativeModel(artefact, library).close()
    except TinyfaceError as error:
        return str(error)
    return ""


def test_what_the_kernels_lack_is_said_at_export() -> None:
    pytest.importorskip("torch", reason="torch builds the student")
    from distill.students.spec import load_variant
    from export.lower.kernel_plan import plan

    student = load_variant("s6", {**BROOK, "separable": True}).build()
    with pytest.raises(VerificationError, match="no depthwise convolution"):
        plan(student)


# ------------------------------------------------------------------------------------------------------ what is shipped
@pytest.fixture(scope="session")
def light(built_native: Path) -> Path:
    """The library without XNNPACK: what ships where only our own kernels play."""
    with compiled_once():
        return build(ROOT / "build" / "native-light", xnnpack=False, examples=False)


def test_one_small_library_is_enough(light: Path, case: Case, library: Library, speech_like: Speech) -> None:
    shipped = {file.name: file.stat().st_size for file in light.glob("lib*")}
    assert sorted(re.sub(r"\W.*", "", name) for name in shipped) == ["libexecutorch", "libframe_stream"], shipped
    assert sum(shipped.values()) < 1_000_000, shipped
    audio = speech_like(16000, 0.5)
    small, large = (
        animate(NativePredictor(NativeModel(case.path, lib)), audio, [700]) for lib in (Library(light), library)
    )
    np.testing.assert_array_equal(values(small), values(large))


def test_without_xnnpack_its_programs_are_refused(light: Path, small: Path) -> None:
    with refused(abi.UNSUPPORTED, "built without"):
        NativeModel(small, Library(light))


def test_both_methods_read_one_plan(brook_case: Case) -> None:
    from export.lower.kernel_plan import plan

    size, plan_size = brook_case.path.stat().st_size, len(plan(lively("brook")))
    assert size < plan_size + 20_000


def test_python_says_who_plays_it(brook_case: Case) -> None:
    with pytest.raises(ArtifactError, match="NativeModel"):
        sdk.open(brook_case.path)

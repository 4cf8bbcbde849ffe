"""The Unity package: put together, compiled against stubs of the engine, and driven as the engine would."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from csharp_tools import BINDING, CSHARP, Compile, start
from game_loop import check_game, drawn_by, rest_s

import sdk
from runtime_examples.unity.pack import PackFailed, main, pack
from sdk.sounds.sound import read_sound

UNITY = Path(__file__).resolve().parents[2] / "runtime_examples" / "unity"
STUBS = Path(__file__).parent / "csharp"
SHOWN = ("jawOpen", "mouthClose", "tongueOut")  # the shapes of UnityDriver.cs, in its order


@pytest.fixture(scope="module")
def packed(built_native: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack([built_native / "lib"], tmp_path_factory.mktemp("unity") / "package")


def test_the_package_is_whole(packed: Path, built_native: Path) -> None:
    said = json.loads((packed / "package.json").read_text("utf-8"))
    assert said["version"] == sdk.__version__
    assert said["name"] == said["name"].lower()
    (assembly,) = packed.rglob("*.asmdef")
    assert json.loads(assembly.read_text("utf-8"))["allowUnsafeCode"] is True
    for file in BINDING:
        assert (assembly.parent / "Binding" / file.name).read_text("utf-8") == file.read_text("utf-8")
    assert not list(UNITY.rglob("FrameStream.cs")), "one copy of the binding"
    libraries = {file.name for file in (packed / "Plugins").rglob("lib*")}
    assert libraries == {file.name for file in (built_native / "lib").glob("lib*")}


def test_packing_again_replaces_and_refuses_what_is_none(
    packed: Path,
    built_native: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (packed / "stale").touch()
    monkeypatch.setattr(sys, "argv", ["pack", "--libraries", str(built_native / "lib"), "--out", str(packed)])
    assert main() == 0
    assert "Runtime/Binding/FrameStream.cs" in capsys.readouterr().out
    assert not (packed / "stale").exists()
    with pytest.raises(PackFailed, match="holds no libframe_stream"):
        pack([tmp_path], tmp_path / "out")
    (tmp_path / "libframe_stream.so").write_bytes(b"text")
    with pytest.raises(PackFailed, match="is no ELF library"):
        pack([tmp_path], tmp_path / "out")
    with pytest.raises(PackFailed, match="may be replaced"):
        pack([built_native / "lib"], tmp_path)


def face(frame: sdk.Frame) -> np.ndarray:
    return np.array([frame[name] for name in SHOWN])


def at(frames: list[sdk.Frame], seconds: float) -> np.ndarray:
    """The face between two of thirty frames a second, as numpy draws lines."""
    times, faces = [frame.index / 30 for frame in frames], np.array([face(frame) for frame in frames])
    return np.array([np.interp(seconds, times, channel) for channel in faces.T])


def test_it_draws_pythons_frames_when_their_sound_is_heard(
    compile_cs: Compile, packed: Path, built_native: Path, any_kind: Path, wav: Path
) -> None:
    """Also: smooth whatever the blocks, at rest when the sound stops; sound unchanged but for its delay, a
    microphone, hanging threads, a device that changes, failures, no garbage: UnityDriver.cs."""
    sources = [*STUBS.glob("Unity*.cs"), *packed.rglob("*.cs"), CSHARP / "animate_wav" / "Wav.cs"]
    driver = compile_cs(f"driver_{any_kind.parent.name}", sources)
    done = start(driver, any_kind, wav, libraries=built_native / "lib")
    assert (done.stderr, done.returncode) == ("", 0)
    *lines, last = done.stdout.splitlines()
    assert last == "done"
    heard, rate = read_sound(wav)
    frames = sdk.predict(any_kind, heard[: len(heard) // 256 * 256], rate)
    drawn = drawn_by(lines)
    seen = [row for row in drawn["audible"] if row[0] >= 0]
    assert len(seen) > 30
    for when, *weights in seen:
        np.testing.assert_allclose(weights, 100 * at(frames, when), atol=0.02)
    check_game(drawn, rest_s(any_kind, rate), moves=5, rests=1)

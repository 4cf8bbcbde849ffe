"""The Unity package: put together, compiled against stubs of the engine, and driven as the engine would."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from csharp_tools import BINDING, CSHARP, Compile, start
from game_loop import check_game, drawn_by, rest_s

import sdk
from runtime_examples.platforms import Platform, platform_of
from runtime_examples.unity.meta import guid_of
from runtime_examples.unity.pack import PackFailed, main, pack
from sdk.artifact import seal
from sdk.manifest import Manifest
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
    assert said["dependencies"] == {"com.unity.modules.audio": "1.0.0"}
    libraries = {file.name for file in (packed / "Plugins").rglob("lib*") if file.suffix != ".meta"}
    assert libraries == {file.name for file in (built_native / "lib").glob("lib*")}


# What scenes and prefabs of users hold; a script that moves in the package must keep the one it has.
GUIDS = {
    "Runtime/SpeechFace.cs": "01e802247306570ab6be0cbe07d14a53",
    "Runtime/SpeechCrowd.cs": "b79f3681c68e59bc86f326d9c6482f7c",
}


def test_every_file_has_a_guid_that_packing_again_keeps(packed: Path, built_native: Path, tmp_path: Path) -> None:
    def guids(package: Path) -> dict[str, str]:
        metas = sorted(package.rglob("*.meta"))
        return {str(path.relative_to(package)): path.read_text("utf-8").splitlines()[1] for path in metas}

    found = guids(packed)
    paths = [path for path in packed.rglob("*") if path.suffix != ".meta"]
    assert {f"{path.relative_to(packed)}.meta" for path in paths} == set(found)
    assert len(set(found.values())) == len(found), "no two are alike"
    for place, guid in GUIDS.items():
        assert found[f"{place}.meta"] == f"guid: {guid}" == f"guid: {guid_of(place)}"
    assert guids(pack([built_native / "lib"], tmp_path / "again")) == found


def test_a_library_is_loaded_where_it_runs_alone(built_native: Path, tmp_path: Path) -> None:
    """Its first bytes say what it is for; its .meta says that to Unity, as YAML."""
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the .meta files here")
    elf = b"\x7fELF" + bytes(14) + b"%c\0" + b"\0libc.so%s\0"
    pe = b"MZ" + bytes(0x3A) + b"\x40\0\0\0" + b"PE\0\0" + b"%b" + bytes(9)
    made = {
        "libframe_stream.so": [(elf % (62, b".6"), "Linux", "x86_64"), (elf % (183, b".6"), "Linux", "arm64"),
                               (elf % (183, b""), "Android", "arm64"), (elf % (40, b""), "Android", "armv7")],
        "frame_stream.dll": [(pe % b"\x64\x86", "Windows", "x86_64"), (pe % b"\x64\xaa", "Windows", "arm64")],
        "libframe_stream.dylib": [(b"\xca\xfe\xba\xbe", "macOS", "universal"),
                                  (b"\xcf\xfa\xed\xfe\x0c\0\0\x01", "macOS", "arm64")],
    }  # fmt: skip
    folders = []
    for name, ones in made.items():
        for content, system, processor in ones:
            folders.append(tmp_path / "libraries" / f"{system}-{processor}")
            folders[-1].mkdir(parents=True)
            (folders[-1] / name).write_bytes(content)
            assert platform_of(folders[-1] / name) == Platform(system, processor)
    phone = tmp_path / "FrameStream.xcframework"
    (phone / "ios-arm64").mkdir(parents=True)
    (phone / "ios-arm64" / "libframe_stream.a").write_bytes(b"!<arch>\n")
    package = pack([*folders, phone], tmp_path / "package")
    for library in [path for path in (package / "Plugins").rglob("*frame_stream*") if path.suffix != ".meta"]:
        system, processor = library.relative_to(package).parts[1:3]
        said = yaml.safe_load(library.with_name(library.name + ".meta").read_text("utf-8"))
        data = {next(iter(one["first"])): one["second"] for one in said["PluginImporter"]["platformData"]}
        assert data["Any"]["enabled"] == 0
        player = {"Android": "Android", "iOS": "iPhone"}.get(system, "Standalone")
        assert [name for name, one in data.items() if one["enabled"]] == (
            [player] if system in ("Android", "iOS") else ["Editor", "Standalone"]
        )
        if system != "iOS":
            assert data[player]["settings"]["CPU"].lower() == {"universal": "anycpu"}.get(processor, processor)


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
    with pytest.raises(PackFailed, match="is no library that Unity has a place for"):
        pack([tmp_path], tmp_path / "out")
    with pytest.raises(PackFailed, match=r"both are for Linux/x86_64, where there is room for one: give one$"):
        pack([built_native / "lib", built_native / "lib"], tmp_path / "out")
    with pytest.raises(PackFailed, match="may be replaced"):
        pack([built_native / "lib"], tmp_path)


def test_a_rig_of_one_channel_that_no_shape_is_named_like_is_told(
    compile_cs: Compile, packed: Path, built_native: Path, make_facts: Callable[..., Manifest], tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch", reason="torch builds the program under test")
    pytest.importorskip("executorch.exir", reason="executorch builds the program under test")
    from export.lower.program import export_program, lower

    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(1000, 1)).eval()
    program = lower({"forward": export_program(net, (torch.zeros(1, 1, 1000),))}).program
    (tmp_path / "one.pte").write_bytes(seal(program, make_facts(names=["jawOpen"])))
    sources = [*STUBS.glob("Unity*.cs"), *packed.rglob("*.cs"), CSHARP / "animate_wav" / "Wav.cs"]
    done = start(compile_cs("one", sources), tmp_path / "one.pte", libraries=built_native / "lib")
    assert (done.stderr, done.returncode) == ("", 0)
    assert "named like a channel of this artefact (jawOpen): give the faces" in done.stdout


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
    together = [line for line in lines if line.startswith("together")]
    assert together == ["together none" if any_kind.parent.name.startswith("small") else "together 20"]
    drawn = drawn_by([line for line in lines if line not in together])
    seen = [row for row in drawn["audible"] if row[0] >= 0]
    assert len(seen) > 30
    for when, *weights in seen:
        np.testing.assert_allclose(weights, 100 * at(frames, when), atol=0.02)
    check_game(drawn, rest_s(any_kind, rate), moves=5, rests=1)
    listened = {size: drawn[f"microphone{size}"] for size in ("1024", "128")}
    check_game(listened, rest_s(any_kind, rate), moves=5, rests=1)

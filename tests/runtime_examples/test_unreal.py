"""The Unreal plugin, as far as it goes without Unreal: its engine-free half is run, the rest compiled on stubs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from csharp_tools import Compile, start
from game_loop import check_game, drawn_by, rest_s

import sdk

PLUGIN = Path(__file__).resolve().parents[2] / "runtime_examples" / "unreal" / "Tinyface"
MODULE = PLUGIN / "Source" / "Tinyface"
HERE = Path(__file__).parent / "unreal"
FLAGS = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti"]


@pytest.fixture(scope="module")
def compiler() -> str:
    found = shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")
    if not found:
        pytest.skip("no C++ compiler: apt install g++")
    return found


@pytest.fixture(scope="module")
def plugin(built_native: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin as README.md puts it into a project."""
    folder = tmp_path_factory.mktemp("unreal") / "Tinyface"
    shutil.copytree(PLUGIN, folder)
    shutil.copytree(built_native / "installed", folder / "ThirdParty" / "frame_stream")
    return folder


def test_the_plugin_names_what_is_there() -> None:
    said = json.loads((PLUGIN / "Tinyface.uplugin").read_text("utf-8"))
    assert said["VersionName"] == sdk.__version__
    assert said["FileVersion"] == 3
    (module,) = said["Modules"]
    rules = (MODULE / f"{module['Name']}.Build.cs").read_text("utf-8")
    assert f"public class {module['Name']} : ModuleRules" in rules
    assert f", {module['Name']})" in (MODULE / "Private" / "TinyfaceModule.cpp").read_text("utf-8")
    header = (MODULE / "Public" / "SpeechFaceComponent.h").read_text("utf-8")
    includes = re.findall(r'#include "([^"]+)"', header)
    assert includes[-1] == "SpeechFaceComponent.generated.h", "Unreal's header tool wants it last"
    for name in ("SpeechVoice.h", "SpeechVoice.cpp"):
        assert "Unreal" not in (MODULE / "Private" / name).read_text("utf-8").replace("nothing of Unreal", "")


def test_build_rules_name_files_that_exist(compile_cs: Compile, plugin: Path, built_native: Path) -> None:
    rules = compile_cs("rules", [plugin / "Source/Tinyface/Tinyface.Build.cs", HERE / "BuildStubs.cs"])
    done = start(rules, plugin, libraries=built_native / "lib")
    assert done.returncode == 0, done.stderr
    said = [line.split(" ", 1) for line in done.stdout.splitlines()]
    assert (Path(dict(said)["include"]) / "frame_stream.h").is_file()
    assert Path(dict(said)["link"]).is_file()
    shipped = [rest.split(" <- ") for kind, rest in said if kind == "ship"]
    assert {Path(source).name for _, source in shipped} == {path.name for path in (built_native / "lib").glob("lib*")}
    for target, source in shipped:
        assert Path(source).parent == Path(dict(said)["load"])
        assert target == f"$(BinaryOutputDir)/{Path(source).name}"


def test_the_component_compiles_on_stubs(compiler: str, plugin: Path, tmp_path: Path) -> None:
    module = plugin / "Source" / "Tinyface"
    sources = [*module.rglob("*.cpp"), *module.rglob("*.h")]
    wanted = {name for file in sources for name in re.findall(r'#include "([^"]+)"', file.read_text("utf-8"))}
    for name in wanted - {"frame_stream.h", "SpeechVoice.h", "SpeechFaceComponent.h"}:
        header = tmp_path / name
        header.parent.mkdir(parents=True, exist_ok=True)
        header.write_text('#include "UnrealStubs.h"\n')
    folders = [tmp_path, HERE, module / "Public", plugin / "ThirdParty/frame_stream/include"]
    for file in sorted(module.rglob("*.cpp")):
        command = [compiler, *FLAGS, "-fsyntax-only", *(f"-I{folder}" for folder in folders), str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def voice_driver(compiler: str, plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    private, third = plugin / "Source" / "Tinyface" / "Private", plugin / "ThirdParty" / "frame_stream"
    program = tmp_path_factory.mktemp("driver") / "voice_driver"
    subprocess.run(
        [compiler, *FLAGS, "-O1", "-pthread", f"-I{private}", f"-I{third / 'include'}", HERE / "voice_driver.cpp",
         private / "SpeechVoice.cpp", f"-L{third / 'lib'}", "-lframe_stream", f"-Wl,-rpath,{third / 'lib'}",
         "-o", program], check=True,
    )  # fmt: skip
    return program


def test_faces_are_pythons_frames_and_a_game_draws_them_smoothly(
    voice_driver: Path, any_kind: Path, speech_like: Callable[[int, float], np.ndarray], tmp_path: Path
) -> None:
    """Also: two threads, refusals, sound that is lost. See voice_driver.cpp."""
    rate, heard = 48000, speech_like(48000, 2.4)
    (tmp_path / "audio.f32").write_bytes(heard.tobytes())
    done = subprocess.run(
        [voice_driver, any_kind, tmp_path / "audio.f32", str(rate)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    names, *lines, last = done.stdout.splitlines()
    frames = sdk.predict(any_kind, heard, rate)
    assert names.split() == list(frames[0].layout.names)
    assert last == "done"
    # a track knows where a frame is to the fraction of a sample; these artefacts have thirty a second
    times, faces = [frame.index / 30 for frame in frames], np.array([frame.values for frame in frames])
    drawn = drawn_by(lines)
    seen = np.array([row for row in drawn["audible"] if row[0] >= 0])
    assert len(seen) > 100
    for when, *values in seen:
        wanted = np.array([np.interp(when, times, channel) for channel in faces.T])
        np.testing.assert_allclose(values, wanted, atol=2e-4)
    check_game(drawn, rest_s(any_kind, rate), moves=0.05, rests=0.01)

"""The Unreal plugin, as far as it goes without Unreal: its engine-free half, and the component on stand-ins."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from csharp_tools import Compile, start
from game_loop import check_game, drawn_by, rest_s

import sdk
from runtime_examples.unreal.pack import PackFailed, pack

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
    """The plugin as README.md puts it into a project, with stand-ins of libraries for other systems."""
    folder = tmp_path_factory.mktemp("unreal")
    made = {
        "win/frame_stream.dll": b"MZ" + bytes(0x3A) + b"\x40\0\0\0PE\0\0\x64\x86" + bytes(9),
        "win/libframe_stream.dll.a": b"!<arch>\n", "mac/libframe_stream.dylib": b"\xca\xfe\xba\xbe",
        "android/libframe_stream.so": b"\x7fELF" + bytes(14) + b"\xb7\0\0libc.so\0",
        "linux64/libframe_stream.so": b"\x7fELF" + bytes(14) + b"\xb7\0\0libc.so.6\0",
        "FrameStream.xcframework/ios-arm64/libframe_stream.a": b"!<arch>\n",
    }  # fmt: skip
    for name, content in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    others = sorted({(folder / name).parent for name in made if "ios" not in name})
    return pack([built_native / "lib", *others, folder / "FrameStream.xcframework"], folder / "Tinyface")


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


PLATFORMS = ["Win64", "Linux", "LinuxArm64", "Mac", "Android", "IOS"]


@pytest.fixture(scope="module")
def rules(compile_cs: Compile, plugin: Path) -> list[str]:
    return compile_cs("rules", [plugin / "Source/Tinyface/Tinyface.Build.cs", HERE / "BuildStubs.cs"])


@pytest.mark.parametrize("platform", PLATFORMS)
def test_build_rules_name_files_that_exist(platform: str, rules: list[str], plugin: Path, built_native: Path) -> None:
    done = start(rules, plugin, platform, libraries=built_native / "lib")
    assert done.returncode == 0, done.stderr
    said = [line.split(" ", 1) for line in done.stdout.splitlines()]
    assert (Path(dict(said)["include"]) / "frame_stream.h").is_file()
    assert Path(dict(said)["link"]).is_file()
    shipped = [rest.split(" <- ") for kind, rest in said if kind == "ship"]
    beside = {Path(source).name for _, source in shipped}
    if platform == "Linux":  # with the runtime that it was built with
        assert beside == {path.name for path in (built_native / "lib").glob("lib*")}
        assert {Path(source).parent for _, source in shipped} == {Path(dict(said)["load"])}
    wanted = {"Win64": {"frame_stream.dll"}, "LinuxArm64": {"libframe_stream.so"}, "Mac": {"libframe_stream.dylib"}}
    assert platform == "Linux" or beside == wanted.get(platform, set())
    for target, source in shipped:
        assert Path(source).is_file()
        assert target == (source if platform == "Win64" else f"$(BinaryOutputDir)/{Path(source).name}")
    assert "module Projects" in done.stdout, "where IPluginManager is"
    assert ("delay frame_stream.dll" in done.stdout) == (platform == "Win64")
    assert ("define FP_STATIC=1" in done.stdout) == (platform == "IOS")
    if platform == "Android":
        name, path = dict(said)["receipt"].split(" = ")
        assert name == "AndroidPlugin"
        for copied in ElementTree.parse(path).iter("copyFile"):
            source = copied.attrib["src"].replace("$S(PluginDir)", str(Path(path).parent))
            assert Path(source.replace("$S(Architecture)", "arm64-v8a")).is_file()


def test_packing_refuses_what_is_none(built_native: Path, plugin: Path, tmp_path: Path) -> None:
    said = json.loads((plugin / "Tinyface.uplugin").read_text("utf-8"))
    assert said["Modules"][0]["PlatformAllowList"] == PLATFORMS
    with pytest.raises(PackFailed, match="holds no libframe_stream"):
        pack([tmp_path], tmp_path / "out")
    (tmp_path / "libframe_stream.so").write_bytes(b"text")
    with pytest.raises(PackFailed, match="is no library for Android/arm64-v8a, IOS"):
        pack([tmp_path], tmp_path / "out")
    with pytest.raises(PackFailed, match="may be replaced"):
        pack([built_native / "lib"], tmp_path)
    for processor, kind in (("arm", b"\x0c\0\0\x01"), ("x86", b"\x07\0\0\x01")):
        (tmp_path / processor).mkdir()
        (tmp_path / processor / "libframe_stream.dylib").write_bytes(b"\xcf\xfa\xed\xfe" + kind)
    with pytest.raises(PackFailed, match=r"both are for Mac, .* lipo -create \S+arm/\S+dylib \S+x86/\S+ -output lib"):
        pack([tmp_path / "arm", tmp_path / "x86"], tmp_path / "out")
    with pytest.raises(PackFailed, match=r"both are for Linux, where there is room for one: give one$"):
        pack([built_native / "lib", built_native / "lib"], tmp_path / "out")
    assert not (tmp_path / "out").exists(), "what cannot be whole is not begun"
    (tmp_path / "win").mkdir()
    shutil.copy2(plugin / "ThirdParty/frame_stream/lib/Win64/frame_stream.dll", tmp_path / "win")
    with pytest.raises(PackFailed, match="no import library"):
        pack([tmp_path / "win"], tmp_path / "out")


@pytest.fixture(scope="module")
def stubs(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Folders of headers: each of Unreal's that the module names is UnrealStubs.h."""
    module, made = plugin / "Source" / "Tinyface", tmp_path_factory.mktemp("stubs")
    sources = [*module.rglob("*.cpp"), *module.rglob("*.h")]
    wanted = {name for file in sources for name in re.findall(r'#include "([^"]+)"', file.read_text("utf-8"))}
    for name in wanted - {"frame_stream.h", *(file.name for file in sources)}:
        header = made / name
        header.parent.mkdir(parents=True, exist_ok=True)
        header.write_text('#include "UnrealStubs.h"\n')
    folders = [made, HERE, module / "Public", module / "Private", plugin / "ThirdParty/frame_stream/include"]
    return [f"-I{folder}" for folder in folders]


def test_every_file_includes_what_it_names(compiler: str, plugin: Path, stubs: list[str]) -> None:
    """Alone, as a build that is not unity would compile it; and of the standard library what it uses itself."""
    for file in sorted((plugin / "Source" / "Tinyface").rglob("*.cpp")):
        done = subprocess.run(
            [compiler, *FLAGS, "-fsyntax-only", *stubs, str(file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    for file in [*(plugin / "Source" / "Tinyface").rglob("*.cpp"), *(plugin / "Source" / "Tinyface").rglob("*.h")]:
        text = file.read_text("utf-8")
        own = file.with_suffix(".h").read_text("utf-8") if file.with_suffix(".h").exists() else ""
        for name in ("atomic", "string", "vector"):
            used = re.search(rf"\bstd::{name}\b", re.sub(r"//.*|/\*.*?\*/", "", text, flags=re.DOTALL))
            assert not used or f"#include <{name}>" in text + own + _included(file), f"{file.name}: <{name}>"


def _included(file: Path) -> str:
    """The module's own headers that `file` includes."""
    names = re.findall(r'#include "(\w+\.h)"', file.read_text("utf-8"))
    return "".join(path.read_text("utf-8") for path in file.parents[1].rglob("*.h") if path.name in names)


def test_windows_loads_the_library_from_where_it_lies(
    compiler: str, plugin: Path, stubs: list[str], tmp_path: Path
) -> None:
    """Whoever delay-loads a DLL loads it by its path before the first call; what is shipped is what is loaded."""
    for system, flags in (("windows", ["-DPLATFORM_WINDOWS=1"]), ("other", [])):
        command = [compiler, *FLAGS, *flags, *stubs, str(HERE / "module_driver.cpp"), "-o", str(tmp_path / system)]
        subprocess.run(command, check=True)

    def said(system: str, folder: Path) -> list[str]:
        command = [str(tmp_path / system), str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    library = "ThirdParty/frame_stream/lib/Win64/frame_stream.dll"
    assert said("windows", plugin) == ["there 1"] * 2 + [f"freed {plugin}/{library}"] * 2
    absent = ["there 0"] * 2 + [f"said {tmp_path}/{library}"] * 2
    assert said("windows", tmp_path) == absent, "its path is told where it is not there"
    assert said("other", tmp_path) == ["there 1"] * 2


def test_without_its_library_a_face_rests_and_the_game_goes_on(
    compiler: str, plugin: Path, stubs: list[str], tmp_path: Path
) -> None:
    """A call into a delay-loaded DLL that is not there ends the process, and a component's end made two."""
    sources = [p for p in (plugin / "Source/Tinyface").rglob("*.cpp") if p.name != "TinyfaceModule.cpp"]
    program, main = tmp_path / "driver", HERE / "absent_driver.cpp"
    subprocess.run([compiler, *FLAGS, "-O0", "-pthread", *stubs, *sources, main, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["Tinyface/model.pte"] * 2, "whose face it is that rests"


@pytest.fixture(scope="module")
def component_driver(compiler: str, plugin: Path, stubs: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    module, third = plugin / "Source/Tinyface", plugin / "ThirdParty/frame_stream/lib/Linux"
    sources = [path for path in module.rglob("*.cpp") if path.name != "TinyfaceModule.cpp"]
    program = tmp_path_factory.mktemp("component") / "driver"
    subprocess.run(
        [compiler, *FLAGS, "-O0", "-pthread", *stubs, *sources, HERE / "component_driver.cpp", f"-L{third}",
         "-lframe_stream", f"-Wl,-rpath,{third}", "-o", program], check=True,
    )  # fmt: skip
    return program


def test_the_component_shows_pythons_frames_on_meshes_and_in_live_link(
    component_driver: Path, any_kind: Path, speech_like: Callable[[int, float], np.ndarray], tmp_path: Path
) -> None:
    """Also: ticks before its meshes, curves read by a worker thread, files through the engine, names as Apple sends
    them, nothing left behind, refusals. See component_driver.cpp."""
    rate, heard = 48000, speech_like(48000, 1.6)
    (tmp_path / "audio.f32").write_bytes(heard.tobytes())
    done = subprocess.run(
        [component_driver, any_kind, tmp_path / "audio.f32", str(rate)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    assert last == "done"
    check_audible(drawn_by(lines)["audible"], sdk.predict(any_kind, heard, rate), count=60)


def check_audible(drawn: list[list[float]], frames: list[sdk.Frame], count: int) -> None:
    """A track knows where a frame is to the fraction of a sample; these artefacts have thirty a second."""
    times, faces = [frame.index / 30 for frame in frames], np.array([frame.values for frame in frames])
    seen = np.array([row for row in drawn if row[0] >= 0])
    assert len(seen) > count
    for when, *values in seen:
        wanted = np.array([np.interp(when, times, channel) for channel in faces.T])
        np.testing.assert_allclose(values, wanted, atol=2e-4)


@pytest.fixture(scope="module")
def voice_driver(compiler: str, plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    private, third = plugin / "Source" / "Tinyface" / "Private", plugin / "ThirdParty" / "frame_stream"
    program, libraries = tmp_path_factory.mktemp("driver") / "voice_driver", third / "lib" / "Linux"
    subprocess.run(
        [compiler, *FLAGS, "-O1", "-pthread", f"-I{private}", f"-I{third / 'include'}", HERE / "voice_driver.cpp",
         private / "SpeechVoice.cpp", f"-L{libraries}", "-lframe_stream", f"-Wl,-rpath,{libraries}",
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
    drawn = drawn_by(lines)
    check_audible(drawn["audible"], frames, count=100)
    check_game(drawn, rest_s(any_kind, rate), moves=0.05, rests=0.01)

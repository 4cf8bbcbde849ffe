"""The Godot extension: compiled against Godot's own header, and driven by a stand-in of the engine."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sdk

ROOT = Path(__file__).resolve().parents[2]
GODOT = ROOT / "runtime_examples" / "godot"
HOST = Path(__file__).parent / "godot" / "host.cpp"
HEADERS = "GODOT_HEADERS"  # environment variable: the folder of gdextension_interface.h, which Godot writes


def test_the_node_calls_what_the_class_has() -> None:
    source = (GODOT / "tinyface_godot.c").read_text("utf-8")
    script = (GODOT / "addons/tinyface/speech_face.gd").read_text("utf-8")
    methods = set(re.findall(r'\{"(\w+)", \w+_method,', source))
    assert set(re.findall(r"\bvoice\.(\w+)\(", script)) == methods, "each method is of use, and each call has one"
    names = (GODOT / "addons/tinyface/tinyface.gdextension").read_text("utf-8")
    (entry,) = re.findall(r'entry_symbol = "(\w+)"', names)
    assert f"EXPORT GDExtensionBool {entry}(" in source


def test_an_export_ships_frame_stream_too() -> None:
    """On every platform that has the extension, from the folder it lies in: a path and a target, as Godot reads it."""
    text = (GODOT / "addons/tinyface/tinyface.gdextension").read_text("utf-8")
    config = configparser.ConfigParser()
    config.read_string(text)
    libraries, needed = dict(config["libraries"]), dict(config["dependencies"])
    assert list(needed) == list(libraries)
    for platform, library in libraries.items():
        path = json.loads(library).replace("tinyface_godot", "frame_stream")
        target = "Contents/Frameworks" if platform == "macos" else ""
        assert json.loads(needed[platform]) == {path: target}
    built = (GODOT / "CMakeLists.txt").read_text("utf-8")
    assert 'set(here "@loader_path")' in built, "a Mac knows no $ORIGIN"


def test_the_node_asks_whether_a_face_is_there() -> None:
    """A list may have empty slots, and a game frees heads while they speak. The script itself was never run."""
    script = re.sub("#.*", "", (GODOT / "addons/tinyface/speech_face.gd").read_text("utf-8"))
    lines = script.splitlines()
    (found,) = [line for line in lines if ".find_blend_shape_by_name(" in line]
    assert found.rstrip(")").endswith("if face else -1")
    (moved,) = [place for place, line in enumerate(lines) if ".set_blend_shape_value(" in line]
    assert "and is_instance_valid(moved[face]):" in lines[moved - 1]
    assert len(re.findall(r"\bfaces\b", script)) == 2, "what the game may change is read once, at the start"


def test_a_stand_in_of_godot_draws_our_frames(
    built_native: Path, brook: Path, speech_like: Callable[[int, float], np.ndarray], tmp_path: Path
) -> None:
    headers = os.environ.get(HEADERS, "")
    if not (Path(headers) / "gdextension_interface.h").is_file():
        pytest.skip(f"{HEADERS} names no folder with gdextension_interface.h: godot --dump-gdextension-interface")
    if not shutil.which("gcc") or not shutil.which("g++"):
        pytest.skip("no C and C++ compiler: apt install g++")
    installed, flags = built_native / "installed", ["-Wall", "-Wextra", "-Werror", f"-I{headers}"]
    extension = [f"-I{installed / 'include'}", "-c", GODOT / "tinyface_godot.c", "-o", tmp_path / "extension.o"]
    subprocess.run(["gcc", "-std=c99", *flags, "-pedantic", *extension], check=True)
    program = tmp_path / "host"
    linked = [f"-L{installed / 'lib'}", "-lframe_stream", f"-Wl,-rpath,{installed / 'lib'}", "-o", program]
    subprocess.run(["g++", "-std=c++17", *flags, HOST, tmp_path / "extension.o", *linked], check=True)
    rate, audio = 48000, speech_like(48000, 2.0)
    (tmp_path / "audio.f32").write_bytes(audio.tobytes())
    done = subprocess.run(
        [program, brook, tmp_path / "audio.f32", str(rate)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    names, delay_s, *lines = done.stdout.splitlines()
    drawn = np.array([line.split() for line in lines], float)
    cut = len(audio) * 2 // 3 // 512 * 512
    frames = sdk.predict(brook, audio[:cut], rate)
    assert names.split() == list(frames[0].layout.names)
    # a track knows where a frame is to the fraction of a sample; these artefacts have thirty a second
    times, faces = [frame.index / 30 for frame in frames], np.array([frame.values for frame in frames])
    heard = drawn[:, 0] - float(delay_s)
    speaking = (heard >= 0) & (heard < times[-1] - 0.1)
    assert speaking.sum() > 50
    wanted = np.array([np.interp(heard[speaking], times, channel) for channel in faces.T]).T
    np.testing.assert_allclose(drawn[speaking, 1:], wanted, atol=2e-4)
    assert np.abs(drawn[drawn[:, 0] >= cut / rate + 0.3, 1:]).max() < 0.01, "at rest"

"""Files that mean harm, or lie about their size: refused by our own error, before anything of that size is made."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import struct
import time
import wave
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import sdk
from sdk.artifact import seal
from sdk.errors import ArtifactError, AudioError, ConfigError, FaceError, ManifestError, RigError, TinyfaceError
from sdk.manifest import SCHEMA, Manifest
from sdk.tools import limits
from sdk.tools.strict import load_yaml

ROOT = Path(__file__).resolve().parents[2]
FACTS = {
    "schema": SCHEMA, "student": "tiny", "kind": "window", "runtime": "executorch", "backend": "xnnpack",
    "precision": "fp32", "sample_rate_hz": 16000, "window_samples": 1000, "future_samples": 400, "state": [],
    "crowd_voices": 0, "fps": [30, 1], "ensemble": [], "history": "zeros", "names": ["jawOpen"], "minimum": [0.0],
    "maximum": [1.0], "neutral": [0.0], "parameters": 27, "weights_sha256": "0" * 64, "tools": {}, "scores": {},
    "training": {},
}  # fmt: skip
MANY = [str(number) for number in range(40_000)]
MANIFESTS = {
    "40,000 channels": {"names": MANY, **dict.fromkeys(("minimum", "maximum", "neutral"), [0.0] * 40_000)},
    "an endless window": {"window_samples": 10**12},
    "a long window": {"window_samples": 960_001},
    "an endless crowd": {"kind": "stream", "state": [[1]], "crowd_voices": 10**9},
    "an endless state": {"kind": "stream", "state": [[10**6, 10**6]]},
    "many states": {"kind": "stream", "state": [[1]] * 300},
    "endless fps": {"fps": [10**12, 10**11]},
    "300,000 keys": {"training": dict.fromkeys(map(str, range(300_000)), 0)},
}


def quickly(started: float) -> None:
    assert time.process_time() - started < 3, "refused before anything was made of it"


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_that_ask_for_too_much(name: str, tmp_path: Path) -> None:
    started = time.process_time()
    with pytest.raises((ManifestError, ArtifactError)) as caught:
        Manifest.from_json(json.dumps(FACTS | MANIFESTS[name]))
    assert len(str(caught.value)) < 2000
    quickly(started)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "[" * 100 + "]" * 100, '{"schema": 2, "schema": 2}']
)
def test_json_that_is_deep_or_double(text: str) -> None:
    with pytest.raises(ManifestError, match="not JSON"):
        Manifest.from_json(text)


def test_the_c_librarys_limits_are_pythons() -> None:
    source = (ROOT / "sdk/c/src/artefact/manifest.cpp").read_text() + (ROOT / "sdk/c/src/artefact/json.cpp").read_text()
    source += (ROOT / "sdk/c/src/artefact/seal.cpp").read_text()

    def constant(name: str) -> int:
        match = re.search(rf"{name} = (\d+)( << (\d+))?", source)
        assert match, name
        return int(match[1]) << int(match[3] or 0)

    pairs = {
        "kMostChannels": limits.MOST_CHANNELS, "kLargestNumber": limits.LARGEST_VALUE,
        "kLongestWindow": limits.LONGEST_WINDOW_SAMPLES,
        "kLongestDelay": limits.LONGEST_DELAY_SAMPLES, "kMostTensors": limits.MOST_STATE_TENSORS,
        "kMostDimensions": limits.MOST_STATE_DIMENSIONS, "kMostStateFloats": limits.MOST_STATE_FLOATS,
        "kMostVoices": limits.MOST_CROWD_VOICES, "kDeepest": limits.DEEPEST_JSON,
        "kLargestManifestBytes": limits.LARGEST_MANIFEST_BYTES,
    }  # fmt: skip
    assert {name: constant(name) for name in pairs} == pairs


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_artefact(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.pte")
    for path in (tmp_path / "model.pte", Path("/dev/zero"), tmp_path):
        with pytest.raises(ArtifactError, match="cannot read"):
            sdk.open_artifact(path)


def test_a_terminal_is_not_moved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sdk.__main__ import main

    facts = dataclasses.replace(Manifest(**FACTS), student="\x1b[2Jgone", tools={"a\x1b]0;b": "\r\x07"})  # type: ignore[arg-type]
    path = tmp_path / "model.pte"
    path.write_bytes(seal(b"program", facts))
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", said)
    assert "\\x1b[2Jgone" in said


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_what_is_no_number_is_refused_where_it_is_read(number: str, tmp_path: Path) -> None:
    """Its owner heard of it after minutes of measuring, and `info --json` printed what no reader of JSON takes."""
    text = Manifest(**FACTS).to_json()  # type: ignore[arg-type]
    (tmp_path / "given.json").write_text(f'{{"a": [{number}]}}', "utf-8")
    with pytest.raises(ManifestError, match=f"{number} is no number"):
        Manifest.from_json(re.sub('"scores": {[^}]*}', f'"scores": {{"human": {number}}}', text))
    with pytest.raises(ArtifactError, match=f"{number} is no number"):
        limits.read_json_file(tmp_path / "given.json", ArtifactError)
    with pytest.raises(ManifestError, match="NaN or infinity"):
        seal(b"program", dataclasses.replace(Manifest(**FACTS), scores={"human": float(number)}))  # type: ignore[arg-type]


YAMLS = {
    "a bomb": "a: &a [1, 1]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefghijk")),
    "itself": "a: &a [*a]\n",
    "a list as key": "? [1, 2]\n: 3\n",
    "a bad date": "a: 2026-99-99\n",
    "deep": "a: " + "[" * 20_000,
    "large": "a: " + "x" * (1 << 20),
    "not text": "\x00\x01",
}  # fmt: skip


@pytest.mark.parametrize("name", YAMLS)
def test_yaml_that_is_more_than_it_seems(name: str, tmp_path: Path) -> None:
    pytest.importorskip("yaml", reason="YAML is of the training side")
    path = tmp_path / "a.yaml"
    path.write_text(YAMLS[name])
    started = time.process_time()
    with pytest.raises(ConfigError):
        load_yaml(path)
    quickly(started)


def gltf(folder: Path, **changes: object) -> Path:
    """A face of one triangle with one target, some entries changed."""
    points = np.zeros((3, 3), "<f4").tobytes()
    content: dict[str, object] = {
        "asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"extras": {"targetNames": ["jawOpen"]},
                    "primitives": [{"attributes": {"POSITION": 0}, "targets": [{"POSITION": 0}]}]}],
        "accessors": [{"type": "VEC3", "componentType": 5126, "count": 3, "bufferView": 0}],
        "bufferViews": [{"buffer": 0, "byteLength": len(points)}],
        "buffers": [{"uri": "points.bin", "byteLength": len(points)}],
    }  # fmt: skip
    (folder / "points.bin").write_bytes(points)
    path = folder / "face.gltf"
    path.write_text(json.dumps(content | changes))
    return path


def test_a_face_that_names_what_is_not_beside_it(tmp_path: Path) -> None:
    from sdk.faces.gltf import read_morphs

    assert read_morphs(gltf(tmp_path))[0] == ["jawOpen"]
    (tmp_path / "pipe").unlink(missing_ok=True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    for uri in ("/dev/zero", "../../../../etc/passwd", "/etc/passwd", "pipe", ".", "%2e%2e/x"):
        with pytest.raises(FaceError):
            read_morphs(gltf(tmp_path, buffers=[{"uri": uri, "byteLength": 36}]))
    whole = {"type": "VEC3", "componentType": 5126, "bufferView": 0}
    for entry in ({**whole, "count": 10**12}, {"type": "VEC3", "componentType": 5126, "count": 10**12}):
        with pytest.raises(FaceError):
            read_morphs(gltf(tmp_path, accessors=[entry]))
    stepless = [{"buffer": 0, "byteLength": 36, "byteStride": 0}]
    with pytest.raises(FaceError):
        read_morphs(gltf(tmp_path, accessors=[{**whole, "count": 10**9}], bufferViews=stepless))
    (tmp_path / "face.gltf").write_text("[" * 100_000)
    with pytest.raises(FaceError):
        read_morphs(tmp_path / "face.gltf")


def test_an_archive_whose_arrays_are_not_as_large_as_they_say(tmp_path: Path) -> None:
    from sdk.faces.face import Face

    path = tmp_path / "face.npz"
    header = str({"descr": "<f4", "fortran_order": False, "shape": (10**12, 3)}).encode()
    lie = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 12
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("neutral_cm.npy", lie)
    with pytest.raises(FaceError, match="says"):
        Face.from_npz(path)
    for content in (b"", b"PK\x03\x04", path.read_bytes()[:60]):
        path.write_bytes(content)
        with pytest.raises(FaceError):
            Face.from_npz(path)


@pytest.mark.parametrize("rate", [1, 2**31 - 1, 999])
def test_sound_of_an_impossible_rate(rate: int, tmp_path: Path) -> None:
    pytest.importorskip("soundfile", reason="soundfile reads sound")
    from sdk.sounds.sound import read_sound

    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\0\0" * 16000)
    with pytest.raises(AudioError, match="header says"):
        read_sound(path)


def test_a_rig_of_too_many_channels() -> None:
    with pytest.raises(RigError, match="at most"):
        sdk.RigLayout(tuple(MANY))


def test_words_where_numbers_are_wanted() -> None:
    with pytest.raises(TinyfaceError, match="weights"):
        sdk.RealtimeEnsemble("abc")  # type: ignore[arg-type]
    with pytest.raises(TinyfaceError):
        sdk.RealtimeEnsemble([float("nan")] * 3)


@pytest.mark.parametrize("asked", ["abc", 5, object(), [1, 2, [3]], [None] * 3])
def test_an_ensemble_that_is_none(asked: object, make_engine: Callable[..., sdk.EagerEngine]) -> None:
    with pytest.raises(ConfigError, match="ensemble"):
        sdk.FramePredictor(make_engine(), ensemble=asked)  # type: ignore[arg-type]

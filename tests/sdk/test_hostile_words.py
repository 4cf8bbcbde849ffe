"""Words and numbers that are no such thing, in every file of text that a user can be handed: our own error, at once."""

from __future__ import annotations

import io
import json
import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdk.errors import AudioError, FaceError, TinyfaceError
from sdk.live.shaping import Shaping
from sdk.manifest import Manifest
from sdk.names.retarget import read_pairs
from sdk.protocols.csv import read_csv
from sdk.rig import RigLayout
from sdk.scenes.targets import find_targets, read_map
from sdk.sounds.recording import _all_of
from sdk.sounds.wav import WavStream
from sdk.tools import limits
from sdk.tools.strict import load, load_yaml
from tests.sdk.test_hostile_files import FACTS, gltf

BEYOND = "1" + "0" * 400  # no double holds it
LONGER = "0x" + "f" * 6000  # nor does Python write it
DEEP = "[" * 100_000


def manifest(path: Path) -> object:
    return Manifest.from_json(path.read_bytes())


def rig(path: Path) -> object:
    return RigLayout.from_file(path)


def shaping(path: Path) -> object:
    return Shaping.of(RigLayout.arkit(), 1.0, path)


def strict_yaml(path: Path) -> object:
    from distill.students.spec import load_spec

    return load_spec(load_yaml(path), "a.yaml")


def record(path: Path) -> object:
    from profiles.model.record import Record

    return Record.read(path)


def textgrid(path: Path) -> object:
    from distill.speech.phones import read_textgrid

    return read_textgrid(path)


def labels(path: Path) -> object:
    from distill.speech.recognisers import read_labels

    return read_labels(path)


def picture_phones(path: Path) -> object:
    from runtime_examples.animate.__main__ import read_phones

    return read_phones(path)


READERS: list[Callable[[Path], object]] = [
    rig, shaping, read_csv, read_map, read_pairs, record, textgrid, labels, picture_phones,
]  # fmt: skip
INTERVALS = 'File type = "ooTextFile"\nitem [1]:\n name = "phones"\n intervals: size = 2\n'
LIES: dict[str, tuple[Callable[[Path], object], str | bytes]] = {
    "manifest: a number beyond doubles": (manifest, json.dumps(FACTS | {"minimum": ["@"]}).replace('"@"', BEYOND)),
    "manifest: a rig without its ranges": (manifest, json.dumps(FACTS | {"minimum": [], "maximum": []})),
    "manifest: half a character": (manifest, json.dumps(FACTS | {"student": "\ud800"})),
    "manifest: UTF-16": (manifest, json.dumps(FACTS).encode("utf-16")),
    "yaml: a number beyond doubles": (strict_yaml, f"family: window\nname: a\nchannels: {LONGER}\nleak: {LONGER}\n"),
    "yaml: endless numbers in a list": (strict_yaml, f"family: window\nname: [{LONGER}]\nchannels: {{a: {LONGER}}}\n"),
    "yaml: no truth": (strict_yaml, "a: !!bool q"),
    "yaml: no time": (strict_yaml, "a: !!timestamp x"),
    "map: deep": (read_map, DEEP),
    "map: deep names": (read_map, '{"channels":' * 100_000),
    "map: beyond doubles": (read_map, f'{{"jawOpen": {{"x": {BEYOND}}}}}'),
    "map: no number": (read_map, '{"jawOpen": {"x": NaN}}'),
    "pairs: deep": (read_pairs, DEEP),
    "pairs: beyond doubles": (read_pairs, f'[{{"channels": {{"jawOpen": {BEYOND}}}, "controls": {{"x": 1}}}}]'),
    "pairs: each with a control of its own": (
        read_pairs, json.dumps([{"channels": {}, "controls": {str(i): 1}} for i in range(3000)]),
    ),
    "record: deep": (record, DEEP),
    "labels: deep": (labels, DEEP),
    "phones of a picture: deep": (picture_phones, DEEP),
    "phones of a picture: without end": (picture_phones, '[["a", 0, 1e999]]'),
    "rig: a million mistakes": (rig, "a x\n" * 100_000),
}  # fmt: skip


@pytest.fixture(autouse=True)
def quickly() -> Iterator[None]:
    started = time.process_time()
    yield
    assert time.process_time() - started < 5, "refused before anything was made of it"


@pytest.mark.parametrize("name", LIES)
def test_what_is_no_such_thing_is_refused(name: str, tmp_path: Path) -> None:
    read, text = LIES[name]
    path = tmp_path / "a"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    with pytest.raises(TinyfaceError):
        read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_only_ordinary_files_are_read(read: Callable[[Path], object], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "missing"):
        with pytest.raises(TinyfaceError):
            read(path)


def test_a_textgrid_whose_signs_are_all_beginnings(tmp_path: Path) -> None:
    """A number that could run over what follows was tried again from every place: hours for a megabyte."""
    path = tmp_path / "a.TextGrid"
    for text in ("xmin=" * 200_000, "xmin=1 xmax=" * 100_000, "xmin" + " " * 300_000):
        path.write_text(INTERVALS + text)
        assert textgrid(path) == []


def test_long_mistakes_are_cut_short(tmp_path: Path) -> None:
    with pytest.raises(TinyfaceError) as caught:
        load(RigLayout, {"names": "x" * 100_000})
    assert len(str(caught.value)) < 1000


def wave_of(form: bytes, samples: bytes, chunks: bytes = b"") -> bytes:
    body = b"WAVE" + chunks + b"fmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_a_wave_whose_format_is_cut() -> None:
    good, samples = struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16), b"\1\0" * 100
    beside = b"LIST" + struct.pack("<I", 1 << 17) + b"\0" * (1 << 17)
    for bad in [*(wave_of(good[:size], samples) for size in range(16)), wave_of(good, b"", beside[:8])]:
        with pytest.raises(AudioError):
            WavStream(io.BytesIO(bad), "a.wav")
    whole = WavStream(io.BytesIO(wave_of(good + b"\0" * 5000, samples, beside)), "a.wav")
    assert sum(map(len, whole.blocks(50))) == 100


def test_a_pipe_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdk.sounds.recording.LARGEST_FILE_BYTES", 1 << 22)
    with Path("/dev/zero").open("rb") as stream, pytest.raises(TinyfaceError, match="no end"):
        _all_of(stream, "stdin")


HEADS: dict[str, dict[str, Any]] = {
    "notes that are a number": {"meshes": [{"extras": 5, "primitives": [{"targets": [{}]}]}]},
    "meshes that are a number": {"meshes": 5},
    "parts that are a number": {"meshes": [{"primitives": 5}]},
    "no parts": {"meshes": [{"primitives": []}]},
    "an expression of a mesh there is not": {
        "extensions": {"VRMC_vrm": {"expressions": {"preset": {"aa": {"morphTargetBinds": [
            {"node": 99, "index": 0, "weight": 1}]}}}}}},
    "an expression without a number": {
        "extensions": {"VRMC_vrm": {"expressions": {"preset": {"aa": {"morphTargetBinds": [
            {"node": 0, "index": 0, "weight": float("nan")}]}}}}}},
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_heads_that_are_put_together_wrongly(name: str, tmp_path: Path) -> None:
    content = json.loads(gltf(tmp_path).read_text()) | HEADS[name]
    with pytest.raises(FaceError):
        find_targets(content, RigLayout.arkit())


def test_numbers_of_a_face_that_no_double_holds(tmp_path: Path) -> None:
    from sdk.faces.gltf import read_morphs

    whole = {"type": "VEC3", "componentType": 5126, "bufferView": 0}
    beyond: list[dict[str, Any]] = [{"nodes": [{"mesh": 0, "scale": [10**400] * 3}]}, {"nodes": [{"mesh": 10**400}]}]
    beyond += [{"accessors": [whole | {"count": float("inf")}]}]
    for changes in beyond:
        with pytest.raises(FaceError):
            read_morphs(gltf(tmp_path, **changes))


def test_a_face_of_nothing_takes_no_gigabyte(tmp_path: Path) -> None:
    """Vertices that the file does not hold, in many targets, or placed by many nodes."""
    from sdk.faces.gltf import read_morphs

    accessor = {"type": "VEC3", "componentType": 5126, "count": 3 << 19}
    part = {"attributes": {"POSITION": 0}, "targets": [{"POSITION": 0}] * 16}
    mesh = {"extras": {"targetNames": ["jawOpen", *map(str, range(15))]}, "primitives": [part]}
    with pytest.raises(FaceError, match="more than is read"):
        read_morphs(gltf(tmp_path, accessors=[accessor], meshes=[mesh]))
    placed = {"scenes": [{"nodes": list(range(2000))}], "nodes": [{"mesh": 0}] * 2000}
    with pytest.raises(FaceError, match="more than is read"):
        read_morphs(gltf(tmp_path, accessors=[accessor | {"count": 30_000}], **placed))


@pytest.mark.parametrize("kind", ["|V0", "|S0", "<U0"])
def test_arrays_of_numbers_of_no_bytes(kind: str, tmp_path: Path) -> None:
    header = str({"descr": kind, "fortran_order": False, "shape": (10**9,)}).encode()
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(FaceError, match="says"):
        limits.read_array(path, FaceError)


def test_archives_that_unfold_to_a_thousand_times_themselves(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.zeros(1 << 25, np.float32))
    with pytest.raises(FaceError, match="unfolds"):
        limits.read_arrays(path, FaceError)
    np.savez_compressed(path, a=np.zeros(1 << 20, np.float32))
    assert len(limits.read_arrays(path, FaceError)["a"]) == 1 << 20

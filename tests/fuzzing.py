"""Every file that a user can be handed, damaged or made to lie: our own error or a result, never anything else.

Each target has seeds (good files) and one function that reads a file. Bytes are flipped, cut, repeated and spliced;
where the file is JSON, values are replaced by odd ones too. `tests/contracts/test_fuzzing.py` reads some of each in
every run, and all that ever escaped, from `tests/kept/TARGET/`; `tests/guided.py` looks for it at length. The C library
has its own: `sdk/c/tests/hostile.cpp`.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import tempfile
import time
import warnings
import wave
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from sdk.errors import TinyfaceError
from tests.small_checkpoint import small_spec

KEPT = Path(__file__).resolve().parent / "kept"
SLOW_S = 10.0
ODD: list[Any] = [
    None, True, -1, 0, 1, 2**31, 2**63, 10**12, 1e308, -0.5, float("nan"), "", "\x00", "x" * 5000, [], {}, [[]], [None],
    [10**9] * 3, {"a": {}}, "\x1b[2J", "../../etc/passwd", "/dev/zero",
]  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A kind of file: its suffix, good ones, and what reads one."""

    suffix: str
    seeds: Callable[[], list[bytes]]
    read: Callable[[Path], object]
    is_json: bool = False


def check(target: Target, data: bytes, folder: Path | None = None) -> None:
    """Read `data` as a file in `folder`, or in one of its own. Raises what escapes, and `AssertionError` where it took
    too long."""
    if folder is None:
        with tempfile.TemporaryDirectory() as made:
            return check(target, data, Path(made))
    path = folder / f"file{target.suffix}"
    path.write_bytes(data)
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            target.read(path)
        except TinyfaceError as error:
            if not str(error):
                raise AssertionError("an error that says nothing") from error
    assert time.process_time() - started < SLOW_S, "it took too long"
    return None


def damaged(data: bytes, random: Random, is_json: bool) -> bytes:
    """A file after one to eight accidents, or, where it is JSON, in every other draw with odd values in it."""
    if is_json and random.random() < 0.5:
        with contextlib.suppress(ValueError, RecursionError):
            return _with_odd_values(data, random)
    out = bytearray(data)
    for _ in range(random.randint(1, 8)):
        at, size = random.randint(0, max(len(out) - 1, 0)), random.randint(1, 64)
        kind = random.randint(0, 5)
        if kind == 0 and out:
            out[at] ^= 1 << random.randint(0, 7)
        elif kind == 1:
            out[at : at + size] = random.randbytes(random.randint(0, 16))
        elif kind == 2:
            del out[at : at + size]
        elif kind == 3:
            out[at:at] = out[at : at + size] * random.randint(1, 50)
        elif kind == 4:
            out[at : at + 4] = random.choice([b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"9999"])
        else:
            del out[at:]
    return bytes(out)


def _with_odd_values(data: bytes, random: Random) -> bytes:
    raw = json.loads(data)
    for _ in range(random.randint(1, 3)):
        place, keys = raw, []
        while isinstance(place, (dict, list)) and place and (not keys or random.random() < 0.5):
            keys.append((place, random.choice(list(place) if isinstance(place, dict) else range(len(place)))))
            place = keys[-1][0][keys[-1][1]]
        if keys:
            holder, key = keys[-1]
            holder[key] = copy.deepcopy(random.choice(ODD))  # else the next would damage the odd ones
    return json.dumps(raw).encode()


def campaign(target: Target, files: int) -> None:
    """The good files, then so many damaged ones, the same in every run; raises what the first that escapes raises, with
    its number."""
    seeds = target.seeds()
    for seed in seeds:
        check(target, seed)
    for number in range(files):
        random = Random(number)
        try:
            check(target, damaged(random.choice(seeds), random, target.is_json))
        except BaseException as error:
            error.add_note(f"the {number}th damaged file")
            raise


def _facts() -> dict[str, Any]:
    names = ["jawOpen", "mouthClose"]
    return {
        "schema": 2, "student": "tiny", "kind": "stream", "runtime": "executorch", "backend": "xnnpack",
        "precision": "fp32", "sample_rate_hz": 16000, "window_samples": 320, "future_samples": 704, "state": [[1, 4]],
        "crowd_voices": 16, "fps": [30, 1], "ensemble": [0.25, 0.5, 0.25], "history": "zeros", "names": names,
        "minimum": [0.0, 0.0], "maximum": [1.0, 1.0], "neutral": [0.0, 0.0], "parameters": 27,
        "weights_sha256": "0" * 64, "tools": {"torch": "2"}, "scores": {"human": {"auc": 0.9}}, "training": {"a": [1]},
    }  # fmt: skip


def _artifact() -> list[bytes]:
    from sdk.artifact import seal
    from sdk.manifest import Manifest

    return [seal(b"program" * 20, Manifest(**_facts()))]


def _face() -> list[bytes]:
    stream = io.BytesIO()
    zeros = np.zeros((3, 3), np.float32)
    np.savez(
        stream, neutral_cm=zeros, deltas_cm=zeros[None], names=np.array(["jawOpen"]),
        triangles=np.array([[0, 1, 2]]), upper_lip=np.array(0), lower_lip=np.array(1),
    )  # fmt: skip
    return [stream.getvalue()]


def _gltf() -> list[bytes]:
    content = {
        "asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0, "translation": [0, 0, 0]}],
        "meshes": [{"extras": {"targetNames": ["jawOpen"]},
                    "primitives": [{"attributes": {"POSITION": 0}, "targets": [{"POSITION": 0}]}]}],
        "accessors": [{"type": "VEC3", "componentType": 5126, "count": 3, "bufferView": 0}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"uri": "data:;base64," + "A" * 48, "byteLength": 36}],
    }  # fmt: skip
    return [json.dumps(content).encode()]


def _glb() -> list[bytes]:
    """The same in one binary file."""
    from sdk.scenes.glb import Scene

    content = json.loads(_gltf()[0]) | {"buffers": [{"byteLength": 36}]}
    return [Scene(content, bytearray(36)).to_bytes()]


def _wav() -> list[bytes]:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes(bytes(range(256)) * 8)
    return [stream.getvalue()]


def _csv() -> list[bytes]:
    from fractions import Fraction

    from sdk.protocols.csv import PROTOCOL
    from sdk.rig import Frame, RigLayout

    layout = RigLayout.arkit()
    rows = [PROTOCOL.encode(Frame(k, k * 533, layout.vector({"jawOpen": 0.5}), layout), layout) for k in range(3)]
    return [PROTOCOL.header(layout, Fraction(30)) + b"".join(rows)]


def _checkpoint() -> list[bytes]:
    from distill.files.checkpoint import Checkpoint

    spec = small_spec()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s8.pt"
        Checkpoint(spec, spec.build().state_dict(), {"seed": 0}).save(path)
        return [path.read_bytes(), path.read_bytes()[:-42] + b"\0\0"]  # and one from before there were seals


def _manifest(path: Path) -> object:
    from sdk.manifest import Manifest

    return Manifest.from_json(path.read_bytes())


def _open_artifact(path: Path) -> object:
    from sdk.artifact import open_artifact

    return open_artifact(path)


def _yaml(path: Path) -> object:
    from sdk.tools.strict import load_yaml

    return load_yaml(path)


def _read_face(path: Path) -> object:
    from sdk.faces.face import Face

    return Face.from_file(path)


def _read_head(path: Path) -> object:
    from sdk.rig import RigLayout
    from sdk.scenes.glb import read_scene
    from sdk.scenes.targets import find_targets

    return find_targets(read_scene(path).json, RigLayout.arkit())


def _read_map(path: Path) -> object:
    from sdk.scenes.targets import read_map

    return read_map(path)


def _read_pairs(path: Path) -> object:
    from sdk.names.retarget import read_pairs

    return read_pairs(path)


def _read_record(path: Path) -> object:
    from profiles.model.record import parse_object

    return parse_object(path.read_bytes(), str(path))


def _read_phones(path: Path) -> object:
    from distill.speech.recognisers import read_labels

    return read_labels(path)


def _read_sound(path: Path) -> object:
    from sdk.sounds.sound import read_sound

    return read_sound(path)


def _read_csv(path: Path) -> object:
    from sdk.protocols.csv import read_csv

    return read_csv(path)


def _read_checkpoint(path: Path) -> object:
    from distill.files.checkpoint import Checkpoint

    return Checkpoint.load(path)


def _read_textgrid(path: Path) -> object:
    from distill.speech.phones import read_textgrid

    return read_textgrid(path)


def _read_rig(path: Path) -> object:
    from sdk.rig import RigLayout

    return RigLayout.from_file(path)


_TEXTGRID = b"""File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.5
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1.5
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "M"
        intervals [2]:
            xmin = 0.5
            xmax = 1.5
            text = "AA1"
"""
_CODE = b"""class Made(Module):
  __parameters__ = []
  __buffers__ = []
  def forward(self: __torch__.made.Made,
    x: Tensor) -> Tensor:
    y = torch.mul(x, CONSTANTS.c0)
    return torch.tanh(torch.reshape(y, [1, -1]))
"""


def _torchscript() -> list[bytes]:
    """A program as TorchScript writes it, and one that is sealed."""
    from sdk.artifact import seal
    from sdk.manifest import Manifest

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in {
            "data.pkl": b"\x80\x02c__torch__.made\nMade\nq\x00)\x81}q\x01bq\x02.", "version": b"3\n",
            "constants.pkl": b"\x80\x02)q\x00.", "code/__torch__/made.py": _CODE, "byteorder": b"little",
        }.items():  # fmt: skip
            archive.writestr(f"archive/{name}", data)
    facts = Manifest(**{**_facts(), "runtime": "torchscript"})
    return [stream.getvalue(), seal(stream.getvalue(), facts)]


def _read_torchscript(path: Path) -> object:
    """As far as PyTorch has not seen it: afterwards all that is left is what is allowed."""
    from sdk.engines._allowed import checked_program

    with checked_program(path) as program:
        return program.stat().st_size


_YAML = b"channels: 64\nnames: [a, b]\nnested: {a: 1.0, b: [2, x]}\nwhen: 2026-11-28\n"
_PAIRS = b'[{"channels": {"jawOpen": 1.0, "mouthClose": 0.5}, "controls": {"Jaw": 0.8, "Shut": 0.1}}]'
TARGETS = {
    "manifest": Target(".json", lambda: [json.dumps(_facts()).encode()], _manifest, is_json=True),
    "artefact": Target(".pte", _artifact, _open_artifact),
    "torchscript": Target(".pt", _torchscript, _read_torchscript),
    "yaml": Target(".yaml", lambda: [_YAML], _yaml),
    "rig": Target(".txt", lambda: [b"jawOpen -1 1 0\nmouthClose\n# a comment\nblink 0 1\n"], _read_rig),
    "face": Target(".npz", _face, _read_face),
    "gltf": Target(".gltf", _gltf, _read_face, is_json=True),
    "glb": Target(".glb", _glb, _read_face),
    "head": Target(".gltf", _gltf, _read_head, is_json=True),
    "map": Target(".json", lambda: [b'{"jawOpen": {"Jaw": 0.9}, "mouthClose": "Shut"}'], _read_map, is_json=True),
    "pairs": Target(".json", lambda: [_PAIRS], _read_pairs, is_json=True),
    "profile": Target(".json", lambda: [b'{"schema": 1, "cases": [{"a": [0.5, 1]}]}'], _read_record, is_json=True),
    "phones": Target(
        ".json", lambda: [b'[["m", 0.5, 0.6, 0, 1.0], ["a", 0.6, 1.5, 1, 0.5]]'], _read_phones, is_json=True
    ),
    "sound": Target(".wav", _wav, _read_sound),
    "csv": Target(".csv", _csv, _read_csv),
    "textgrid": Target(".TextGrid", lambda: [_TEXTGRID], _read_textgrid),
    "checkpoint": Target(".pt", _checkpoint, _read_checkpoint),
}

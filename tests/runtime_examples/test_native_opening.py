"""What it costs to open an artefact: every byte once, where it lies or copied, and nothing is decided by a clock."""

from __future__ import annotations

import ctypes as c
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from native_tools import animate, noise, refused, values

from sdk.artifact import seal
from sdk.manifest import Manifest
from sdk.native import NativeCrowd, NativeModel, NativePredictor, abi
from sdk.native.abi import Library
from sdk.native.owned import Owned

ROOT = Path(__file__).resolve().parents[2]


class Text:
    """A manifest that says what it is told to."""

    def __init__(self, text: str) -> None:
        self.text = text

    def to_json(self) -> str:
        return self.text


def fastest_s(work: Callable[[], object], times: int = 5) -> float:
    """CPU seconds of the quickest of some runs: what neighbours on the machine add is left out."""
    took = []
    for _ in range(times):
        before = time.thread_time()
        work()
        took.append(time.thread_time() - before)
    return min(took)


def refuse(artifact: bytes | Path, library: Library) -> None:
    with refused(abi.BAD_MANIFEST):
        NativeModel(artifact, library)


@pytest.mark.parametrize("where", ["keys", "inside", "channels"])
def test_a_manifest_costs_what_it_is_long(
    where: str, library: Library, tiny_program: bytes, make_facts: Callable[..., Manifest]
) -> None:
    """Eight times as many keys or names take about eight times as long; compared in pairs they took 64 times."""

    def made(count: int) -> bytes:
        facts = json.loads(make_facts().to_json())
        names = [f"k{i:05}" for i in range(count)]
        if where == "keys":
            facts |= dict.fromkeys(names, 0)
        elif where == "inside":
            facts |= {"tools": dict.fromkeys(names, "1"), "kind": "none"}
        else:
            facts["names"] = names
        return seal(tiny_program, Text(json.dumps(facts)))  # type: ignore[arg-type]

    few, many = made(7500), made(60000)
    assert fastest_s(lambda: refuse(many, library)) < 24 * fastest_s(lambda: refuse(few, library))


@pytest.mark.parametrize("schema", ["1e300", "-1e300", "9007199254740993", "1e19", "1" + "0" * 300, "-" + "9" * 40])
def test_a_schema_that_no_integer_holds(
    schema: str, library: Library, tiny_program: bytes, make_facts: Callable[..., Manifest]
) -> None:
    text = re.sub(r'"schema": *2', f'"schema": {schema}', make_facts().to_json())
    assert schema in text
    with refused(abi.BAD_MANIFEST, "schema is no (such|whole) number|schema is 9007199254740992"):
        NativeModel(seal(tiny_program, Text(text)), library)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", ['{"a": 1, "a": 2}', '{"b": [1, {"x": 0, "x": 0}]}', '{"a": "\\ud800"}', '{"a": [1,]}', '{"a"}']
)
@pytest.mark.parametrize("where", ["tools", "training", "scores"])
def test_what_nobody_reads_is_checked(
    where: str, wrong: str, library: Library, tiny_program: bytes, make_facts: Callable[..., Manifest]
) -> None:
    facts = json.loads(make_facts().to_json())
    facts[where] = "HERE"
    with refused(abi.BAD_MANIFEST, "not JSON"):
        NativeModel(seal(tiny_program, Text(json.dumps(facts).replace('"HERE"', wrong))), library)  # type: ignore[arg-type]
    with refused(abi.BAD_MANIFEST, f"{where} is of another type"):
        NativeModel(seal(tiny_program, Text(json.dumps(facts).replace('"HERE"', "[{}]"))), library)  # type: ignore[arg-type]


def test_memory_is_hashed_once(library: Library, tmp_path: Path) -> None:
    """Opening from memory costs a copy more than opening a file, not a second SHA-256: that would be twice."""
    whole = seal(bytes(8 << 20), Text("{}"))  # type: ignore[arg-type]
    path = tmp_path / "large.pte"
    path.write_bytes(whole)
    assert fastest_s(lambda: refuse(whole, library)) < 1.6 * fastest_s(lambda: refuse(path, library))


def test_an_artefact_is_played_where_it_lies(library: Library, brook: Path) -> None:
    artifact = brook.read_bytes()
    room = c.create_string_buffer(len(artifact) + 128)
    at = -(-c.addressof(room) // 64) * 64
    c.memmove(at, artifact, len(artifact))
    audio = noise(0, 8000)
    wanted = values(animate(NativePredictor(NativeModel(brook, library)), audio, [320]))
    model = NativeModel.__new__(NativeModel)
    model.library = library
    model._owned = Owned(library, "fp_model_open_in_place", "fp_model_close", at, len(artifact))
    np.testing.assert_array_equal(values(animate(NativePredictor(model), audio, [320])), wanted)
    handle = c.c_void_p()
    for place, size, status in (
        (at + 16, len(artifact), abi.BAD_ARGUMENT),
        (at, 0, abi.BAD_FILE),
        (at, 99, abi.BAD_FILE),
    ):
        with pytest.raises(abi.StatusError) as caught:
            library.call("fp_model_open_in_place", place, size, c.byref(handle))
        assert caught.value.status == status
        assert handle.value is None


def test_a_crowd_decides_by_its_number_and_by_no_clock(library: Library, brook: Path) -> None:
    """Eleven of sixteen hops run one by one, on the model's own program: the same bits as voices by themselves."""
    model = NativeModel(brook, library)
    crowd, voices = NativeCrowd(model), [NativePredictor(model) for _ in range(11)]
    alone = values(animate(NativePredictor(model), noise(0, 6400), [320]))
    for voice in voices:
        voice.feed(noise(0, 6400))
    crowd.run(voices)
    for voice in voices:
        frames = voice.drain()
        np.testing.assert_array_equal(values(frames), alone[: len(frames)])
    for path in [*(ROOT / "sdk/c/src").rglob("*.*"), *(ROOT / "sdk/c/kernels").glob("*.*")]:
        code = re.sub(r"//.*", "", path.read_text("utf-8"))
        assert not re.search(r"<chrono>|<ctime>|<time\.h>|clock_gettime|QueryPerformance", code), path.name

"""Who made a file, asked by C: what Python signed opens, and nothing else does, in either dress of the library."""

from __future__ import annotations

import ctypes as c
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from kernel_cases import Case
from native_tools import refused

from sdk.artifact import open_artifact
from sdk.errors import ArtifactError, ConfigError
from sdk.native import NativeModel, abi
from sdk.native.abi import Library
from sdk.tools.signature import beside, make_key, sign
from tests.sdk.test_signature import NOBODYS

pytest.importorskip("cryptography", reason="cryptography makes the signatures")
FORGED = "its signature is none of this file by this key"


class Signed:
    """An artefact with a signature beside it, the public key of its maker, and a library that plays it."""

    def __init__(self, source: Path, library: Library, folder: Path) -> None:
        self.path, self.library = folder / "model.pte", library
        self.path.write_bytes(source.read_bytes())
        self.key = make_key(folder / "maker.key")
        self.signature = sign(open_artifact(self.path), folder / "maker.key").read_bytes()
        self.content = self.path.read_bytes()

    def from_memory(self, signature: bytes, key: bytes | str | None = None) -> NativeModel:
        return NativeModel(self.content, self.library, key=key or self.key, signature=signature)


@pytest.fixture(params=["executorch", "alone"])
def signed(request: pytest.FixtureRequest, tmp_path: Path) -> Signed:
    if request.param == "alone":
        made: Callable[[str], Case] = request.getfixturevalue("make_case")
        return Signed(made("brook").path, Library(request.getfixturevalue("alone") / "lib"), tmp_path)
    return Signed(request.getfixturevalue("tiny"), request.getfixturevalue("library"), tmp_path)


def test_what_python_signed_opens(signed: Signed) -> None:
    for model in (
        NativeModel(signed.path, signed.library, key=signed.key),
        NativeModel(signed.path, signed.library, key=bytes.fromhex(signed.key)),
        signed.from_memory(signed.signature),
    ):
        assert model.info.sha256 == open_artifact(signed.path).sha256


def test_one_flipped_bit_is_refused(signed: Signed, tmp_path: Path) -> None:
    key = bytes.fromhex(signed.key)
    for bit in range(8 * 64):
        with refused(abi.NOT_SIGNED, FORGED):
            signed.from_memory(_flipped(signed.signature, bit))
    for bit in range(0, 8 * 32, 5):
        with refused(abi.NOT_SIGNED, FORGED):
            signed.from_memory(signed.signature, _flipped(key, bit))
    for bit in np.random.default_rng(0).integers(0, 8 * (len(signed.content) - 44), 20):
        altered = bytearray(_flipped(signed.content, int(bit))[:-40])
        altered += hashlib.sha256(altered).digest() + b"TINYFACE"  # sealed again by somebody else
        with refused(abi.NOT_SIGNED, FORGED):
            NativeModel(bytes(altered), signed.library, key=signed.key, signature=signed.signature)


def test_none_anothers_and_none_at_all(signed: Signed, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other.key")
    for key in (other, b"\xff" * 32):
        with refused(abi.NOT_SIGNED, FORGED):
            NativeModel(signed.path, signed.library, key=key)
        with refused(abi.NOT_SIGNED, FORGED):
            signed.from_memory(bytes(64), key)
    for content in (signed.signature[:63], signed.signature + b"\n", b"x"):
        beside(signed.path).write_bytes(content)
        with refused(abi.NOT_SIGNED, rf"model\.pte: {FORGED}"):
            NativeModel(signed.path, signed.library, key=signed.key)
    beside(signed.path).write_bytes(b"")
    with refused(abi.NOT_SIGNED, r"a signature is demanded: .*model\.pte\.sig: the file is empty"):
        NativeModel(signed.path, signed.library, key=signed.key)
    beside(signed.path).unlink()
    with refused(abi.NOT_SIGNED, r"a signature is demanded: .*model\.pte\.sig: cannot read.*tinyface sign"):
        NativeModel(signed.path, signed.library, key=signed.key)
    assert NativeModel(signed.path, signed.library).layout.names, "nobody demanded one"
    with pytest.raises(ArtifactError, match="64 bytes"):
        signed.from_memory(b"short")
    with pytest.raises(ConfigError, match="a public key is 32 bytes"):
        NativeModel(signed.path, signed.library, key="12")


def test_a_damaged_file_is_told_from_a_forged_one(signed: Signed) -> None:
    with refused(abi.BAD_FILE, "SHA-256"):
        NativeModel(_flipped(signed.content, 80), signed.library, key=signed.key, signature=signed.signature)


def test_keys_that_are_nobodys_are_refused(signed: Signed) -> None:
    memory = (signed.content, len(signed.content))
    for key in NOBODYS:
        for top in (0, 0x80):
            wanted, handle = key[:31] + bytes([key[31] | top]), c.c_void_p()
            with refused(abi.BAD_ARGUMENT, "nobody's, as zeros are"):
                signed.library.call("fp_model_open_memory_signed", *memory, bytes(64), wanted, c.byref(handle))


def test_nulls_are_errors(signed: Signed) -> None:
    handle, path, key = c.c_void_p(), bytes(signed.path), bytes.fromhex(signed.key)
    memory = (signed.content, len(signed.content))
    for name, *arguments in [
        ("fp_model_open_signed", None, key, c.byref(handle)), ("fp_model_open_signed", path, None, c.byref(handle)),
        ("fp_model_open_signed", path, key, None),
        ("fp_model_open_memory_signed", None, 0, signed.signature, key, c.byref(handle)),
        ("fp_model_open_memory_signed", *memory, None, key, c.byref(handle)),
        ("fp_model_open_memory_signed", *memory, signed.signature, None, c.byref(handle)),
        ("fp_model_open_memory_signed", *memory, signed.signature, key, None),
    ]:  # fmt: skip
        with refused(abi.BAD_ARGUMENT, "is NULL"):
            signed.library.call(name, *arguments)
        assert handle.value is None


def _flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)

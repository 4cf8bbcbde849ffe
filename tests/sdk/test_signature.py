"""Who made a file: a signature beside it, which opening can demand."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sdk
from sdk.__main__ import main
from sdk.artifact import open_artifact, seal
from sdk.errors import ArtifactError, ConfigError
from sdk.tools.signature import beside, check_signature, make_key, sign

NOBODYS = [
    bytes.fromhex(key)
    for key in (
        "00" * 32, "01" + "00" * 31, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f",
    )
]  # fmt: skip

pytest.importorskip("cryptography", reason="cryptography has the signatures")


@pytest.fixture
def signed(sealed: dict[str, Path], tmp_path: Path) -> tuple[Path, str]:
    """A `.pt` with the signature of a new key, and that key."""
    path = tmp_path / "model.pt"
    path.write_bytes(sealed["torchscript"].read_bytes())
    key = make_key(tmp_path / "maker.key")
    sign(open_artifact(path), tmp_path / "maker.key")
    return path, key


def test_a_signed_file_opens_and_is_trusted(signed: tuple[Path, str]) -> None:
    path, key = signed
    assert sdk.open(path, key=key).manifest.runtime == "torchscript"
    assert sdk.open(path, key=bytes.fromhex(key)).manifest.student == "tiny"


def test_a_signature_is_of_this_domain_and_the_seals_hash(tmp_path: Path) -> None:
    """The very bytes, so that what one version signed the next accepts; and a signature over a bare hash, which its
    owner may have given for another purpose, is none of a file."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    secret, hashed = bytes(range(32)), bytes(range(32, 64))
    key = Ed25519PrivateKey.from_private_bytes(secret)
    (tmp_path / "maker.key").write_text(secret.hex())
    artifact: Any = SimpleNamespace(path=tmp_path / "model.pte", sha256=hashed.hex())
    made = sign(artifact, tmp_path / "maker.key").read_bytes()
    assert made == key.sign(b"TINYFACE-SIGNATURE-1" + hashed)
    assert made.hex().startswith("91797e50b5490869e7174cfff7831702")
    check_signature(artifact, key.public_key().public_bytes_raw())
    beside(artifact.path).write_bytes(key.sign(hashed))
    with pytest.raises(ArtifactError, match="no signature of this file by this key"):
        check_signature(artifact, key.public_key().public_bytes_raw())


def test_every_flipped_bit_of_a_signature_is_refused(signed: tuple[Path, str]) -> None:
    path, key = signed
    artifact, whole = open_artifact(path), beside(path).read_bytes()
    check_signature(artifact, key)
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        beside(path).write_bytes(damaged)
        with pytest.raises(ArtifactError, match="no signature of this file by this key"):
            check_signature(artifact, key)


def test_what_is_refused(signed: tuple[Path, str], tmp_path: Path) -> None:
    path, key = signed
    other = make_key(tmp_path / "other.key")
    with pytest.raises(ArtifactError, match="no signature of this file by this key"):
        sdk.open(path, key=other)
    artifact = open_artifact(path)
    path.write_bytes(seal(artifact.read_program(), artifact.manifest).replace(b"tiny", b"tidy", 1))
    with pytest.raises(ArtifactError, match="SHA-256"):
        sdk.open(path, key=key)
    program = bytearray(artifact.path.read_bytes()[:-40].replace(b'"tiny"', b'"tidy"', 1))
    path.write_bytes(program + hashlib.sha256(program).digest() + b"TINYFACE")
    assert sdk.open(path, trusted=True).manifest.student == "tidy", "sealed again by somebody else"
    with pytest.raises(ArtifactError, match="no signature of this file by this key"):
        sdk.open(path, key=key)
    beside(path).unlink()
    with pytest.raises(ArtifactError, match=r"a signature is demanded and model\.pt\.sig is not beside it"):
        sdk.open(path, key=key)
    for wrong in ("", "12", "zz" * 32, b"short", "ab" * 33):
        with pytest.raises(ConfigError, match="a public key is 32 bytes"):
            sdk.open(path, key=wrong)


def test_keys_that_are_nobodys_are_refused(signed: tuple[Path, str]) -> None:
    """Of small order: signing by them needs no secret. Zeros, as a key that was never filled in has them, are one."""
    path, _ = signed
    beside(path).write_bytes(bytes(64))
    for key in NOBODYS:
        for top in (0, 0x80):
            with pytest.raises(ConfigError, match="nobody's, as zeros are"):
                sdk.open(path, key=key[:31] + bytes([key[31] | top]))


def test_from_the_command_line(sealed: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, private = tmp_path / "model.pte", tmp_path / "maker.key"
    path.write_bytes(sealed["executorch"].read_bytes())
    assert main(["key", str(private)]) == 0
    key = capsys.readouterr().out.strip()
    assert private.stat().st_mode & 0o077 == 0, "nobody else may read it"
    assert main(["key", str(private)]) == 0
    assert capsys.readouterr().out.strip() == key, "shown again, never made again"
    assert main(["sign", str(path), "--with", str(private)]) == 0
    assert key in capsys.readouterr().out
    assert sdk.open(path, key=key).manifest.student == "tiny"
    with pytest.raises(ConfigError, match="never written over"):
        make_key(private)

"""Who made an artefact: an Ed25519 signature beside it, `model.pte.sig`, over the SHA-256 that its seal carries.

    | 64 bytes: Ed25519 over "TINYFACE-SIGNATURE-1" and the 32 bytes of the seal's SHA-256 |

The seal's hash covers every byte of the file, so the signature does. It tells who made the file that was read; whoever
can exchange files on this disk between that and the runtime's own reading is not kept out by it.
The mathematics is `cryptography`'s, which is imported when it is used (`pip install -e '.[sign]'`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sdk.artifact import Artifact
from sdk.errors import ArtifactError, ConfigError, EngineUnavailable, pip_install
from sdk.tools.limits import read_whole
from sdk.tools.whole import whole_file

SUFFIX = ".sig"
SIGNATURE_BYTES = 64
_DOMAIN = b"TINYFACE-SIGNATURE-1"
_KEY_BYTES = 32
_PRIME = 2**255 - 19
# y of the points of small order: signatures by such a key need no secret. Zeros, as a key that was never filled in has
# them, are the first; libsodium refuses the same, cryptography none
_EIGHTH = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_NOBODYS = {0, 1, _PRIME - 1, _EIGHTH, _PRIME - _EIGHTH}


def public_key(key: bytes | str) -> bytes:
    """The 32 bytes of a public key: as they are, or from 64 hexadecimal digits. Raises `ConfigError`."""
    try:
        raw = bytes.fromhex(key) if isinstance(key, str) else bytes(key)
    except ValueError:
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise ConfigError("key: a public key is 32 bytes, or 64 hexadecimal digits; `tinyface key` makes and shows one")
    if int.from_bytes(raw, "little") % 2**255 % _PRIME in _NOBODYS:
        raise ConfigError("key: this one is nobody's, as zeros are; `tinyface key` makes and shows one")
    return raw


def check_signature(artifact: Artifact, key: bytes | str) -> None:
    """Raises `ArtifactError` unless the file beside `artifact` is its signature by the owner of the public `key`."""
    keys = _cryptography()
    raw = public_key(key)
    path = beside(artifact.path)
    if not path.exists():
        raise ArtifactError(f"{artifact.path}: a signature is demanded and {path.name} is not beside it; sign it")
    signature = read_whole(path, ArtifactError, SIGNATURE_BYTES)
    try:
        keys.Ed25519PublicKey.from_public_bytes(raw).verify(signature, _message(artifact))
    except Exception as error:  # InvalidSignature, and ValueError for a key that is no point
        raise ArtifactError(
            f"{artifact.path}: {path.name} is no signature of this file by this key: it was altered, or made by another"
        ) from error


def sign(artifact: Artifact, private: Path) -> Path:
    """Write the signature of `artifact` beside it; returns its path. Raises `ConfigError` for a key that is none."""
    keys = _cryptography()
    raw = _private_bytes(private)
    path = beside(artifact.path)
    with whole_file(path) as stream:
        stream.write(keys.Ed25519PrivateKey.from_private_bytes(raw).sign(_message(artifact)))
    return path


def make_key(private: Path) -> str:
    """Write a new private key that nobody else may read; gives its public one. `ConfigError` where one is."""
    key = _cryptography().Ed25519PrivateKey.generate()
    try:
        descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigError(f"{private}: is there already; a key is never written over") from error
    except OSError as error:
        raise ConfigError(f"{private}: cannot write: {error.strerror or error}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(key.private_bytes_raw().hex() + "\n")
    return str(key.public_key().public_bytes_raw().hex())


def public_of(private: Path) -> str:
    """The public key, in hexadecimal digits, of the private one in a file. Raises `ConfigError`."""
    key = _cryptography().Ed25519PrivateKey.from_private_bytes(_private_bytes(private))
    return str(key.public_key().public_bytes_raw().hex())


def beside(path: Path) -> Path:
    """Where the signature of an artefact lies."""
    return path.with_name(path.name + SUFFIX)


def unsign(path: Path) -> None:
    """Take away the signature beside an artefact that is about to be replaced: it does not speak for the next one."""
    beside(path).unlink(missing_ok=True)


def _message(artifact: Artifact) -> bytes:
    return _DOMAIN + bytes.fromhex(artifact.sha256)


def _private_bytes(private: Path) -> bytes:
    try:
        raw = bytes.fromhex(read_whole(private, ConfigError, 256).decode("ascii").strip())
    except ValueError:
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise ConfigError(f"{private}: is no private key of ours: 64 hexadecimal digits; `tinyface key` makes one")
    return raw


def _cryptography() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise EngineUnavailable(
            f"signatures need the package cryptography, which is not installed ({error}): {pip_install('sign')}"
        ) from error
    return ed25519

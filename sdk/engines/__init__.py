"""One file per runtime, named as manifests name it; each offers `open_engine(artifact) -> Engine`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from sdk.artifact import Artifact, open_artifact
from sdk.engines.base import Engine
from sdk.errors import ArtifactError, ConfigError
from sdk.tools.plugins import load_plugin
from sdk.tools.signature import check_signature


def open_engine(
    path: Path | str, *, trusted: bool = False, key: bytes | str | None = None, apart: bool = False
) -> Engine:
    """The engine of an artefact, chosen by its manifest's `runtime`.

    trusted: whether you know who made the file. A TorchScript `.pt` is a program of whoever made it, and is refused
    without; its operators are checked in any case. A seal finds damage, not malice.
    key: the maker's public Ed25519 key, 32 bytes or 64 hexadecimal digits: the file is refused unless the signature
    beside it is the maker's. Then you know who made it, so it is trusted.
    apart: run it in a process of its own, so that a file made to do harm ends that one and takes no memory of yours.
    Raises `ArtifactError` or `ManifestError` for a file that is not whole and ours, `EngineUnavailable` when its
    runtime is not installed.
    """
    artifact = open_artifact(path)
    if key is not None:
        check_signature(artifact, key)
    check_trusted(artifact, trusted or key is not None)
    if apart:
        from sdk.engines._apart import open_apart

        return open_apart(artifact)
    try:
        opener = load_plugin("sdk.engines", artifact.manifest.runtime, "open_engine")
    except ConfigError as error:
        raise ArtifactError(
            f"{path}: runs on {artifact.manifest.runtime!r}, which this version lacks: {error}"
        ) from None
    return cast(Engine, opener(artifact))


def check_trusted(artifact: Artifact, trusted: bool) -> None:
    """Raises `ArtifactError` for a TorchScript file whose maker nobody vouches for."""
    if artifact.manifest.runtime == "torchscript" and not trusted:
        raise ArtifactError(
            f"{artifact.path}: a TorchScript file is a program of whoever made it, and its seal only tells damage. If "
            "you know who did: sdk.open(path, trusted=True), or --trust. Or play the .pte beside it"
        )

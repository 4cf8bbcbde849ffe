"""One file per runtime, named as manifests name it; each offers `open_engine(artifact) -> Engine`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from sdk.artifact import open_artifact
from sdk.engines.base import Engine
from sdk.errors import ArtifactError, ConfigError
from sdk.plugins import load_plugin


def open_engine(path: Path | str) -> Engine:
    """The engine of an artefact, chosen by its manifest's `runtime`.

    Raises `ArtifactError` or `ManifestError` for a file that is not whole and ours, `EngineUnavailable` when its
    runtime is not installed.
    """
    artifact = open_artifact(path)
    try:
        opener = load_plugin("sdk.engines", artifact.manifest.runtime, "open_engine")
    except ConfigError as error:
        raise ArtifactError(
            f"{path}: runs on {artifact.manifest.runtime!r}, which this version lacks: {error}"
        ) from None
    return cast(Engine, opener(artifact))

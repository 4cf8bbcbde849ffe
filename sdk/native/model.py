"""An artefact opened by the native library, and what it says about itself."""

from __future__ import annotations

import ctypes as c
import os
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from sdk.errors import ArtifactError
from sdk.native import abi
from sdk.native.owned import Owned, in_words
from sdk.rig import RigLayout
from sdk.tools.signature import SIGNATURE_BYTES, public_key


@dataclass(frozen=True)
class NativeInfo:
    """What an artefact says about itself, as `fp_model_info` has it. hop_samples, state_bytes, crowd_voices: 0 of a
    window student."""

    student: str
    kind: str
    precision: str
    backend: str
    sha256: str
    parameters: int
    artifact_bytes: int
    frame_rate: Fraction
    ensemble: tuple[float, ...]
    window_samples: int
    future_samples: int
    hop_samples: int
    state_bytes: int
    crowd_voices: int


class NativeModel:
    """An artefact opened by the native library: program and weights once, for any number of voices on any thread.

    source: the path of a `.pte`, or its bytes, which are copied. library: a loaded one, or where it is (see
    `sdk.native.abi`). key: an Ed25519 public key, 32 bytes or 64 hexadecimal digits, whose signature is demanded: the
    file beside the path, or `signature`, its 64 bytes, where the source is bytes. Raises `ArtifactError` or
    `ManifestError` for a file that is not whole, ours, playable and signed, `EngineUnavailable` without the library.
    """

    def __init__(
        self,
        source: Path | str | bytes,
        library: abi.Library | Path | str | None = None,
        *,
        key: bytes | str | None = None,
        signature: bytes = b"",
    ) -> None:
        self.library = library if isinstance(library, abi.Library) else abi.Library(library)
        where: tuple[object, ...] = (source, len(source)) if isinstance(source, bytes) else (os.fsencode(source),)
        name = "fp_model_open_memory" if isinstance(source, bytes) else "fp_model_open"
        if key is not None:
            if isinstance(source, bytes) and len(signature) != SIGNATURE_BYTES:
                raise ArtifactError("a signature is demanded, and `signature` is not the 64 bytes of a .sig file")
            given = (signature,) if isinstance(source, bytes) else ()
            name, where = f"{name}_signed", (*where, *given, public_key(key))
        with in_words():
            self._owned = Owned(self.library, name, "fp_model_close", *where)

    @property
    def handle(self) -> c.c_void_p:
        """`fp_model*`. Raises `ArtifactError` once closed."""
        return self._owned.handle("the model")

    @cached_property
    def info(self) -> NativeInfo:
        """What the artefact says about itself."""
        raw = abi.sized(abi.ModelInfo)
        self.library.call("fp_model_get_info", self.handle, c.byref(raw))
        return NativeInfo(
            student=raw.student.decode(),
            kind="stream" if raw.kind == abi.KIND_STREAM else "window",
            precision=raw.precision.decode(),
            backend=raw.backend.decode(),
            sha256=raw.sha256.decode(),
            parameters=raw.parameters,
            artifact_bytes=raw.artifact_bytes,
            frame_rate=Fraction(raw.fps_numerator, raw.fps_denominator),
            ensemble=tuple(raw.ensemble_weights) if raw.ensemble else (),
            window_samples=raw.window_samples,
            future_samples=raw.future_samples,
            hop_samples=raw.hop_samples,
            state_bytes=raw.state_bytes,
            crowd_voices=raw.crowd_voices,
        )

    @cached_property
    def layout(self) -> RigLayout:
        """The rig: names, ranges and values at rest."""
        names: list[str] = []
        rows: list[tuple[float, float, float]] = []
        while (name := self.library.calls.fp_model_channel_name(self.handle, len(names))) is not None:
            low, high, rest = c.c_float(), c.c_float(), c.c_float()
            self.library.call(
                "fp_model_channel_range", self.handle, len(names), c.byref(low), c.byref(high), c.byref(rest)
            )
            names.append(name.decode())
            rows.append((low.value, high.value, rest.value))
        low_all, high_all, rest_all = zip(*rows, strict=True)
        return RigLayout(tuple(names), low_all, high_all, rest_all)

    @cached_property
    def styles(self) -> tuple[str, ...]:
        """Names of the styles that this artefact's student has; none for most."""
        names: list[str] = []
        while (name := self.library.calls.fp_model_style_name(self.handle, len(names))) is not None:
            names.append(name.decode())
        return tuple(names)

    def close(self) -> None:
        """Give the model back now; its voices go on. Else it happens when the last reference goes."""
        self._owned.close()

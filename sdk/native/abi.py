"""`frame_stream.h` for ctypes: its structs, its statuses, the loaded library. To play with it, see `NativePredictor`.

The library is built by `python -m sdk.c.build`; where it lies is said by a path or by the environment
variable FRAME_STREAM_LIBRARY: the library itself, or the folder that it and its neighbours are in.
"""

from __future__ import annotations

import ctypes as c
import os
import sys
from pathlib import Path
from typing import Any

from sdk.errors import EngineUnavailable, TinyfaceError

ABI_VERSION = 1  # FP_ABI_VERSION of the header that these structs were written from
LIBRARY = "FRAME_STREAM_LIBRARY"  # environment variable

OK, AGAIN, END = 0, 1, 2
BAD_ARGUMENT, BAD_STRUCT, BAD_RATE, BAD_AUDIO, FINISHED = -1, -2, -3, -4, -5
NO_FILE, BAD_FILE, BAD_MANIFEST, UNSUPPORTED, BAD_PROGRAM, RUN_FAILED = -6, -7, -8, -9, -10, -11
NOT_SIGNED = -14
ENSEMBLE_AS_MODEL, ENSEMBLE_OFF, ENSEMBLE_ON = 0, 1, 2
KIND_WINDOW, KIND_STREAM = 0, 1
VISEMES = 15

_U32 = c.c_uint32


class Error(c.Structure):
    """`fp_error`"""

    _fields_ = [("message", c.c_char * 512)]


class ModelInfo(c.Structure):
    """`fp_model_info`"""

    _fields_ = [
        *((name, _U32) for name in ("struct_size", "channels", "sample_rate_hz", "window_samples", "future_samples")),
        *((name, _U32) for name in ("fps_numerator", "fps_denominator", "ensemble")),
        ("ensemble_weights", c.c_float * 3),
        ("reserved", _U32),
        ("parameters", c.c_uint64),
        ("artifact_bytes", c.c_uint64),
        *((name, c.c_char_p) for name in ("student", "precision", "backend", "sha256")),
        *((name, _U32) for name in ("kind", "hop_samples", "state_bytes", "crowd_voices")),
    ]


class StreamConfig(c.Structure):
    """`fp_stream_config`"""

    _fields_ = [
        *((name, _U32) for name in ("struct_size", "sample_rate_hz", "audio_channels", "fps_numerator")),
        *((name, _U32) for name in ("fps_denominator", "ensemble")),
        ("ensemble_weights", c.c_float * 3),
        ("buffer_samples", _U32),
    ]


class FramePlace(c.Structure):
    """`fp_frame`"""

    _fields_ = [("struct_size", _U32), ("reserved", _U32), ("index", c.c_int64), ("sample", c.c_int64)]


class Curve(c.Structure):
    """`fp_curve`"""

    _fields_ = [("struct_size", _U32), *((name, c.c_float) for name in ("gain", "offset", "minimum", "maximum"))]


class Allocator(c.Structure):
    """`fp_allocator`; the functions as addresses: ctypes.cast(function, c_void_p)"""

    _fields_ = [
        ("struct_size", _U32),
        ("reserved", _U32),
        ("allocate", c.c_void_p),
        ("release", c.c_void_p),
        ("user", c.c_void_p),
    ]


class TrackConfig(c.Structure):
    """`fp_track_config`"""

    _fields_ = [("struct_size", _U32), ("block_samples", _U32), ("pause_s", c.c_float), ("ease_s", c.c_float)]


class LatencyParts(c.Structure):
    """`fp_latency`"""

    _fields_ = [
        *((name, _U32) for name in ("struct_size", "future_samples", "ensemble_samples", "resampler_samples")),
        *((name, _U32) for name in ("block_samples", "total_samples", "grid_samples")),
    ]


# Arguments of each function; where a status is returned, `Library.call` adds the `fp_error*` that comes last.
_P, _SIZE, _TEXT = c.c_void_p, c.c_size_t, c.c_char_p
_STATUS: dict[str, tuple[Any, ...]] = {
    "fp_model_open": (_TEXT, _P),
    "fp_model_open_memory": (_P, _SIZE, _P),
    "fp_model_open_signed": (_TEXT, _TEXT, _P),
    "fp_model_open_memory_signed": (_P, _SIZE, _TEXT, _TEXT, _P),
    "fp_model_open_in_place": (_P, _SIZE, _P),
    "fp_model_get_info": (_P, _P),
    "fp_model_channel_range": (_P, _U32, _P, _P, _P),
    "fp_model_visemes": (_P, _P, _U32, _P, _U32),
    "fp_stream_create": (_P, _P, _P),
    "fp_stream_push_f32": (_P, _P, _SIZE, _P),
    "fp_stream_push_i16": (_P, _P, _SIZE, _P),
    "fp_stream_pull": (_P, _P, _P, _U32),
    "fp_stream_finish": (_P,),
    "fp_stream_reset": (_P,),
    "fp_stream_set_curve": (_P, _U32, _P),
    "fp_stream_set_style": (_P, _P, _U32),
    "fp_stream_latency_samples": (_P, _U32, _P),
    "fp_crowd_create": (_P, _P),
    "fp_crowd_run": (_P, _P, _SIZE, _P),
    "fp_crowd_run_tracks": (_P, _P, _SIZE, _P),
    "fp_set_allocator": (_P,),
    "fp_track_create": (_P, _P, _P, _P),
    "fp_track_push_f32": (_P, _P, _SIZE, c.c_double),
    "fp_track_push_i16": (_P, _P, _SIZE, c.c_double),
    "fp_track_pull": (_P, c.c_double, _P, _U32),
    "fp_track_set_style": (_P, _P, _U32),
}
_OTHERS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "fp_abi_version": (_U32, ()),
    "fp_status_string": (_TEXT, (c.c_int32,)),
    "fp_model_channel_name": (_TEXT, (_P, _U32)),
    "fp_model_style_name": (_TEXT, (_P, _U32)),
    "fp_model_close": (None, (_P,)),
    "fp_stream_destroy": (None, (_P,)),
    "fp_crowd_destroy": (None, (_P,)),
    "fp_version_string": (_TEXT, ()),
    "fp_track_destroy": (None, (_P,)),
    "fp_track_delay_s": (c.c_double, (_P,)),
}


class StatusError(TinyfaceError):
    """A call that failed: its `status`, and what the library said."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(f"{name} ({status}): {message}")
        self.status = status
        self.message = message


def sized(struct: Any, **fields: Any) -> Any:
    """A struct with its size set, as every call wants it; the rest zero but for `fields`."""
    return struct(struct_size=c.sizeof(struct), **fields)


def find_library(path: Path | str | None = None) -> Path:
    """The library's file: `path`, or what FRAME_STREAM_LIBRARY says; either may be the folder it lies in.

    Raises `EngineUnavailable` where neither leads to a file.
    """
    said = path if path is not None else os.environ.get(LIBRARY)
    build = "build it with `python -m sdk.c.build --out build/native`"
    if not said:
        raise EngineUnavailable(
            f"no native library was named: {build}, then give its path or set {LIBRARY} to build/native/lib"
        )
    suffix = {"win32": "dll", "darwin": "dylib"}.get(sys.platform, "so")
    file = Path(said).absolute()
    if file.is_dir():
        file /= f"{'' if suffix == 'dll' else 'lib'}frame_stream.{suffix}"
    if not file.is_file():
        whence = "" if path is not None else f" (said by {LIBRARY})"
        raise EngineUnavailable(f"the native library is not at {file}{whence}: {build}, or say where it is")
    return file


class Library:
    """The loaded library. `calls` has its functions as the header declares them.

    path: as `find_library`. Raises `EngineUnavailable` for a file that is not this library, of another ABI, or without
    the runtime beside it.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = find_library(path)
        try:
            self.calls = c.CDLL(str(self.path))
        except OSError as error:
            raise EngineUnavailable(
                f"{self.path}: cannot be loaded ({error}); it needs the libraries that were built beside it, all for "
                "this machine: copy the whole folder, or build them here"
            ) from error
        signatures = {name: (c.c_int32, (*takes, _P)) for name, takes in _STATUS.items()} | _OTHERS
        self._declare("fp_abi_version", *signatures.pop("fp_abi_version"))
        if self.abi_version != ABI_VERSION:
            raise EngineUnavailable(
                f"{self.path}: has ABI version {self.abi_version}, this package speaks {ABI_VERSION}: take the library "
                "and the package from one release, or build the library again"
            )
        for name, signature in signatures.items():
            self._declare(name, *signature)

    @property
    def abi_version(self) -> int:
        return int(self.calls.fp_abi_version())

    def call(self, name: str, *arguments: Any) -> int:
        """The status of `name(*arguments, &error)`, 0 or news. Raises `StatusError` with the library's words."""
        error = Error()
        status = int(getattr(self.calls, name)(*arguments, c.byref(error)))
        if status < 0:
            words: bytes = self.calls.fp_status_string(status)
            raise StatusError(status, words.decode(), error.message.decode("utf-8", "replace"))
        return status

    def _declare(self, name: str, gives: Any, takes: tuple[Any, ...]) -> None:
        try:
            function = getattr(self.calls, name)
        except AttributeError:
            raise EngineUnavailable(
                f"{self.path}: has no function {name}: it is another library, or older than this package; build it "
                "again with `python -m sdk.c.build`"
            ) from None
        function.restype, function.argtypes = gives, takes

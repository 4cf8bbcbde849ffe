"""Speech audio in, face-rig frames out, on the device.

    engine = sdk.open("model.pte")
    predictor = sdk.FramePredictor(engine, rate_hz=48000)
    frames = predictor.push(samples) + predictor.finish()

Names are loaded when they are first used: importing the package costs nothing and needs only what is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdk.artifact import Artifact as Artifact
    from sdk.artifact import open_artifact as open_artifact
    from sdk.audio import StreamingResampler as StreamingResampler
    from sdk.clock import FrameClock as FrameClock
    from sdk.crowd import Crowd as Crowd
    from sdk.engines import open_engine as open
    from sdk.engines.base import Engine as Engine
    from sdk.engines.base import StreamEngine as StreamEngine
    from sdk.engines.base import WindowEngine as WindowEngine
    from sdk.engines.eager import EagerEngine as EagerEngine
    from sdk.engines.eager import EagerStreamEngine as EagerStreamEngine
    from sdk.ensemble import RealtimeEnsemble as RealtimeEnsemble
    from sdk.errors import TinyfaceError as TinyfaceError
    from sdk.faces.face import Face as Face
    from sdk.latency import Latency as Latency
    from sdk.manifest import Manifest as Manifest
    from sdk.native import NativeCrowd as NativeCrowd
    from sdk.native import NativeModel as NativeModel
    from sdk.native import NativePredictor as NativePredictor
    from sdk.predictor import FramePredictor as FramePredictor
    from sdk.predictor import predict as predict
    from sdk.protocols.csv import read_csv as read_csv
    from sdk.rig import Frame as Frame
    from sdk.rig import RigLayout as RigLayout
    from sdk.stream import StreamState as StreamState
    from sdk.stream import advance as advance
    from sdk.window import WindowSpec as WindowSpec

__version__ = "0.1.0"

_HOMES = {
    "Artifact": "sdk.artifact", "open_artifact": "sdk.artifact", "StreamingResampler": "sdk.audio",
    "FrameClock": "sdk.clock", "open": "sdk.engines:open_engine", "Engine": "sdk.engines.base",
    "EagerEngine": "sdk.engines.eager", "EagerStreamEngine": "sdk.engines.eager", "Crowd": "sdk.crowd",
    "StreamEngine": "sdk.engines.base", "WindowEngine": "sdk.engines.base",
    "RealtimeEnsemble": "sdk.ensemble", "TinyfaceError": "sdk.errors",
    "Face": "sdk.faces.face",
    "Latency": "sdk.latency", "Manifest": "sdk.manifest", "NativeCrowd": "sdk.native", "NativeModel": "sdk.native",
    "NativePredictor": "sdk.native", "FramePredictor": "sdk.predictor",
    "predict": "sdk.predictor", "read_csv": "sdk.protocols.csv", "Frame": "sdk.rig", "RigLayout": "sdk.rig",
    "StreamState": "sdk.stream", "advance": "sdk.stream", "WindowSpec": "sdk.window",
}  # fmt: skip

__all__ = [
    "Artifact", "Crowd", "EagerEngine", "EagerStreamEngine", "Engine", "Face", "Frame", "FrameClock", "FramePredictor",
    "Latency", "Manifest", "NativeCrowd", "NativeModel", "NativePredictor", "RealtimeEnsemble", "RigLayout",
    "StreamEngine", "StreamState", "StreamingResampler", "TinyfaceError", "WindowEngine", "WindowSpec", "__version__",
    "advance", "open", "open_artifact", "predict", "read_csv",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sdk' has no {name!r}; it has: {', '.join(__all__)}")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(importlib.import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

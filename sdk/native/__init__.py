"""The native library from Python: audio in, frames out, with neither torch nor a Python runtime of ExecuTorch.

    model = sdk.NativeModel("model.pte", library="build/native/lib")
    voice = sdk.NativePredictor(model, rate_hz=48000)
    frames = voice.push(samples) + voice.finish()

An engine runs one window or one hop; this library does all from samples to frames. So it is no engine: a
`NativePredictor` is the peer of a `FramePredictor`, with the same verbs and, within 1e-4, the same frames.
"""

from __future__ import annotations

from sdk.native.model import NativeInfo as NativeInfo
from sdk.native.model import NativeModel as NativeModel
from sdk.native.predictor import NativeCrowd as NativeCrowd
from sdk.native.predictor import NativePredictor as NativePredictor

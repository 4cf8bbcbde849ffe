"""The facts of valid manifests, as the sdk's tests begin with them."""

from __future__ import annotations

from typing import Any

HOP_SAMPLES = 320
WINDOW_SAMPLES = 1000
CHANNELS = ("jawOpen", "mouthClose", "tongueOut")


def facts(**changes: Any) -> dict[str, Any]:
    """The fields of a valid manifest, with some changed."""
    names = list(changes.pop("names", CHANNELS))
    valid: dict[str, Any] = {
        "schema": 2, "student": "tiny", "kind": "window", "runtime": "executorch", "backend": "xnnpack",
        "precision": "fp32", "sample_rate_hz": 16000, "window_samples": WINDOW_SAMPLES, "future_samples": 400,
        "state": [], "crowd_voices": 0, "fps": [30, 1], "ensemble": [], "history": "zeros", "names": names,
        "minimum": [0.0] * len(names),
        "maximum": [1.0] * len(names), "neutral": [0.0] * len(names), "parameters": 27, "weights_sha256": "0" * 64,
        "tools": {"torch": "2"}, "training": {"corpus": "none"}, "scores": {"mse": 0.5},
    }  # fmt: skip
    return {**valid, **changes}


def stream_facts(**changes: Any) -> dict[str, Any]:
    """The fields of a valid manifest of a stream student, with some changed."""
    valid = {"kind": "stream", "window_samples": HOP_SAMPLES, "future_samples": 704, "state": [[1, 1, 1], [4, 1, 2]]}
    return facts(**{**valid, **changes})

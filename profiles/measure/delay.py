"""From a sound to its frame, all of it: what an audience would see, at each percentile of the inference.

    capture block + resampler + future context + ensemble + inference + interpolation

The fixed parts come from `sdk.latency`, which a brute-force test holds; the inference is what was measured. With a
stream student the interpolation is the wait for its hop to fill up. Limits: `profiles/model/device.py`.
"""

from __future__ import annotations

from typing import Literal

from profiles.measure.steps import step_frames
from profiles.model.figures import PERCENTILES, LatencyRow, Pace, Timing, percentile
from sdk.clock import FrameClock
from sdk.latency import Latency
from sdk.manifest import Manifest

CAPTURE_RATE_HZ = 48000
CAPTURE_SAMPLES = 480  # 10 ms, a usual block of a microphone or a voice chat


def latency_rows(
    manifest: Manifest,
    timing: Timing,
    *,
    pace: Pace | None = None,
    voices: int = 1,
    rate_hz: int = CAPTURE_RATE_HZ,
    chunk_samples: int = CAPTURE_SAMPLES,
) -> list[LatencyRow]:
    """One row for each percentile of `timing`, or of the responses of `pace`, which hold late wake-ups too.

    voices: that one run of the program serves; each waits for all. rate_hz, chunk_samples: of the audio as it is
    captured. Worst case of where a frame falls in a block. Raises `AudioError` or `ConfigError` for what cannot be.
    """
    fixed = Latency.of(
        FrameClock(manifest.frame_rate), manifest.timing, ensemble=bool(manifest.ensemble), rate_hz=rate_hz,
        chunk_samples=chunk_samples,
    )  # fmt: skip
    names: list[Literal["p50", "p95", "p99", "max"]] = ["p50", "p95", "p99", "max"]
    if pace:
        inference_us = [percentile(pace.response_us, PERCENTILES[name]) for name in names]
    else:  # a frame waits for one whole run, whatever its share in it
        whole = step_frames(manifest) * voices
        inference_us = [percentile(timing.samples_us, PERCENTILES[name]) * whole for name in names]
    return [
        LatencyRow(
            percentile=name, block_ms=fixed.block_ms, resampler_ms=fixed.resampler_ms, future_ms=fixed.future_ms,
            ensemble_ms=fixed.ensemble_ms, inference_ms=microseconds / 1000.0, interpolation_ms=fixed.grid_ms,
        )
        for name, microseconds in zip(names, inference_us, strict=True)
    ]  # fmt: skip

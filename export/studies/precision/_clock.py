"""Fresh process of `study`: what one voice's frame takes in a crowd, which a profile (`profiles/measure`) does not ask.

python -m export.studies.precision._clock FILE RUNS
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import numpy as np

from profiles.measure.steps import step_frames
from sdk.engines import open_engine
from sdk.engines.base import StreamEngine
from sdk.tools.caller import end_with_caller

_WARM = 20


def main() -> None:
    path, runs = sys.argv[1], int(sys.argv[2])
    engine = open_engine(path, trusted=True)
    assert isinstance(engine, StreamEngine)
    manifest, random = engine.manifest, np.random.default_rng(0)
    voices = manifest.crowd_voices
    hops = random.normal(0, 0.1, (voices, manifest.window_samples)).astype(np.float32)
    state, times = engine.start(voices), []
    for _ in range(_WARM + runs):
        began = time.process_time_ns()
        _, state = engine.step(hops, state)
        times.append((time.process_time_ns() - began) / 1000)
    share = statistics.median(times[_WARM:]) / voices / step_frames(manifest)
    sys.stdout.write(json.dumps({"crowd_us_per_frame": share}) + "\n")


if __name__ == "__main__":
    end_with_caller()
    main()

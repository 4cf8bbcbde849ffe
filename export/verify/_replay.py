"""Fresh process of `verify`: every artefact on every window, through the engine that ships.

python -m export.verify._replay FILE... WINDOWS.npy FRAMES.npy
"""

from __future__ import annotations

import json
import sys

import numpy as np

from sdk.engines import open_engine
from sdk.engines.base import Engine, StreamEngine, WindowEngine


def replay(engine: Engine, inputs: np.ndarray) -> np.ndarray:
    """Values `(N, channels)` of N windows, or of N hops of one stream."""
    if isinstance(engine, WindowEngine):
        return np.stack([engine.run(window) for window in inputs])
    assert isinstance(engine, StreamEngine)
    state = engine.start(1)
    values = []
    for hop in inputs:
        made, state = engine.step(hop[None], state)
        values.append(made[0])
    return np.stack(values)


def main() -> None:
    *paths, source, result = sys.argv[1:]
    windows = np.load(source)
    engines = [open_engine(path) for path in paths]
    frames = np.stack([replay(engine, windows) for engine in engines])
    np.save(result, frames)
    sys.stdout.write(json.dumps({"frames": len(windows)}) + "\n")


if __name__ == "__main__":
    main()

"""Fresh process of `proof`: what engines answer, call by call, to all that they shall hear (`_play` plays).

python -m export.verify._replay FILE... HEARD.npz FRAMES.npz
"""

from __future__ import annotations

import json
import sys

import numpy as np

from sdk.engines import open_engine
from sdk.engines.base import Engine, StreamEngine, WindowEngine


def replay(engine: Engine, heard: np.ndarray) -> np.ndarray:
    """Values `(N, channels)` of windows, or `(voices, hops, channels)` of the takes of voices that run together."""
    if isinstance(engine, WindowEngine):
        return np.stack([engine.run(window) for window in heard])
    assert isinstance(engine, StreamEngine)
    state = engine.start(len(heard))
    values = []
    for hops in heard.swapaxes(0, 1):
        made, state = engine.step(np.ascontiguousarray(hops), state)
        values.append(made)
    return np.stack(values, axis=1)


def main() -> None:
    *paths, source, result = sys.argv[1:]
    with np.load(source) as file:
        heard = dict(file)
    frames: dict[str, np.ndarray] = {}
    for number, path in enumerate(paths):
        engine = open_engine(path, trusted=True)
        frames |= {f"{number} {name}": replay(engine, inputs) for name, inputs in heard.items()}
    np.savez(result, **frames)  # type: ignore[arg-type]
    sys.stdout.write(json.dumps({"frames": sum(len(one) for one in frames.values())}) + "\n")


if __name__ == "__main__":
    main()

"""Fresh process of `proof`: what engines answer, call by call, to all that they shall hear (`_play` plays).

python -m export.verify._replay FILE HEARD.npz [FILE HEARD.npz ...]

What a file answers takes the place of what it heard.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from sdk.engines import open_engine
from sdk.engines.base import Engine, StreamEngine, WindowEngine
from sdk.tools.caller import end_with_caller


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
    paths, sources = sys.argv[1::2], sys.argv[2::2]
    for path, source in zip(paths, sources, strict=True):
        with np.load(source) as file:
            heard = dict(file)
        engine = open_engine(path, trusted=True)
        np.savez(source, **{how: replay(engine, inputs) for how, inputs in heard.items()})  # type: ignore[arg-type]
    sys.stdout.write(json.dumps({"files": len(paths)}) + "\n")


if __name__ == "__main__":
    end_with_caller()
    main()

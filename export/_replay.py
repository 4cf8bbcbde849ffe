"""Fresh process of `verify`: every artefact on every window, through the engine that ships.

python -m export._replay FILE... WINDOWS.npy FRAMES.npy
"""

from __future__ import annotations

import json
import sys

import numpy as np

from sdk.engines import open_engine


def main() -> None:
    *paths, source, result = sys.argv[1:]
    windows = np.load(source)
    engines = [open_engine(path) for path in paths]
    frames = np.stack([[engine.run(window) for window in windows] for engine in engines])
    np.save(result, frames)
    sys.stdout.write(json.dumps({"frames": len(windows)}) + "\n")


if __name__ == "__main__":
    main()

"""Fresh process of `heard`: a recording played as a game plays it, by the predictor (`_replay` asks engines).

python -m export.verify._play FILE AUDIO.npy FPS FRAMES.npy
"""

from __future__ import annotations

import sys

import numpy as np

import sdk
from sdk.tools.caller import end_with_caller


def main() -> None:
    artefact, audio, fps, out = sys.argv[1:]
    frames = sdk.predict(sdk.open(artefact), np.load(audio), fps=fps)
    np.save(out, np.stack([frame.values for frame in frames]))
    sys.stdout.write('{"done": true}\n')


if __name__ == "__main__":
    end_with_caller()
    main()

"""A process may be forked while its threads predict: the child predicts too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORKS = """
import os, signal, sys, threading, time, warnings
import numpy as np
import sdk
warnings.simplefilter("ignore")  # Python warns of what is tried here
engine = sdk.open(sys.argv[1], trusted=True)
window = np.random.default_rng(0).standard_normal(engine.manifest.window_samples).astype(np.float32)
wanted, stop = engine.run(window), threading.Event()
def predict():
    while not stop.is_set():
        engine.run(window)
threads = [threading.Thread(target=predict, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
hung = 0
for _ in range(20):
    child = os.fork()
    if not child:
        signal.alarm(3)  # a child that waits for ever ends by it
        os._exit(0 if np.array_equal(engine.run(window), wanted) else 3)
    hung += os.waitpid(child, 0)[1] != 0
stop.set()
for thread in threads:
    thread.join(20)
print(hung, sum(thread.is_alive() for thread in threads))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("runtime", ["executorch", "torchscript"])
def test_a_child_predicts_though_others_did_when_it_was_forked(runtime: str, sealed: dict[str, Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKS, str(sealed[runtime])], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split() == ["0", "0"], done.stderr[-500:]

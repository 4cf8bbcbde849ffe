"""What an artefact makes of a sentence, beside its float checkpoint: curves, lip gap, closures lost and won.

The sentence is the bundled one, whose phones are known to the millisecond. The checkpoint runs in torch, float32; the
artefact runs as a game would run it, through the sdk. What differs is what quantisation and lowering did.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from distill.files.checkpoint import Checkpoint
from distill.files.disk import load_mono
from distill.scoring.conditions import FPS, Item
from distill.scoring.metrics import TOLERANCE_FRAMES
from distill.speech.phones import Phone, from_json
from export.load.golden import SENTENCE
from export.verify.curves import frames_of
from profiles.measure.harness import run_fresh
from sdk.errors import TinyfaceError
from sdk.faces.face import CLOSED_CM, Face

CURVES_SHOWN = 3  # besides the lip gap: the channels that move most
_BILABIALS = "pbm"
_ALIKE = 0.9  # curves that correlate more tell the same story


def listen(artefact: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """The section `heard` of a report; where there is nothing to hear or judge by, only `why_not`.

    Curves are lists at 30 fps; gaps in cm. A closure is shut where the lips come within 0.15 cm in or near it.
    """
    phones = SENTENCE.with_name("sentence.phones.json")
    if not SENTENCE.exists() or not phones.exists():
        return {"why_not": f"{SENTENCE.name} and its phones are not installed"}
    try:
        item = Item("sentence", load_mono(SENTENCE), from_json(phones.read_text("utf-8")))
        face, layout = Face.default(), checkpoint.layout
        (before,) = frames_of(checkpoint.student(), checkpoint.spec, [item])
        after = _played(artefact, item.audio)[: len(before)]
        gaps = [face.lip_gap_cm(values, layout) for values in (before, after)]
    except (TinyfaceError, ImportError) as error:
        return {"why_not": str(error)}
    curves = {"lip gap, cm": gaps} | {layout.names[at]: [before[:, at], after[:, at]] for at in _moving(before)}
    closures = [_closure(phone, *gaps) for phone in item.phones if phone.symbol[:1] in _BILABIALS]
    return {
        "audio": SENTENCE.name, "fps": FPS, "closed_cm": CLOSED_CM,
        "curves": {name: {"checkpoint": _plain(one), "artefact": _plain(two)} for name, (one, two) in curves.items()},
        "closures": closures,
        "lost": sum(one["verdict"] == "lost" for one in closures),
        "won": sum(one["verdict"] == "won" for one in closures),
        "max_curve_error": float(np.abs(after - before).max()),
        "lip_gap_rms_cm": float(np.sqrt(np.mean((gaps[1] - gaps[0]) ** 2))),
    }  # fmt: skip


def _played(artefact: Path, audio: np.ndarray) -> np.ndarray:
    """Frames `(n, channels)` of an artefact in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "audio.npy"), Path(folder, "frames.npy")
        np.save(source, audio)
        run_fresh("export.verify._play", str(artefact.resolve()), str(source), str(FPS), str(result))
        frames: np.ndarray = np.load(result)
    return frames


def _moving(values: np.ndarray) -> list[int]:
    """Channels that move most, none that goes along with one before it."""
    found: list[int] = []
    spread = values.std(axis=0)
    for at in np.argsort(-spread)[: int((spread > 1e-6).sum())]:
        if not any(abs(np.corrcoef(values[:, at], values[:, other])[0, 1]) > _ALIKE for other in found):
            found.append(int(at))
    return found[:CURVES_SHOWN]


def _plain(values: np.ndarray) -> list[float]:
    return [round(float(value), 5) for value in values]


def _closure(phone: Phone, before_cm: np.ndarray, after_cm: np.ndarray) -> dict[str, Any]:
    """The least gap around one /p b m/, of both, and what became of it."""
    first, last = int(np.ceil(phone.start * FPS)), int(np.floor(phone.end * FPS))
    near = slice(max(min(first, last) - TOLERANCE_FRAMES, 0), max(first, last) + TOLERANCE_FRAMES + 1)
    one, two = float(before_cm[near].min()), float(after_cm[near].min())
    words = {(True, True): "kept", (True, False): "lost", (False, True): "won", (False, False): "open in both"}
    return {
        "phone": phone.symbol, "start_s": phone.start, "end_s": phone.end, "checkpoint_cm": round(one, 4),
        "artefact_cm": round(two, 4), "verdict": words[one <= CLOSED_CM, two <= CLOSED_CM],
    }  # fmt: skip

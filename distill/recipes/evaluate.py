"""Scores of an *artefact*, the file that ships: lips on speech that it has never heard, in quiet and in noise.

    python -m distill.recipes.evaluate build/s5/model.pte --synthetic build/espeak-heldout \\
        --aligned ../shared/data/speech/ljspeech --into checkpoints/s5.pt

Per set and condition: PBM accuracy at 0.15 cm, false closure on open vowels, recall at 2 % false closure, AUC (see
`distill/metrics.py`), MSE to the teacher's labels, jitter. The row `teacher` scores the labels themselves: on
synthetic speech its exact phones, on recordings the phones that it *recognises*, judged by the hand-corrected ones.
A `.teacher` file is scored on what it labels.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import sdk
from distill import metrics
from distill.checkpoint import Checkpoint, model_card
from distill.data.augment import add_noise
from distill.data.corpus import synthetic_utterances
from distill.data.files import atomic_write_text, find_audio, load_mono
from distill.data.labels import Phone, read_textgrid
from distill.teachers.articulatory import animate
from distill.teachers.neural import SUFFIX as TEACHER_SUFFIX
from distill.teachers.neural import NeuralTeacher, TrainedTeacher, teacher_card
from distill.twin import SUFFIX as TWIN_SUFFIX
from distill.twin import Twin, twin_card
from sdk.clock import SAMPLE_RATE_HZ, FrameClock
from sdk.command import ending
from sdk.engines.base import Engine
from sdk.errors import DataError
from sdk.face import Face
from sdk.rig import RigLayout

FPS = 30
NOISE_DB = 10.0
Tracker = Callable[["Item", np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Item:
    """One test utterance: float32 audio `(n,)` at 16 kHz and its trusted phones."""

    name: str
    audio: np.ndarray
    phones: list[Phone]

    @property
    def reference(self) -> np.ndarray:
        """The teacher's track at 30 fps from the trusted phones, `(frames, 52)`."""
        frames = FrameClock.at(FPS).frames_before(len(self.audio))
        return animate(self.phones, len(self.audio) / SAMPLE_RATE_HZ + 0.1, FPS).values[:frames]


def synthetic_set(folder: Path) -> list[Item]:
    """Held-out espeak utterances (exact phones) below `folder`."""
    return [Item(u.name, u.audio.astype(np.float32) / 32768, u.phones) for u in synthetic_utterances(folder)]


def aligned_set(folder: Path) -> list[Item]:
    """Recordings below `folder` that have a TextGrid of the same name somewhere below it (LJSpeech's layout)."""
    grids = {path.stem: path for path in folder.rglob("*.TextGrid")}
    items = [Item(p.stem, load_mono(p), read_textgrid(grids[p.stem])) for p in find_audio(folder) if p.stem in grids]
    if not items:
        raise DataError(f"{folder}: no recording with a TextGrid of the same name")
    return items


def in_noise(item: Item, snr_db: float) -> Item:
    """The item with steady pink-like noise at `snr_db`, the same noise every time."""
    random = np.random.default_rng(sum(map(ord, item.name)))
    spectrum = np.fft.rfft(random.normal(0, 1, len(item.audio)))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0))
    noise = np.fft.irfft(spectrum, len(item.audio))
    return dataclasses.replace(item, audio=add_noise(item.audio, noise.astype(np.float32), snr_db))


def score(items: Sequence[Item], layout: RigLayout, face: Face, track: Tracker) -> dict[str, Any]:
    """Scores of `track(item, reference) -> (frames, channels)` over a set, as plain numbers."""
    from tqdm import tqdm

    judge, errors, jitters, weights = metrics.LipJudge(), [], [], []
    for item in tqdm(items, desc="scoring", unit="clip", leave=False):
        reference = item.reference
        values = track(item, reference)
        judge.add(face.lip_gap_cm(values, layout), FPS, item.phones)
        names = [name for name in layout.names if name in RigLayout.arkit().names]
        errors.append(metrics.mse(RigLayout.arkit().select(reference, names), layout.select(values, names)))
        jitters.append(metrics.jitter(face.lower_lip_cm(values, layout)))
        weights.append(len(values))
    mean = lambda rows: float(np.average(rows, weights=weights))  # noqa: E731
    return {**dataclasses.asdict(judge.scores()), "mse": mean(errors), "jitter": mean(jitters)}


def engine_tracker(engine: Engine) -> Tracker:
    """Frames of an artefact, as a game would get them, at 30 fps."""

    def track(item: Item, reference: np.ndarray) -> np.ndarray:
        frames = sdk.predict(engine, item.audio, fps=FPS)
        return np.stack([frame.values for frame in frames])[: len(reference)]

    return track


def recognising_tracker() -> Tracker:
    """The articulatory teacher on phones that it recognises by itself (English)."""
    from distill.data.aligned import Aligner

    aligner = Aligner()

    def track(item: Item, reference: np.ndarray) -> np.ndarray:
        phones = aligner.label(item.audio)
        return animate(phones, len(item.audio) / SAMPLE_RATE_HZ + 0.1, FPS).values[: len(reference)]

    return track


def teacher_tracker(teacher: NeuralTeacher) -> Tracker:
    """The labels of a trained teacher, at 30 fps."""

    def track(item: Item, reference: np.ndarray) -> np.ndarray:
        return teacher.label(item.audio).at(np.arange(len(reference)) / FPS)

    return track


def conditions(sets: dict[str, list[Item]]) -> Iterator[tuple[str, str, list[Item]]]:
    """(key, set name, items) of every set in quiet and in noise."""
    for name, items in sets.items():
        yield name, name, items
        yield f"{name}_{NOISE_DB:g}db", name, [in_noise(item, NOISE_DB) for item in items]


def evaluate(judged: Engine | NeuralTeacher, sets: dict[str, list[Item]], face: Face) -> dict[str, Any]:
    """Scores of an engine or of a trained teacher under every condition."""
    if isinstance(judged, NeuralTeacher):
        layout, tracker = judged.layout, teacher_tracker(judged)
    else:
        layout, tracker = judged.manifest.layout, engine_tracker(judged)
    return {key: score(items, layout, face, tracker) for key, _, items in conditions(sets)}


def evaluate_teacher(sets: dict[str, list[Item]], face: Face) -> dict[str, Any]:
    """Scores of the labels: exact phones on synthetic speech, recognised ones on recordings."""
    layout = RigLayout.arkit()
    out = {}
    for key, name, items in conditions(sets):
        tracker = recognising_tracker() if name == "human" else (lambda item, reference: reference)
        out[key] = score(items, layout, face, tracker)
    return out


COLUMNS = ("pbm", "false_closure", "recall_at_2pct", "auc", "mse", "jitter")


def table(rows: dict[str, dict[str, Any]]) -> str:
    """A Markdown table: one line a condition."""
    lines = ["| set | " + " | ".join(COLUMNS) + " | closures / vowels |", "|---" * (len(COLUMNS) + 2) + "|"]
    for key, row in rows.items():
        cells = " | ".join(f"{row[c]:.4f}" for c in COLUMNS)
        lines.append(f"| {key} | {cells} | {row['closures']} / {row['vowels']} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("artefact", help=".pte or .pt or .teacher to score, or the word `teacher`")
    parser.add_argument("--synthetic", type=Path, help="folder of held-out espeak shards")
    parser.add_argument("--aligned", type=Path, help="folder of recordings with TextGrids")
    parser.add_argument("--face", type=Path, help="npz or glTF face to measure on instead of the default head")
    parser.add_argument("--into", type=Path, help="checkpoint, twin or teacher to write the scores into, with its card")
    parser.add_argument("--json", type=Path, help="file to write the scores to")
    options = parser.parse_args(arguments)
    with ending() as end:
        sets = {}
        if options.synthetic:
            sets["espeak"] = synthetic_set(options.synthetic)
        if options.aligned:
            sets["human"] = aligned_set(options.aligned)
        if not sets:
            raise DataError("nothing to score on: give --synthetic, --aligned or both")
        face = Face.from_file(options.face) if options.face else Face.default()
        judged = _open(options.artefact)
        weights = _open_weights(judged, options.into) if options.into else None
        scores = evaluate(judged, sets, face) if judged else evaluate_teacher(sets, face)
        print(table(scores))
        if options.json:
            atomic_write_text(options.json, json.dumps(scores, indent=1))
        if weights:
            scored = dataclasses.replace(weights, scores=scores)
            scored.save(options.into)
            atomic_write_text(options.into.with_suffix(".md"), _card(scored))
    return end.status


def _open(artefact: str) -> Engine | NeuralTeacher | None:
    """What is to be scored; None for the labels themselves."""
    if artefact == "teacher":
        return None
    path = Path(artefact)
    return NeuralTeacher(path) if path.suffix == TEACHER_SUFFIX else sdk.open(artefact)


def _open_weights(judged: Engine | NeuralTeacher | None, path: Path) -> Checkpoint | Twin | TrainedTeacher:
    """What lies at `path`, to write scores into. Raises `DataError` unless `judged` was built from its very weights."""
    kinds: dict[str, Callable[[Path], Checkpoint | Twin | TrainedTeacher]] = {
        TWIN_SUFFIX: Twin.load,
        TEACHER_SUFFIX: TrainedTeacher.load,
    }
    weights = kinds.get(path.suffix, Checkpoint.load)(path)
    found = judged.weights_sha256 if isinstance(judged, NeuralTeacher) else judged and judged.manifest.weights_sha256
    if found != weights.weights_sha256:
        raise DataError(
            f"{path}: what is scored was not built from these weights; build its own artefact and score that"
        )
    return weights


def _card(scored: Checkpoint | Twin | TrainedTeacher) -> str:
    if isinstance(scored, TrainedTeacher):
        return teacher_card(scored)
    return twin_card(scored) if isinstance(scored, Twin) else model_card(scored)


if __name__ == "__main__":
    raise SystemExit(main())

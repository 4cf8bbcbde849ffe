"""What stands beside the talkers' rows: easy and exact faces, and what personalizers tell of people never heard before.

    python -m distill.recipes.strangers build/dt/large16.teacher build/dt/compact2.teacher --corpus build/styled \\
        --people ../speech/vctk-autovc --json build/strangers.json

Faces: one that never moves, one that follows loudness, exact phones without style, and the labels. Voices: who speaks
and how, told by five seconds (`distill/scoring/styled/voices.py`), of the talkers, of `resemblyzer` where it is
installed, of six numbers anybody can measure; and errors of faces that enrolled. Cost: CPU seconds a second of audio
of every talker in one run, by turns.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distill.corpus.shelf import load_shards
from distill.corpus.styled.clips import Clip, clips_of, evenly
from distill.files.disk import atomic_write_text
from distill.recipes.codetalker import neutral
from distill.scoring.controls import loudness_mouth
from distill.scoring.intervals import RESAMPLES
from distill.scoring.styled import voices
from distill.scoring.styled.talkers import judge_tracks, retrieval, told_apart
from distill.teachers.diffusiontalker.ears import COMPACT, large_ears
from distill.teachers.diffusiontalker.teacher import FILE, DiffusionTalkerTeacher
from distill.teachers.voice2face.speech_encoder import SpeechEncoder
from sdk.rig import RigLayout
from sdk.tools.command import ending, say

_COST_CLIPS, _COST_ROUNDS = 4, 5


def faces(clips: Sequence[Clip], taught: Sequence[Clip]) -> dict[str, Any]:
    """Rows of faces that no network makes. taught: clips that talkers learned from, whose mean is the still face."""
    layout = RigLayout.arkit()
    still = np.concatenate([clip.motion for clip in taught]).mean(0)
    plain = neutral(clips, layout)
    tracks = {
        "mean face": [np.tile(still, (len(clip.motion), 1)) for clip in clips],
        "loudness": [loudness_mouth(clip.audio, len(clip.motion)) for clip in clips],
        "exact phones, no style": [clip.motion for clip in plain],
        "labels": [clip.motion for clip in clips],
    }
    return {name: judge_tracks(layout, clips, found, None, RESAMPLES) for name, found in tracks.items()}


def told(talkers: Mapping[str, DiffusionTalkerTeacher], clips: Sequence[Clip]) -> dict[str, Any]:
    """Retrieval of made-up strangers by each talker with a personalizer, and by what is no talker."""
    people, emotions = [clip.person for clip in clips], [clip.emotion for clip in clips]
    rows: dict[str, Any] = {name: retrieval(talker, clips, voices.SECONDS) for name, talker in talkers.items()}
    sounds = [clip.audio[: int(voices.SECONDS * 16000)] for clip in clips]
    for name, tell, scale in _others():
        vectors = np.array([tell(sound) for sound in sounds])
        vectors = voices.standardised(vectors) if scale else vectors
        rows[name] = told_apart(vectors, vectors, people, emotions)
    return {name: row for name, row in rows.items() if row}


def told_people(talkers: Mapping[str, DiffusionTalkerTeacher], folder: Path) -> dict[str, Any]:
    """Retrieval of real people, of the recordings below `folder`."""
    heard = voices.recordings(folder)
    rows = {}
    for name, talker in talkers.items():
        if talker.spec.personal:
            rows[name] = voices.of_people(lambda sound, by=talker: np.array(by.enrol(sound, "").identity), heard)  # type: ignore[misc]
    for name, tell, scale in _others():
        rows[name] = voices.of_people(tell, heard, scale)
    return {"recordings": len(heard), "people": len({who for who, _ in heard}), "rows": rows}


def _others() -> list[tuple[str, voices.Print, bool]]:
    found: list[tuple[str, voices.Print, bool]] = [("pitch, loudness, brightness", voices.pitch_and_loudness, True)]
    return [("resemblyzer", voices.resemblyzer(), False), *found] if voices.has_resemblyzer() else found


def costs(talkers: Mapping[str, DiffusionTalkerTeacher], clips: Sequence[Clip]) -> dict[str, float]:
    """CPU seconds a second of audio: the least of some rounds, in which all take turns."""
    torch.set_num_threads(1)
    seconds = sum(len(clip.audio) for clip in clips) / 16000
    spent: dict[str, list[float]] = {name: [] for name in talkers}
    for _ in range(_COST_ROUNDS):
        for name, talker in talkers.items():
            began = time.process_time()
            for clip in clips:
                talker.label(clip.audio)
            spent[name].append((time.process_time() - began) / seconds)
    return {name: min(every) for name, every in spent.items()}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m distill.recipes.strangers", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("talkers", type=Path, nargs="+", help=".teacher files of distill.recipes.diffusiontalker")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of distill.recipes.styled_corpus")
    parser.add_argument("--people", type=Path, nargs="*", default=[], help="folders of recordings with clips.tsv")
    parser.add_argument("--clips", type=int, default=0, help="only so many of the strangers', evenly drawn; 0 = all")
    parser.add_argument("--json", type=Path, required=True, help="file for the figures")
    options = parser.parse_args(arguments)
    with ending() as end:
        layout = RigLayout.arkit()
        strangers = [c for side in ("valid", "test") for c in clips_of(load_shards(options.corpus, side), layout)]
        clips = evenly(strangers, options.clips or len(strangers))
        known: dict[str, SpeechEncoder | None] = {COMPACT: None}
        talkers = {}
        for path in options.talkers:
            trained = FILE.load(path)
            source = trained.spec.ears
            known.setdefault(source, None if source == COMPACT else large_ears(source))
            talkers[path.stem] = DiffusionTalkerTeacher(trained, known[source])
        last = FILE.load(options.talkers[-1])
        found = {
            "faces": faces(clips, clips_of(load_shards(options.corpus, "train"), layout)),
            "told": told(talkers, strangers),
            "people": {folder.name: told_people(talkers, folder) for folder in options.people},
            "enrolled": {"by": last.spec.name, "rows": voices.enrolled(last, known[last.spec.ears], clips)},
            "cpu_s_per_s": costs(talkers, evenly(clips, _COST_CLIPS)),
        }
        atomic_write_text(options.json, json.dumps(found, indent=1))
        say(f"{options.json}: {len(clips)} clips of strangers, {len(options.people)} folders of people")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())

"""What stands beside the talkers' rows: easy and exact faces, and what personalizers tell of people never heard before.

    python -m distill.recipes.strangers build/dt/large16.teacher build/dt/compact2.teacher --corpus build/styled \\
        --people ../speech/vctk-autovc --json build/strangers.json

Faces: one that never moves, one that follows loudness, exact phones without style, and the labels. Voices: who speaks
and how, told by five seconds (`distill/scoring/styled/voices.py`), of the talkers, of `resemblyzer` where it is
installed, of six numbers anybody can measure; and errors of faces that enrolled. Cost: CPU seconds a second of audio
of every talker in one run, by turns. Pieces are kept in `<json>.parts` as they are made: a stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distill.corpus.shelf import load_shards
from distill.corpus.styled.clips import Clip, clips_of, evenly, neutral
from distill.files.disk import atomic_write_text
from distill.scoring.controls import loudness_mouth
from distill.scoring.intervals import RESAMPLES
from distill.scoring.styled import voices
from distill.scoring.styled.talkers import judge_tracks, told_apart
from distill.teachers.diffusiontalker.ears import COMPACT
from distill.teachers.diffusiontalker.teacher import FILE, DiffusionTalkerTeacher
from distill.teachers.pretrained_ears import large_ears
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


def tellers(talkers: Mapping[str, DiffusionTalkerTeacher]) -> dict[str, Teller]:
    """Who is asked whose voice it is: the talkers with a personalizer, `resemblyzer` where it is, six numbers."""
    found = {name: Teller(partial(one.enrol, name="")) for name, one in talkers.items() if one.spec.personal}
    if voices.has_resemblyzer():
        found["resemblyzer"] = Teller(lambda sound: _resemblyzer()(sound))
    found["pitch, loudness, brightness"] = Teller(voices.pitch_and_loudness, True)
    return found


@cache
def _resemblyzer() -> voices.Print:
    return voices.resemblyzer()


@dataclass(frozen=True)
class Teller:
    """Tells a voice from its sound: as a `Voice`, or as one vector for who and how. scale: by its spread, first."""

    tell: Callable[[np.ndarray], Any]
    scale: bool = False

    def of_clips(self, clips: Sequence[Clip]) -> dict[str, Any]:
        """Retrieval of made-up strangers."""
        found = [self.tell(clip.audio[: int(voices.SECONDS * 16000)]) for clip in clips]
        who, how = (np.array([getattr(one, part, one) for one in found]) for part in ("identity", "emotion"))
        if self.scale:
            who = how = voices.standardised(who)
        return told_apart(who, how, [clip.person for clip in clips], [clip.emotion for clip in clips])

    def of_people(self, heard: Sequence[tuple[str, np.ndarray]]) -> dict[str, Any]:
        """Retrieval of real people."""

        def identity(sound: np.ndarray) -> np.ndarray:
            told = self.tell(sound)
            return np.array(getattr(told, "identity", told))

        return voices.of_people(identity, heard, self.scale)


class Kept:
    """Pieces of the figures, each in the file as soon as it is made, so that a stopped run goes on from it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def piece(self, name: str, make: Callable[[], Any]) -> Any:
        """What was kept under `name`, or what `make` makes."""
        if name not in self.found:
            self.found[name] = make()
            atomic_write_text(self.path, json.dumps(self.found))
            say(f"{name}: made")
        return self.found[name]


def told_people(asked: Mapping[str, Teller], folder: Path, kept: Kept) -> dict[str, Any]:
    """Retrieval of real people, of the recordings below `folder`."""
    heard = voices.recordings(folder)
    rows = {name: kept.piece(f"{folder.name} by {name}", partial(one.of_people, heard)) for name, one in asked.items()}
    return {"recordings": len(heard), "people": len({who for who, _ in heard}), "rows": rows}


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
        kept = Kept(options.json.with_name(options.json.name + ".parts"))
        asked = tellers(talkers)
        told = {name: kept.piece(f"told by {name}", partial(one.of_clips, strangers)) for name, one in asked.items()}
        people = {folder.name: told_people(asked, folder, kept) for folder in options.people}
        found = {
            "faces": kept.piece("faces", lambda: faces(clips, clips_of(load_shards(options.corpus, "train"), layout))),
            "told": {name: row for name, row in told.items() if row},
            "people": people,
            "enrolled": {
                "by": last.spec.name,
                "rows": kept.piece("enrolled", lambda: voices.enrolled(last, known[last.spec.ears], clips, strangers)),
            },
            "cpu_s_per_s": costs(talkers, evenly(clips, _COST_CLIPS)),
        }
        atomic_write_text(options.json, json.dumps(found, indent=1))
        kept.path.unlink(missing_ok=True)
        say(f"{options.json}: {len(clips)} clips of strangers, {len(options.people)} folders of people")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())

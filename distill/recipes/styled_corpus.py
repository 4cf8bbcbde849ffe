"""A styled corpus that needs nobody's captures: made-up voices in eight emotions, with the face that goes with each.

    python -m distill.recipes.styled_corpus --people 32 --each 4 --out build/styled --seed 1
    python -m distill.recipes.styled_corpus --beat /data/BEAT --out build/beat      # captured people, for who has them

Shards as all others, so every recipe reads them, but split by speaker into `train`, `valid` and `test`: nobody of one
is heard in another. A recording's name tells its style (`w003_anger_10_02`), its label is the articulatory teacher's
with the style's offsets (`distill/corpus/styled`). Made-up people's shards that are there are kept, so a stopped run
goes on. Needs `pip install -e '.[corpus]'`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from distill.corpus.labeller import BY_RULES, LABEL_HZ, Labeller, Utterance
from distill.corpus.making import current_shard, refuse_others
from distill.corpus.shards import Shard, read_shard, shard_path, write_shard
from distill.corpus.styled.expression import express
from distill.corpus.styled.sets import beat_clips, beat_recordings
from distill.corpus.styled.styles import EMOTIONS, Person, Style, person
from distill.corpus.styled.voices import Line, lines
from distill.files.pcm import to_int16
from distill.speech import speech_synth
from distill.teachers.diffusiontalker.network import FPS
from distill.teachers.track import RigTrack
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError, DataError
from sdk.rig import RigLayout
from sdk.tools.command import at_least, ending, say

TEACHER = "styled"
SPLITS = {"train": 0.75, "valid": 0.125, "test": 0.125}
_LOUDEST = 32000


def build(
    people: int, each: int, out: Path, seed: int = 1, emotions: Sequence[str] = tuple(EMOTIONS)
) -> dict[str, list[Shard]]:
    """The shards of every split, one a person, made where they are missing. Raises `ConfigError` for fewer than three
    people or an unknown emotion, `DataError` where shards of another cast stand there, and what speaking raises."""
    unknown = [name for name in emotions if name not in EMOTIONS]
    if people < 3 or each < 1 or unknown:
        raise ConfigError(
            f"{people} people, {each} sentences, unknown emotions: {', '.join(unknown) or 'none'}; give three people "
            f"or more, one sentence or more, emotions of: {', '.join(EMOTIONS)}"
        )
    cast = [person(number, seed) for number in range(people)]
    paths = _places(out, "espeak", people)
    shards: dict[str, list[Shard]] = {name: [] for name in SPLITS}
    for number, who in enumerate(tqdm(cast, desc="speaking", unit="person")):
        split = split_of(number, people)
        path = paths[number]
        script = lines([who], emotions, each, seed * 1000 + number)
        by = _labeller({who.name: who})
        made_of = hashlib.sha256(json.dumps([seed, *map(asdict, script)]).encode()).hexdigest()
        if (kept := current_shard(path, script, by, made_of)) is None:
            spoken = speech_synth.perform([asdict(line) for line in script], seed)
            said = [_utterance(line, s) for line, s in zip(script, spoken, strict=True)]
            write_shard(path, said, by, made_of=made_of)
            kept = read_shard(path)
        shards[split].append(kept)
    return shards


def _places(out: Path, source: str, people: int) -> list[Path]:
    """Where each person's shard goes. Raises `DataError` where shards of another cast stand there."""
    paths = [shard_path(out / "shards", split_of(number, people), source, number) for number in range(people)]
    refuse_others(out / "shards", source, [path.name for path in paths])
    return paths


def bring_beat(folder: Path, out: Path, language: str = "0") -> dict[str, list[Shard]]:
    """BEAT's recordings below `folder` as shards of every split, one a person, in pieces of ten seconds. language: as
    `beat_clips`. Raises `DataError` for fewer than three people, where shards of others stand there, and as
    `beat_clips`.

    A shard holds no phones: what goes by them (faces without style, what lips can be read) is for made-up casts.
    """
    folders = sorted({path.parent for path in beat_recordings(folder, language)})
    people = sorted({one.name for one in folders})
    if len(people) < 3:
        raise DataError(
            f"{folder}: {len(people)} people of BEAT (ACTOR/NUMBER_ACTOR_LANGUAGE_EMOTION_*.json); three are "
            "needed, as nobody of one split is heard in another"
        )
    shards: dict[str, list[Shard]] = {name: [] for name in SPLITS}
    paths = _places(out, "beat", len(people))
    layout = RigLayout.arkit()
    for number, actor in enumerate(tqdm(people, desc="reading", unit="person")):
        split = split_of(number, len(people))
        tracks: dict[str, RigTrack] = {}
        utterances = []
        clips = chain.from_iterable(beat_clips(one, layout, language) for one in folders if one.name == actor)
        for place, clip in enumerate(clips):
            style = Style(f"b{actor.replace('_', '')}", clip.emotion, 1.0)
            name = style.name(place)
            tracks[name] = RigTrack(clip.motion, Fraction(FPS), layout)
            utterances.append(Utterance(name, style.person, to_int16(clip.audio), []))
        path = paths[number]
        write_shard(path, utterances, _captured(tracks))
        shards[split].append(read_shard(path))
    return shards


def _captured(tracks: Mapping[str, RigTrack]) -> Labeller:
    """The curves that came with the recordings, by name."""

    def label(utterance: Utterance) -> RigTrack:
        rows = -(-len(utterance.audio) * LABEL_HZ // SAMPLE_RATE_HZ)
        return tracks[utterance.name].resampled(Fraction(LABEL_HZ), rows)

    return Labeller("beat", label)


def split_of(number: int, people: int) -> str:
    """The split of person `number`: the last two eighths of a cast, one person at least, validate and test."""
    held = max(round(people * SPLITS["valid"]), 1)
    if number >= people - held:
        return "test"
    return "valid" if number >= people - 2 * held else "train"


def _labeller(people: dict[str, Person]) -> Labeller:
    def label(utterance: Utterance) -> RigTrack:
        style = Style.of(utterance.name)
        seconds = len(utterance.audio) / SAMPLE_RATE_HZ
        return express(utterance.phones, seconds, style, people[style.person], utterance.name, LABEL_HZ)

    return Labeller(TEACHER, label, BY_RULES)


def _utterance(line: Line, spoken: speech_synth.Spoken) -> Utterance:
    loudest = float(np.abs(spoken.audio.astype(np.float32)).max())
    level = min(line.level, _LOUDEST / max(loudest, 1.0))
    audio = np.round(spoken.audio * level).astype(np.int16)
    return Utterance(line.name, line.speaker, audio, spoken.phones)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m distill.recipes.styled_corpus", description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--each", type=int, default=4, help="sentences of each person in each emotion")
    parser.add_argument("--emotions", nargs="*", default=list(EMOTIONS), help="default: all eight of BEAT")
    parser.add_argument("--out", type=Path, required=True, help="corpus folder; shards go to its `shards`")
    parser.add_argument("--seed", type=at_least(0), default=1)
    parser.add_argument("--beat", type=Path, help="folder of BEAT: its people instead of made-up ones")
    parser.add_argument("--language", default="0", help="of BEAT's recordings: 0 English; empty for all")
    options = parser.parse_args(arguments)
    with ending("stopped; the same command goes on from what is done") as end:
        if options.beat:
            shards = bring_beat(options.beat, options.out, options.language)
        else:
            shards = build(options.people, options.each, options.out, options.seed, options.emotions)
        for split, found in shards.items():
            clips, seconds = sum(len(s) for s in found), sum(s.seconds for s in found)
            say(f"{split}: {len(found)} people, {clips} clips, {seconds / 60:.1f} min")
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())

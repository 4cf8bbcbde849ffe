"""Clips with a style, as the teachers that know one learn from them: sound, curves, who, how, and what ears made of it.

Whoever wrote the recordings down (our own corpus, BEAT, 3D-ETF, VOCASET), it comes out as `Clip`s. A large encoder
hears each clip once; its rows wait on the disk in float16.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from distill.corpus.shards import DAMAGE, Shard
from distill.corpus.shelf import load_shards
from distill.corpus.styled.expression import express
from distill.corpus.styled.styles import Style, cast_member
from distill.files.disk import atomic_open
from distill.files.pcm import to_float
from distill.speech.phones import Phone, from_json
from distill.teachers.diffusiontalker.ears import frames_of
from distill.teachers.diffusiontalker.network import FPS
from distill.teachers.pretrained_ears import LONGEST_S, ROW_SAMPLES
from distill.teachers.voice2face.speech_encoder import SpeechEncoder, hear
from sdk.errors import DataError
from sdk.rig import RigLayout

SHORTEST_S = 3.0  # shorter clips end in silence


@dataclass(frozen=True, eq=False)
class Clip:
    """One recording: `audio` float32 `(n,)` at 16 kHz, n a multiple of 320; `motion` `(frames, channels)` at 30 fps,
    rig values or flattened vertices; `phones` where known; `rows` `(n / 320, F)` float16 of a large encoder."""

    name: str
    person: str
    emotion: str
    audio: np.ndarray
    motion: np.ndarray
    phones: Sequence[Phone] = ()
    rows: np.ndarray | None = None

    @classmethod
    def made(
        cls, name: str, person: str, emotion: str, audio: np.ndarray, motion: np.ndarray, phones: Sequence[Phone] = ()
    ) -> Clip:
        """A clip of at least three seconds, whole rows of 20 ms, and a pose for each of its frames."""
        samples = max(-(-len(audio) // ROW_SAMPLES) * ROW_SAMPLES, int(SHORTEST_S * 16000))
        frames = frames_of(samples)
        if not len(motion):
            raise DataError(f"{name}: no frames of motion")
        held = motion[np.minimum(np.arange(frames), len(motion) - 1)]
        sound = np.pad(audio.astype(np.float32), (0, samples - len(audio)))
        return cls(name, person, emotion, sound, np.float32(held), tuple(phones))


def clips_of(shards: Iterable[Shard], layout: RigLayout) -> list[Clip]:
    """The clips of styled shards. Raises `DataError` for a recording whose name tells no style."""
    found = []
    for shard in shards:
        for i, name in enumerate(shard.names):
            style = Style.of(name)
            audio, track = shard.utterance(i)
            sound = to_float(audio)
            times = np.arange(frames_of(len(sound))) / FPS
            motion = track.layout.select(track.at(times), layout.names)
            found.append(Clip.made(name, style.person, style.emotion, sound, motion, from_json(shard.phones[i])))
    return found


def evenly(clips: Sequence[Clip], count: int) -> list[Clip]:
    """`count` of the clips, evenly drawn; all where there are no more."""
    picked = np.unique(np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int))
    return [clips[i] for i in picked]


def people_of(clips: Sequence[Clip]) -> list[str]:
    """Names of those who speak, sorted."""
    return sorted({clip.person for clip in clips})


def neutral(clips: Sequence[Clip], layout: RigLayout) -> list[Clip]:
    """The clips with the curves of their people in neutral: what was said moves the face, and nothing else. Raises
    `DataError` for people who are not of the made-up cast."""
    found = []
    for clip in clips:
        who = cast_member(clip.person)
        track = express(clip.phones, len(clip.audio) / 16000, Style(who.name, "neutral", 1.0), who, clip.name)
        motion = track.layout.select(track.at(np.arange(len(clip.motion)) / FPS), layout.names)
        found.append(replace(clip, motion=np.float32(motion)))
    return found


def heard(clips: Sequence[Clip], ears: SpeechEncoder | None, source: str, cache: Path) -> list[Clip]:
    """The clips with the rows of `ears`, read from `cache` where they were heard before; as they are without ears."""
    if ears is None:
        return list(clips)
    key = zlib.crc32(source.encode())
    found = []
    for clip in tqdm(clips, desc="hearing", unit="clip", delay=5, mininterval=5):
        path = cache / f"{key:08x}" / f"{clip.name}-{zlib.crc32(clip.audio.tobytes()):08x}.npy"
        rows = _read(path)
        if rows is None:
            with torch.inference_mode():
                rows = hear(ears, torch.from_numpy(clip.audio)[None], LONGEST_S)[0][0].numpy().astype(np.float16)
            lack = len(clip.audio) // ROW_SAMPLES - len(rows)  # a HuBERT has no row for the last half window
            rows = np.pad(rows, ((0, max(lack, 0)), (0, 0)), mode="edge")
            with atomic_open(path) as stream:
                np.save(stream, rows)
        found.append(replace(clip, rows=rows))
    return found


def heard_clips(corpus: Path, split: str, layout: RigLayout, ears: SpeechEncoder | None, source: str) -> list[Clip]:
    """The clips of a split of a styled corpus, heard by a large encoder where there is one."""
    return heard(clips_of(load_shards(corpus, split), layout), ears, source, corpus / "features")


def _read(path: Path) -> np.ndarray | None:
    try:
        return np.asarray(np.load(path, allow_pickle=False)) if path.exists() else None
    except DAMAGE:
        return None

"""What students are scored on: sets of utterances that nobody was trained on, and what is done to their sound.

    espeak, mandarin   synthetic voices, phones exact       quiet   as recorded
    human              recordings with TextGrids            10db    steady noise, 10 dB below the speech
    people, strangers  recordings of several speakers       8khz    a recording at 8 kHz: nothing above 4 kHz
    facegood           speech with captured animation       ...     more of them in `surroundings.py`
    grid               speech with lips measured in video
    rest               no speech at all: the lips should be shut

`people` choose (weights, seeds, what a budget gets), `strangers` report: no set does both. Both come from a folder with
phones in `labels/`, or from a corpus: `people` are its validation speakers, `strangers` those held out.

A set in quiet has its own name as key, any other condition is added: `human`, `human_10db`, `human_8khz`.
"""

from __future__ import annotations

import dataclasses
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy

from distill.corpus.capture.mouth import CapturedMouth
from distill.corpus.capture.reader import read_captures
from distill.corpus.shards import Shard, read_shard, synthetic_utterances
from distill.corpus.speakers import read_speakers
from distill.files.disk import find_audio, load_mono
from distill.files.pcm import to_float
from distill.scoring.mouth.measured_lips import read_lips
from distill.speech.augment import add_noise
from distill.speech.phones import Phone, from_json, read_textgrid
from distill.speech.recognisers import read_labels
from distill.teachers.articulatory.teacher import animate
from sdk.clock import SAMPLE_RATE_HZ, FrameClock
from sdk.errors import ConfigError, DataError, few

FPS = 30
NOISE_DB = 10.0
REST = "rest"
REST_LEVELS_DB = (-60.0, -45.0, -30.0)  # root mean square against full scale
_REST_SECONDS, _REST_STRETCHES = 5, 3
_BAND_HZ, _BAND_TAPS = 3700, 129  # 60 dB down at 3950 Hz


@dataclass(frozen=True)
class Item:
    """One test utterance: float32 audio `(n,)` at 16 kHz and its trusted phones, or the animation captured with it.

    speaker: who speaks, empty where that is not known. lips: as measured in video (`mouth/measured_lips.py`).
    """

    name: str
    audio: np.ndarray
    phones: list[Phone]
    capture: CapturedMouth | None = None
    speaker: str = ""
    lips: np.ndarray | None = None

    @property
    def frames(self) -> int:
        return FrameClock.at(FPS).frames_before(len(self.audio))

    @property
    def reference(self) -> np.ndarray:
        """The teacher's track at 30 fps from the trusted phones, `(frames, 52)`; of zero width where there are none."""
        if not self.phones:
            return np.zeros((self.frames, 0), dtype=np.float32)
        return animate(self.phones, len(self.audio) / SAMPLE_RATE_HZ + 0.1, FPS).values[: self.frames]


def synthetic_set(folder: Path) -> list[Item]:
    """Held-out espeak utterances (exact phones) below `folder`."""
    found = synthetic_utterances(folder)
    return with_phones([Item(u.name, to_float(u.audio), u.phones, speaker=u.speaker) for u in found], folder)


def with_phones(items: list[Item], folder: Path) -> list[Item]:
    """The items that have phones; others, in which nothing was recognised, are named on standard error and left out:
    there is nothing to judge them by, and they would count as sound in which nobody speaks."""
    if empty := [item.name for item in items if not item.phones]:
        left_out = f"left out {len(empty)} of {len(items)} recordings, without phones: {few(empty)}"
        print(f"{folder}: {left_out}", file=sys.stderr)
    return [item for item in items if item.phones]


def aligned_set(folder: Path) -> list[Item]:
    """Recordings below `folder` that have a TextGrid of the same name somewhere below it (LJSpeech's layout)."""
    grids = {path.stem: path for path in folder.rglob("*.TextGrid")}
    items = [Item(p.stem, load_mono(p), read_textgrid(grids[p.stem])) for p in find_audio(folder) if p.stem in grids]
    if not (items := with_phones(items, folder)):
        raise DataError(f"{folder}: no recording with a TextGrid of the same name that holds phones")
    return items


def people_set(folder: Path, side: str = "valid") -> list[Item]:
    """Several speakers: of a corpus those of its `side` (its shards `SIDE-human-*.npz`), else the recordings below
    `folder` whose phones are in `labels/NAME.phones.json` (`distill.speech.recognisers`), where `clips.tsv` (columns
    `name`, `speaker`) tells who speaks, or nobody knows.

    Raises `DataError` where no recording has phones.
    """
    if (folder / "shards").is_dir():
        items = [
            item for path in sorted(folder.glob(f"shards/{side}-human-*.npz")) for item in _items(read_shard(path))
        ]
        if not items:
            raise DataError(f"{folder}: its shards hold no recording of the side {side!r} with phones")
        return items
    labels = {path.name.removesuffix(".phones.json"): path for path in folder.rglob("*.phones.json")}
    who = read_speakers(folder / "clips.tsv")
    items = [
        Item(p.stem, load_mono(p), read_labels(labels[p.stem]), speaker=who.get(p.stem, ""))
        for p in find_audio(folder)
        if p.stem in labels
    ]
    if not (items := with_phones(items, folder)):
        raise DataError(
            f"{folder}: no recording with labels/NAME.phones.json that holds phones; `python -m "
            "distill.recipes.aligned` makes them"
        )
    return items


def _items(shard: Shard) -> Iterator[Item]:
    """What a shard holds of recordings with phones."""
    for i, name in enumerate(shard.names):
        if phones := from_json(shard.phones[i]):
            yield Item(name, to_float(shard.utterance(i)[0]), phones, speaker=shard.speakers[i])


def measured_set(folder: Path) -> list[Item]:
    """Recordings whose lips were measured in video (`mouth/measured_lips.py`): they judge and never teach."""
    return [Item(path.stem, load_mono(path), [], lips=lips) for path, lips in read_lips(folder).items()]


def captured_set(folder: Path, only: Sequence[str] = ()) -> list[Item]:
    """Recordings below `folder` with captured curves (`distill/corpus/capture/reader.py`).

    only: these alone, each by its name or its end (`2_04`); who trained on the others is scored on these.
    """
    captures = read_captures(folder)
    if unknown := [word for word in only if not any(_called(c.name, word) for c in captures)]:
        names = ", ".join(c.name for c in captures)
        raise DataError(f"{folder}: no captured recording called {', '.join(unknown)}; there are: {names}")
    wanted = [c for c in captures if not only or any(_called(c.name, word) for word in only)]
    return [Item(c.name, c.audio, [], CapturedMouth.from_track(c.track, FPS)) for c in wanted]


def _called(name: str, word: str) -> bool:
    return name == word or name.endswith(f"_{word}")


def thinned(items: list[Item], limit: int | None) -> list[Item]:
    """At most `limit` of the items, spread evenly; all of them without a limit."""
    return items[:: -(-len(items) // limit)] if limit else items


def read_sets(folders: Mapping[str, Path | Sequence[Path] | None], clips: Sequence[str] = ()) -> dict[str, list[Item]]:
    """The sets whose folders are given, each read as its name says, in the order of `folders`.

    clips: of `facegood` these alone. Raises `DataError` for a folder that does not hold what it should.
    """
    readers: dict[str, Callable[[Path], list[Item]]] = {
        "espeak": synthetic_set,
        "mandarin": synthetic_set,
        "human": aligned_set,
        "people": people_set,
        "strangers": lambda folder: people_set(folder, "held"),
        "facegood": lambda folder: captured_set(folder, clips),
        "grid": measured_set,
    }
    several = {name: [f] if isinstance(f, Path) else list(f) for name, f in folders.items() if f is not None}
    return {name: [i for f in found for i in readers[name](f)] for name, found in several.items() if found}


def rest_set() -> dict[str, list[Item]]:
    """No speech: digital silence, and steady noise alone at three levels, by key (`silence`, `noise_60db`, ...)."""
    count = _REST_SECONDS * SAMPLE_RATE_HZ
    sets = {"silence": [Item("silence", np.zeros(count, dtype=np.float32), [])]}
    for level in REST_LEVELS_DB:
        noises = [pink_noise(f"rest{i}", count) for i in range(_REST_STRETCHES)]
        loud = [noise * np.float32(10 ** (level / 20) / np.sqrt(np.mean(noise**2))) for noise in noises]
        sets[f"noise_{-level:g}db"] = [Item(f"noise{i}", noise, []) for i, noise in enumerate(loud)]
    return sets


def pink_noise(name: str, count: int) -> np.ndarray:
    """`count` samples float32 of steady noise, half the power for twice the frequency; the same for the same name."""
    random = np.random.default_rng(zlib.crc32(name.encode()))  # not a sum of letters: clips shared noises by that
    spectrum = np.fft.rfft(random.normal(0, 1, count))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0))
    return np.fft.irfft(spectrum, count).astype(np.float32)


def in_noise(item: Item, snr_db: float = NOISE_DB) -> Item:
    """The item with steady pink-like noise at `snr_db`, the same noise every time."""
    return dataclasses.replace(item, audio=add_noise(item.audio, pink_noise(item.name, len(item.audio)), snr_db))


def at_8khz(item: Item) -> Item:
    """The item as a recording at 8000 samples a second holds it, brought back to 16000: nothing above 4 kHz."""
    low_pass = scipy.signal.firwin(_BAND_TAPS, _BAND_HZ, fs=SAMPLE_RATE_HZ)
    narrow = scipy.signal.resample_poly(item.audio.astype(np.float64), 1, 2, window=low_pass)
    wide = scipy.signal.resample_poly(narrow, 2, 1, window=low_pass)[: len(item.audio)]
    return dataclasses.replace(item, audio=wide.astype(np.float32))


CONDITIONS: dict[str, Callable[[Item], Item]] = {
    "quiet": lambda item: item,
    f"{NOISE_DB:g}db": in_noise,
    "8khz": at_8khz,
}
USUAL = ("quiet", f"{NOISE_DB:g}db")  # what checkpoints are ranked by


def check_conditions(names: Sequence[str], known: Iterable[str] = CONDITIONS) -> tuple[str, ...]:
    """`names` as they are. Raises `ConfigError` for one that is not there."""
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"no condition {', '.join(unknown)}; there are: {', '.join(known)}")
    return tuple(names)


def key_of(name: str, condition: str) -> str:
    """What scores of the set `name` under a condition are kept as."""
    return name if condition == "quiet" else f"{name}_{condition}"


def conditions(
    sets: Mapping[str, list[Item]],
    wanted: Sequence[str] = USUAL,
    known: Mapping[str, Callable[[Item], Item]] = CONDITIONS,
) -> Iterator[tuple[str, str, list[Item]]]:
    """(key, set name, items) of every set under each condition of `wanted`; `known` says what each name does."""
    for name, items in sets.items():
        for condition in check_conditions(wanted, known):
            yield key_of(name, condition), name, [known[condition](item) for item in items]

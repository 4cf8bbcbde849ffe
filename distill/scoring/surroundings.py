"""What the world does to a test set, by a name each: curves over noise and level, rooms, codecs, a bad input.

    <noise>_<snr>db     steady, babble of other voices, and recordings that no training hears: 20, 10, 5, 0, -5 dB
    quieter_<n>db       20, 30, 40 dB below the recording, in 16-bit steps       clipped     12 dB over full scale
    dc                  a tenth of the level on an offset of 0.05                room        one that no training hears
    opus, mp3, gsm      coded and decoded by libsndfile, at about 18 and 50 kbit/s, and GSM 06.10 at 8 kHz
    midway              begun in the middle of its first open vowel, as a clip is cut or a microphone opened
    ended               cut 40 ms behind its last phone, and silence from there on, as an engine plays a line

A name may also be one of `GROUPS`. Noises and rooms are read from folders, those alone of which `held_out_noise` says
that training leaves them out; without a folder its conditions do not exist.
"""

from __future__ import annotations

import dataclasses
import io
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from distill.files.disk import find_audio, load_mono, to_rate
from distill.scoring.conditions import CONDITIONS, Item, pink_noise
from distill.speech.augment import add_noise, held_out_noise, trim_room
from distill.speech.phones import is_open_vowel, spoken
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import ConfigError, EngineUnavailable

Change = Callable[[Item], Item]
SNRS_DB = (20, 10, 5, 0, -5)
VOICES = 6  # in a babble
QUIETER_DB = (20, 30, 40)
OVER_DB, DC = 12.0, 0.05
ALONE_DB = -30.0  # root mean square of noise where nobody speaks
ALONE_PIECES = 12  # of five seconds, of one recording: a minute
# recordings by what is heard: a word in the path, and the noise that it counts to
NOISE_WORDS = {
    "kitchen": "kitchen", "bus": "engine", "helicopter": "engine", "chainsaw": "engine", "rain": "rain", "sea": "rain",
    "dog": "animals", "rooster": "animals", "sheep": "animals", "baby": "baby",
}  # fmt: skip
_CODECS: dict[str, tuple[int, dict[str, Any]]] = {
    "opus": (16000, {"format": "OGG", "subtype": "OPUS", "compression_level": 0.96}),
    "mp3": (16000, {"format": "MP3", "subtype": "MPEG_LAYER_III"}),
    "gsm": (8000, {"format": "WAV", "subtype": "GSM610"}),
}
GROUPS = ("snr", "levels", "codecs", "around")  # curves over noise; level, clipping, DC; codecs; everything here


def surroundings(noise: Path | None, rooms: Path | None, voices: Iterable[Item]) -> dict[str, Change]:
    """Every condition that can be had, by its name; `voices` are whom a babble is made of. Raises `AudioError`."""
    talkers = list(voices)
    sources: dict[str, Callable[[Item], np.ndarray]] = {"steady": lambda item: pink_noise(item.name, len(item.audio))}
    if len({item.name for item in talkers}) > VOICES:
        sources["babble"] = lambda item: babble(item, talkers)
    for name, found in noises(noise).items():
        sources[name] = lambda item, found=found: _stretch(found, item)  # type: ignore[misc]
    known: dict[str, Change] = {}
    for name, source in sources.items():
        for snr in SNRS_DB:
            known[f"{name}_{snr}db"] = lambda item, source=source, snr=snr: _with(  # type: ignore[misc]
                item, add_noise(item.audio, source(item), snr)
            )
    for down in QUIETER_DB:
        known[f"quieter_{down}db"] = lambda item, down=down: _with(item, as_int16(item.audio * 10 ** (-down / 20)))  # type: ignore[misc]
    known["clipped"] = lambda item: _with(item, clipped(item.audio))
    known["dc"] = lambda item: _with(item, as_int16(0.1 * item.audio + DC))
    known["midway"], known["ended"] = midway, ended
    responses = held_out_rooms(rooms)
    if responses:
        known["room"] = lambda item: _with(item, in_room(item.audio, _pick(responses, item.name)))
    return known | {name: lambda item, name=name: _with(item, coded(item.audio, name)) for name in _CODECS}  # type: ignore[misc]


def midway(item: Item) -> Item:
    """The item from the middle of its first open vowel on; as it is where it has no such phone."""
    vowel = next((p for p in item.phones if p.start >= 0.3 and is_open_vowel(p)), None)
    if vowel is None:
        return item
    cut_s = (vowel.start + vowel.end) / 2
    phones = [dataclasses.replace(p, start=max(p.start - cut_s, 0.0), end=p.end - cut_s) for p in item.phones]
    audio = item.audio[round(cut_s * SAMPLE_RATE_HZ) :]
    return dataclasses.replace(item, audio=audio, phones=[p for p in phones if p.end > 0.01])


def ended(item: Item) -> Item:
    """The item up to 40 ms behind its last phone, and 600 ms of digital silence; as it is without phones."""
    phones = spoken(item.phones)
    if not phones:
        return item
    cut = round((max(phone.end for phone in phones) + 0.04) * SAMPLE_RATE_HZ)
    silence = np.zeros(int(0.6 * SAMPLE_RATE_HZ), np.float32)
    return dataclasses.replace(item, audio=np.concatenate([item.audio[:cut], silence]), phones=phones)


def expand(wanted: Sequence[str], known: Mapping[str, Change]) -> list[str]:
    """`wanted` with the names of `GROUPS` written out. Raises `ConfigError` for one that is not there."""
    curves = [name for name in known if name.endswith("db") and not name.startswith("quieter")]
    levels = [name for name in known if name.startswith("quieter") or name in ("clipped", "dc")]
    codecs = [name for name in known if name in _CODECS]
    of = {"snr": curves, "levels": levels, "codecs": codecs, "around": list(known)}
    names = [name for word in wanted for name in of.get(word, [word])]
    if unknown := [name for name in names if name not in known and name not in CONDITIONS]:
        there = ", ".join((*CONDITIONS, *GROUPS, *known))
        raise ConfigError(
            f"no condition {', '.join(unknown)}; there are: {there}. Recorded noises and rooms need --noise and --rooms"
        )
    return list(dict.fromkeys(names))


def noises(folder: Path | None) -> dict[str, list[np.ndarray]]:
    """Held-out recordings below `folder` by what is heard in them (`NOISE_WORDS`); `others` where no word says it."""
    found: dict[str, list[np.ndarray]] = {}
    for path in find_audio(folder) if folder else []:
        if held_out_noise(path.name):
            place = path.relative_to(folder).as_posix().lower() if folder else ""
            name = next((noise for word, noise in NOISE_WORDS.items() if word in place), "others")
            sound = load_mono(path)
            if len(sound) >= SAMPLE_RATE_HZ // 2 and sound.any():
                found.setdefault(name, []).append(sound)
    return dict(sorted(found.items()))


def noises_alone(folder: Path | None) -> dict[str, list[Item]]:
    """Held-out recordings of noise with nobody speaking at -30 dB, by what is heard in them: each is five seconds long,
    repeated where it is shorter; of a longer one there are pieces, spread over its whole length."""
    found = noises(folder)
    return {
        name: [item for i, sound in enumerate(found[name]) for item in _alone(f"{name}{i}", sound)] for name in found
    }


def _alone(name: str, sound: np.ndarray) -> list[Item]:
    count = 5 * SAMPLE_RATE_HZ
    level = np.float32(10 ** (ALONE_DB / 20) / max(float(np.sqrt(np.mean(sound**2))), 1e-6))
    pieces = min(max(len(sound) // count, 1), ALONE_PIECES)
    starts = np.linspace(0, max(len(sound) - count, 0), pieces).astype(int)
    return [Item(f"{name}_{at}", np.resize(sound[at : at + count], count) * level, []) for at in starts]


def held_out_rooms(folder: Path | None) -> list[np.ndarray]:
    """Held-out room responses below `folder`, from their direct sound on."""
    paths = [path for path in find_audio(folder) if held_out_noise(path.name)] if folder else []
    return [trim_room(response) for response in map(load_mono, paths) if response.any()]


def babble(item: Item, talkers: Sequence[Item]) -> np.ndarray:
    """Six other voices at once, as long as the item: of other speakers where there are so many, else other clips."""
    others = [t for t in talkers if t.name != item.name and (not item.speaker or t.speaker != item.speaker)]
    if len(others) < VOICES:
        others = [t for t in talkers if t.name != item.name]
    random = np.random.default_rng(zlib.crc32(item.name.encode()))
    total = np.zeros(len(item.audio), dtype=np.float32)
    for number in random.choice(len(others), VOICES, replace=False):
        voice = others[number].audio
        level = max(float(np.sqrt(np.mean(voice**2))), 1e-6)
        total += np.resize(np.roll(voice, -int(random.integers(len(voice)))), len(total)) / np.float32(level)
    return total


def in_room(audio: np.ndarray, response: np.ndarray) -> np.ndarray:
    """The sound as it is heard in a room, at its own level."""
    heard = scipy.signal.fftconvolve(audio, response)[: len(audio)]
    return np.asarray(heard * np.sqrt(np.mean(audio**2) / max(np.mean(heard**2), 1e-12)), dtype=np.float32)


def clipped(audio: np.ndarray) -> np.ndarray:
    """The loudest 12 dB of the sound cut off at full scale."""
    peak = max(float(np.abs(audio).max()), 1e-6)
    return np.clip(audio * np.float32(10 ** (OVER_DB / 20) / peak), -1, 1)


def as_int16(audio: np.ndarray) -> np.ndarray:
    """As a microphone delivers it: in steps of 1 / 32767."""
    return (np.round(np.clip(audio, -1, 1) * 32767) / 32767).astype(np.float32)


def coded(audio: np.ndarray, codec: str) -> np.ndarray:
    """The sound after a codec and back, sample for sample in its place.

    Raises `EngineUnavailable` where libsndfile was built without it.
    """
    import soundfile

    rate, how = _CODECS[codec]
    file = io.BytesIO()
    try:
        soundfile.write(file, np.clip(to_rate(audio, SAMPLE_RATE_HZ, rate), -1, 1), rate, **how)
        file.seek(0)
        heard, _ = soundfile.read(file, dtype="float32")
    except (RuntimeError, ValueError, TypeError) as error:
        raise EngineUnavailable(
            f"libsndfile cannot code {codec} here ({error}); leave it out of --conditions"
        ) from error
    back = to_rate(heard, rate, SAMPLE_RATE_HZ)[: len(audio)]
    return np.pad(back, (0, len(audio) - len(back))).astype(np.float32)


def _stretch(found: Sequence[np.ndarray], item: Item) -> np.ndarray:
    """As much of one of the recordings as the item is long, the same every time."""
    source = _pick(found, item.name)
    return np.resize(np.roll(source, -(zlib.crc32(item.name.encode()) % len(source))), len(item.audio))


def _pick(found: Sequence[np.ndarray], name: str) -> np.ndarray:
    return found[zlib.crc32(name.encode()) // 7 % len(found)]


def _with(item: Item, audio: np.ndarray) -> Item:
    return dataclasses.replace(item, audio=audio.astype(np.float32, copy=False))

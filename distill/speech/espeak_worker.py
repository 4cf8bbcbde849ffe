"""Speaks one shard of labelled synthetic speech with espeak-ng. A program of its own; nothing may import it.

    python -m distill.speech.espeak_worker --shard 0 --utterances 300 --seed 1 --out DIR
    python -m distill.speech.espeak_worker --say "Hello." --language en-us --seed 1 --out DIR
    python -m distill.speech.espeak_worker --script LINES.json --seed 1 --out DIR
    python -m distill.speech.espeak_worker --ipa TEXTS.json --out DIR

espeak-ng is GPL-3.0-or-later. It is therefore an optional extra (`pip install -e '.[corpus]'`) that only this file
loads, in a process that `speech_synth.py` starts; what ships uses neither. A fresh process for each shard is also
what makes a shard repeatable: the engine keeps state between utterances that no call resets.
Exit status 3: espeak-ng is missing or does not start; 4: nothing to write, or nowhere to.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import shutil
import sys
import tempfile
from ctypes import POINTER, c_char_p, c_int, c_short, c_size_t, c_uint, c_void_p
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from distill.files.disk import atomic_write_text
from distill.speech.espeak_timing import Event, phones_from_events
from distill.speech.spoken import RATE_HZ, Spoken, spoken_name, spoken_recipe, write_spoken
from distill.speech.text import held_out
from distill.speech.text import utterance as draw_text
from sdk.errors import DataError, EngineUnavailable, TinyfaceError, pip_install
from sdk.tools.caller import end_with_caller

_TONE = ((600, 140, 200), (1200, 100, 160), (2000, 70, 140), (3000, 50, 120))  # Hz, least and most amplitude
_SLOT = "slot"  # the one voice variant file, rewritten before each utterance
_RATE, _VOLUME = 1, 2  # espeak_PARAMETER
_PHONEME_EVENT = 7
_SYNCHRONOUS = 2
_INITIALIZE = 0x1 | 0x2 | 0x8000  # phoneme events, as IPA, do not exit on failure
_SYNTH = 0x1 | 0x1000  # text is UTF-8, pause at the end
_IPA_WITH_TIES = 0x2 | 0x80 | ord("^") << 8


class _Id(ctypes.Union):
    _fields_ = [("number", c_int), ("name", c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", c_int), ("uid", c_uint), ("text_position", c_int), ("length", c_int),
        ("audio_position", c_int), ("sample", c_int), ("user_data", c_void_p), ("id", _Id),
    ]  # fmt: skip


_Callback = ctypes.CFUNCTYPE(c_int, POINTER(c_short), c_int, POINTER(_Event))


@dataclass(frozen=True)
class Speaker:
    """One made-up voice: a name, the lines of an espeak-ng voice variant, whether klatt, and words per minute."""

    name: str
    variant: str
    klatt: bool
    words_per_minute: int


def draw_speaker(name: str, rng: random.Random) -> Speaker:
    """A random voice: pitch and vocal tract of a man, woman or child, its own colour and roughness; never an echo."""
    pitch = rng.choice((rng.uniform(70, 140), rng.uniform(140, 240), rng.uniform(140, 300)))
    tract = 84 + 26 * (pitch - 70) / 230 + rng.uniform(-6, 12)  # formants in per cent: high voices have short tracts
    klatt = rng.random() < 0.15
    lines = [f"pitch {pitch:.0f} {pitch * rng.uniform(1.15, 1.8):.0f}"]
    for formant in range(9):
        frequency = tract * rng.uniform(0.95, 1.05)
        lines.append(f"formant {formant} {frequency:.0f} {rng.uniform(70, 115):.0f} {rng.uniform(85, 150):.0f}")
    lines += [
        f"flutter {rng.randint(0, 6)}",
        f"roughness {rng.randint(0, 4)}",
        f"voicing {rng.randint(75, 120)}",
        f"consonants {rng.randint(70, 130)} {rng.randint(80, 120)}",
        "tone " + " ".join(f"{hz} {rng.randint(low, high)}" for hz, low, high in _TONE),
    ]
    if klatt:
        lines.append(f"klatt {rng.randint(1, 5)}")
    elif rng.random() < 0.25:
        lines.append("breath 0 " + " ".join(str(rng.randint(0, 8)) for _ in range(7)))
    return Speaker(name, "\n".join(lines), klatt, round(rng.triangular(110, 300, 170)))


def calm_speaker(name: str, rng: random.Random) -> Speaker:
    """A clear voice at an easy pace, for things that people listen to."""
    pitch = rng.uniform(85, 190)
    variant = f"pitch {pitch:.0f} {pitch * 1.5:.0f}\nformant 0 {92 + pitch / 12:.0f} 100 100\nflutter 2\nroughness 1"
    return Speaker(name, variant, False, rng.randint(145, 165))


class Engine:
    """libespeak-ng in this process. Raises `EngineUnavailable` if it is not installed or does not start."""

    def __init__(self, data: Path) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise EngineUnavailable(f"espeakng-loader is not installed; {pip_install('corpus')}") from error
        self._variant = _mirror_data(Path(espeakng_loader.get_data_path()), data)
        self._lib: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        self.rate_hz = int(self._lib.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), _INITIALIZE))
        if self.rate_hz <= 0:
            raise EngineUnavailable(f"espeak-ng does not start on {data}; install espeakng-loader again")
        self._lib.espeak_ng_SetRandSeed(1)  # without it the engine seeds the noise of breathy voices by the clock
        self._callback = _Callback(
            self._receive
        )  # an attribute, so that Python does not free what the library still calls
        self._lib.espeak_SetSynthCallback(self._callback)
        self._lib.espeak_Synth.argtypes = [
            c_char_p, c_size_t, c_uint, c_int, c_uint, c_uint, POINTER(c_uint), c_void_p,
        ]  # fmt: skip
        self._lib.espeak_TextToPhonemes.argtypes = [POINTER(c_char_p), c_int, c_int]
        self._lib.espeak_TextToPhonemes.restype = c_char_p
        self._pcm: list[np.ndarray] = []
        self._events: list[Event] = []

    def _receive(self, wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            self._pcm.append(np.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while events[i].type != 0:
            if events[i].type == _PHONEME_EVENT:
                raw = ctypes.string_at(
                    ctypes.addressof(events[i]) + _Event.id.offset, 8
                )  # a name of 8 bytes has no NUL behind it
                self._events.append((raw.split(b"\0")[0].decode("utf-8", "ignore"), events[i].sample))
            i += 1
        return 0

    def speak(self, text: str, language: str, speaker: Speaker) -> tuple[np.ndarray, list[Event]]:
        """int16 `(n,)` at `rate_hz`, and phoneme events. Raises `DataError` for a language it does not know."""
        self._variant.write_text(f"language variant\nname {_SLOT}\n{speaker.variant}\n", encoding="utf-8")
        if self._lib.espeak_SetVoiceByName(f"{language}+{_SLOT}".encode()) != 0:
            raise DataError(f"espeak-ng has no voice {language!r}; `espeak-ng --voices` lists them")
        self._lib.espeak_SetParameter(_RATE, speaker.words_per_minute, 0)
        self._lib.espeak_SetParameter(_VOLUME, 60, 0)  # of 100, at which one speaker in eight is too loud and clips
        self._pcm, self._events = [], []
        encoded = text.encode("utf-8")
        self._lib.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _SYNTH, None, None)
        return np.concatenate([np.zeros(0, np.int16), *self._pcm]), self._events

    def ipa(self, text: str, language: str) -> list[str]:
        """The clauses of `text` in IPA with stress marks and ties (`^`). Raises `DataError` for an unknown language."""
        if self._lib.espeak_SetVoiceByName(language.encode()) != 0:
            raise DataError(f"espeak-ng has no voice {language!r}; `espeak-ng --voices` lists them")
        rest, clauses = c_char_p(text.encode("utf-8")), []
        while rest.value:
            if clause := self._lib.espeak_TextToPhonemes(ctypes.byref(rest), 1, _IPA_WITH_TIES):
                clauses.append(clause.decode("utf-8"))
        return clauses


def _mirror_data(source: Path, target: Path) -> Path:
    """The engine's data as links below `target`, with our slot as the only variant; returns the slot's path."""
    (target / "voices" / "!v").mkdir(parents=True)
    for entry in source.iterdir():
        if entry.name != "voices":
            try:
                os.symlink(entry, target / entry.name)
            except OSError:  # links need a privilege on some systems
                (shutil.copytree if entry.is_dir() else shutil.copy)(entry, target / entry.name)
    return target / "voices" / "!v" / _SLOT


def make_utterance(engine: Engine, text: str, language: str, speaker: Speaker, rng: random.Random) -> Spoken | None:
    """One utterance at 16 kHz with 0.15 to 0.5 s of silence before and after; `None` if it is mute or clips."""
    pcm, events = engine.speak(text, language, speaker)
    lead, tail = (int(rng.uniform(0.15, 0.5) * engine.rate_hz) for _ in range(2))
    spoken = len(pcm)
    while events and events[-1][0] == "":  # the engine's own final pause gives way to ours
        spoken = events.pop()[1]
    pcm = pcm[: spoken + engine.rate_hz // 50]
    if not events or spoken < engine.rate_hz // 10 or _clips(pcm):
        return None
    from scipy.signal import resample_poly  # here, as it takes a second to load and a text without sound never needs it

    pcm = np.pad(pcm, (lead, tail))
    events = [("", 0), *((name, at + lead) for name, at in events), ("", lead + spoken)]
    phones = phones_from_events(events, pcm, engine.rate_hz, speaker.words_per_minute, speaker.klatt, rng)
    common = int(np.gcd(engine.rate_hz, RATE_HZ))
    audio = resample_poly(pcm.astype(np.float32), RATE_HZ // common, engine.rate_hz // common)
    if _clips(audio):  # resampling may overshoot
        return None
    audio = np.pad(audio, (0, -len(audio) % (RATE_HZ // 100)))  # whole hundredths of a second survive rounding to JSON
    phones = [*phones[:-1], replace(phones[-1], end=len(audio) / RATE_HZ)]
    return Spoken(np.round(audio).astype(np.int16), phones, speaker.name, language, text)


def _clips(samples: np.ndarray) -> bool:
    return bool(np.abs(samples.astype(np.float32)).max() >= 32766.5)


def make_shard(engine: Engine, seed: int, shard: int, count: int, language: str = "") -> list[Spoken]:
    """`count` utterances, each by a voice of its own; of one language: held-out text. Clipped ones are drawn again."""
    rng = random.Random(f"speech-{seed}-{shard}")
    made: list[Spoken] = []
    for attempt in range(4 * count):
        tongue, text = held_out(language, rng) if language else draw_text(rng)
        speaker = draw_speaker(f"espeak-{seed}-{shard}-{attempt}", rng)
        if found := make_utterance(engine, text, tongue, speaker, rng):
            made.append(found)
        if len(made) == count:
            return made
    raise DataError(f"shard {shard} of seed {seed}: {len(made)} of {count} utterances came out; try another seed")


def say(engine: Engine, text: str, language: str, seed: int) -> Spoken:
    """`text` by a calm voice. Raises `DataError` if nothing can be heard of it."""
    rng = random.Random(f"say-{seed}")
    spoken = make_utterance(engine, text, language, calm_speaker(f"espeak-say-{seed}", rng), rng)
    if spoken is None:
        raise DataError(f"espeak-ng says nothing in {language!r} for {text!r}, or it clips; try another text or seed")
    return spoken


def perform(engine: Engine, script: Path, seed: int) -> list[Spoken]:
    """The lines of a script (`styled/voices.py`), in order; one that clips is said again, softer."""
    rng = random.Random(f"script-{seed}")
    made = []
    for line in json.loads(script.read_text("utf-8")):
        speaker = Speaker(line["name"], line["variant"], False, int(line["words_per_minute"]))
        spoken = make_utterance(engine, line["text"], line["language"], speaker, rng)
        if spoken is None:
            spoken = make_utterance(engine, line["text"] + ".", line["language"], _softer(speaker), rng)
        if spoken is None:
            raise DataError(f"espeak-ng says nothing for {line['text']!r}, or it clips; change the line")
        made.append(spoken)
    return made


def _softer(speaker: Speaker) -> Speaker:
    return replace(speaker, variant=f"{speaker.variant}\nvoicing 60\nconsonants 70 80")


def main() -> int:
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m distill.speech.espeak_worker", description=about)
    parser.add_argument("--out", type=Path, required=True, help="folder that the shard is written to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shard", type=int, default=0)
    parser.add_argument("--utterances", type=int, default=300)
    parser.add_argument("--say", metavar="TEXT", help="speak this instead of a shard")
    parser.add_argument("--language", default="", help="the engine's language tag; of a shard: only this")
    parser.add_argument("--ipa", type=Path, help="write IPA.json: the clauses of each (text, language) of this file")
    parser.add_argument("--script", type=Path, help="speak the lines of this JSON file instead of a shard")
    options = parser.parse_args()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="espeak-") as data:
            engine = Engine(Path(data))
            if options.ipa is not None:
                pairs = json.loads(options.ipa.read_text("utf-8"))
                atomic_write_text(options.out / "IPA.json", json.dumps([engine.ipa(*pair) for pair in pairs]))
            elif options.script is not None:
                said = perform(engine, options.script, options.seed)
                write_spoken(options.out / "script.npz", said, f"script-{options.seed}")
            elif options.say is not None:
                made = [say(engine, options.say, options.language or "en-us", options.seed)]
                write_spoken(options.out / "said.npz", made, f"say-{options.seed}")
            else:
                made = make_shard(engine, options.seed, options.shard, options.utterances, options.language)
                path = options.out / spoken_name(options.seed, options.shard, options.language)
                recipe = spoken_recipe(options.seed, options.shard, options.utterances, options.language)
                write_spoken(path, made, recipe)
    except EngineUnavailable as error:
        print(error, file=sys.stderr)
        return 3
    except (TinyfaceError, OSError) as error:
        print(error, file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    end_with_caller()
    sys.exit(main())

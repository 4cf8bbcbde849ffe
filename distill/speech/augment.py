"""What the world does to speech on its way to the microphone: room, noise, band limit, tilt, codec, level.

The label stays what the clean utterance shows (section 4.4.4: noise to the student, clean audio to the teacher).
espeak's closures are exact digital silence, a cue that no microphone delivers, so a noise floor is
nearly always added (95 %).
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy

from distill.files.disk import find_audio, load_mono
from sdk.clock import SAMPLE_RATE_HZ

_RING = SAMPLE_RATE_HZ // 2  # samples that a blow may ring
_PIECE = SAMPLE_RATE_HZ * 10
_TIMES_S = np.arange(_RING, dtype=np.float32) / SAMPLE_RATE_HZ


@dataclass
class Augment:
    """Random degradation of float32 segments; every draw comes from the generator given. Noises and rooms optional:
    without recordings, coloured noise and synthetic exponential rooms are used. struck: how often noise is that of
    things that are struck (`clatter`)."""

    noises: list[np.ndarray] = field(default_factory=list)
    rooms: list[np.ndarray] = field(default_factory=list)
    strength: float = 1.0
    struck: float = 0.2

    @classmethod
    def from_folders(cls, noise: Path | None, rooms: Path | None, strength: float = 1.0) -> Augment:
        """Noises (at least a second) and room responses from sound files below two folders, but for those that are
        held out to score in; where all of a folder are, it is kept whole. A long recording is as many noises as it
        has tens of seconds, so that minutes of a street are drawn more often than one bark."""
        noises = [piece for sound in map(load_mono, _to_train_in(noise)) for piece in _pieces(sound)]
        responses = [trim_room(r) for r in map(load_mono, _to_train_in(rooms)) if r.any()]
        return cls(noises, responses, strength)

    @property
    def digest(self) -> str:
        """SHA-256 of all it may draw from, and how strongly."""
        found = hashlib.sha256(f"{self.strength:g} {self.struck:g} {len(self.noises)} {len(self.rooms)}".encode())
        for sound in (*self.noises, *self.rooms):
            found.update(np.ascontiguousarray(sound).data)
        return found.hexdigest()

    def __call__(self, speech: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """A degraded copy of `speech` `(n,)` float32 with the same timing."""
        chance = lambda p: random.random() < p * self.strength  # noqa: E731
        out = speech.astype(np.float32, copy=True)
        if chance(0.40):
            out = self._room(out, random)
        if chance(0.40):
            out = _tilt(out, random)
        if chance(0.50):
            out = self._noise(out, random, random.uniform(0, 30))
        if chance(0.15):
            out = _band_limit(out, random)
        if chance(0.12):
            out = _mu_law(out)
        level_db = random.uniform(-24, 6) if random.random() < 0.6 else random.uniform(-54, -24)
        out = out * np.float32(10 ** (level_db / 20) / max(np.abs(out).max(), 1e-3))
        if chance(0.95):  # the floor of any microphone; now and then none, for engines that play exact silence
            floor_db = min(random.uniform(-80, -50), level_db - 30)
            out = out + _white(len(out), random, 10 ** (floor_db / 20))
        if chance(0.1):
            out = out + np.float32(random.uniform(-0.1, 0.1))  # a constant offset of a cheap sound card
        return np.asarray(np.clip(out, -1, 1), np.float32)

    def _room(self, speech: np.ndarray, random: np.random.Generator) -> np.ndarray:
        if self.rooms and random.random() < 0.4:
            response = self.rooms[random.integers(len(self.rooms))]
        else:
            response = made_up_room(random)
        return np.asarray(scipy.signal.oaconvolve(speech, response)[: len(speech)], np.float32)

    def noise(self, count: int, random: np.random.Generator) -> np.ndarray:
        """`count` samples float32 of noise alone, at any level."""
        noise = self._some_noise(count, random)
        peak = 10 ** (random.uniform(-60, -3) / 20) / max(float(np.abs(noise).max()), 1e-9)
        return noise * np.float32(peak) + _white(count, random, 10 ** (random.uniform(-80, -50) / 20))

    def _noise(self, speech: np.ndarray, random: np.random.Generator, snr_db: float) -> np.ndarray:
        return add_noise(speech, self._some_noise(len(speech), random), snr_db)

    def _some_noise(self, count: int, random: np.random.Generator) -> np.ndarray:
        if self.struck and random.random() < self.struck:
            return clatter(count, random)
        if self.noises and random.random() < 0.7:
            source = self.noises[random.integers(len(self.noises))]
            return np.resize(np.roll(source, -random.integers(len(source))), count)
        pole = random.choice([0.0, 0.9, 0.98])
        poles = np.array([1.0, -pole], np.float32)  # float32 as the noise is
        coloured = scipy.signal.lfilter(np.ones(1, np.float32), poles, _white(count, random))
        return np.asarray(coloured, np.float32)


def _white(count: int, random: np.random.Generator, deviation: float = 1.0) -> np.ndarray:
    """`count` normal samples float32: drawn and kept so they cost half of what float64 does, and most of a batch is
    noise of one kind or another."""
    return random.standard_normal(count, np.float32) * np.float32(deviation)


def clatter(count: int, random: np.random.Generator) -> np.ndarray:
    """`count` samples float32 of things that are struck: dishes, keys, doors. Recordings of them are few, and no two
    sets of dishes ring alike. Each blow is one to six damped tones of 150 Hz to 7 kHz with a click of noise before
    them; blows come one to twelve a second, singly or in runs."""
    out = np.zeros(count + _RING, dtype=np.float32)
    gap_s = 1 / np.exp(random.uniform(0, np.log(12)))
    at = random.exponential(gap_s) * SAMPLE_RATE_HZ
    while at < count:
        tones_hz = np.exp(random.uniform(np.log(150), np.log(7000), random.integers(1, 7)))
        decay_s = np.exp(random.uniform(np.log(0.004), np.log(0.12))) * (tones_hz / 1000) ** -0.4
        phases, levels = random.uniform(0, 6.28, len(tones_hz)), random.uniform(0.2, 1, len(tones_hz))
        blow = np.zeros(min(int(7 * decay_s.max() * SAMPLE_RATE_HZ) + 160, _RING), np.float32)
        for tone_hz, tone_s, phase, level in zip(tones_hz, decay_s, phases, levels, strict=True):
            time_s = _TIMES_S[: min(int(7 * tone_s * SAMPLE_RATE_HZ) + 160, len(blow))]  # a thousandth is left then
            ring = np.sin(np.float32(2 * np.pi * tone_hz) * time_s + np.float32(phase))
            blow[: len(time_s)] += np.float32(level) * ring * np.exp(time_s * np.float32(-1 / tone_s))
        click = int(random.uniform(0.0005, 0.01) * SAMPLE_RATE_HZ)
        blow[:click] += _white(click, random, random.uniform(0, 1))
        out[int(at) : int(at) + len(blow)] += np.float32(np.exp(random.normal(0, 0.8))) * blow
        at += random.exponential(gap_s) * SAMPLE_RATE_HZ + 1
    return out[:count]


def held_out_noise(name: str) -> bool:
    """Whether a recording of noise, or of a room, is one that no training hears, by its file's name: a fifth of them.

    Cuts of one recording, which ESC-50 tells by a letter (`3-155642-B.ogg`, `3-155642-B-11.wav`), go together.
    """
    return zlib.crc32(re.sub(r"-[A-Z](-\d+)?$", "", Path(name).stem).encode()) % 5 == 0


def _to_train_in(folder: Path | None) -> list[Path]:
    paths = find_audio(folder) if folder else []
    return [path for path in paths if not held_out_noise(path.name)] or paths


def _pieces(noise: np.ndarray) -> list[np.ndarray]:
    """`noise` in parts of `_PIECE` samples or more, each less than twice as long; none of what is under a second."""
    return np.array_split(noise, max(len(noise) // _PIECE, 1)) if len(noise) >= SAMPLE_RATE_HZ else []


def add_noise(speech: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """`speech` plus `noise` `(n,)` scaled to `snr_db` over the segment's mean power; unchanged if either is silent."""
    power, noise_power = float(np.mean(speech**2)), float(np.mean(noise**2))
    if power < 1e-10 or noise_power < 1e-12:
        return speech
    scale = np.sqrt(power / (noise_power * 10 ** (snr_db / 10)))
    return (speech + scale * noise).astype(np.float32)


def made_up_room(random: np.random.Generator) -> np.ndarray:
    """A room's response, its direct sound 1: noise that dies away (Polack's model) in an RT60 of 0.15 to 1 s, duller
    than the voice, from the first reflection on (0.5 to 8 ms); its energy 12 dB below the direct sound's to 6 above."""
    rt60 = random.uniform(0.15, 1.0)
    time = np.arange(int(min(rt60, 0.6) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = random.normal(0, 1, len(time)) * np.exp(-3 * np.log(10) * time / rt60)
    tail[: int(random.uniform(0.0005, 0.008) * SAMPLE_RATE_HZ) + 1] = 0
    pole = random.uniform(0, 0.7)
    tail = scipy.signal.lfilter([1 - pole], [1, -pole], tail)
    tail *= np.sqrt(10 ** (random.uniform(-12, 6) / 10) / np.sum(tail**2))
    tail[0] = 1.0
    return np.asarray(tail, np.float32)


def trim_room(response: np.ndarray) -> np.ndarray:
    """A room response from its direct sound on, that sound at 1, half a second long: the timing of speech is kept."""
    peak = int(np.abs(response).argmax())
    cut = response[peak : peak + SAMPLE_RATE_HZ // 2]
    return np.asarray(cut / cut[0], dtype=np.float32)


def _tilt(speech: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A random first-order spectral tilt and one random resonance or dip."""
    speech = scipy.signal.lfilter([1.0, random.uniform(-0.7, 0.5)], [1.0], speech)
    centre, width = random.uniform(200, 6000), random.uniform(0.3, 1.0)
    low, high = centre * 2 ** (-width), min(centre * 2**width, 7600.0)
    band = _filtered(speech, 1, [low, high], "bandpass")
    return (speech + random.uniform(-0.7, 1.5) * band).astype(np.float32)


def _band_limit(speech: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A telephone (300 to 3400 Hz) or an 8 kHz recording (below 3800 Hz)."""
    telephone = random.random() < 0.4
    edges, kind = ([300.0, 3400.0], "bandpass") if telephone else (3800.0, "lowpass")
    return _filtered(speech, 4, edges, kind).astype(np.float32)


def _filtered(speech: np.ndarray, order: int, edges_hz: float | list[float], kind: str) -> np.ndarray:
    """`speech` through a Butterworth filter."""
    sections = scipy.signal.butter(order, edges_hz, kind, fs=SAMPLE_RATE_HZ, output="sos")
    return np.asarray(scipy.signal.sosfilt(sections, speech))


def _mu_law(speech: np.ndarray) -> np.ndarray:
    """G.711-style companding to 8 bits and back."""
    peak = max(float(np.abs(speech).max()), 1e-6)
    code = np.round(np.log1p(np.abs(speech) * np.float32(255 / peak)) * np.float32(127 / np.log(256)))
    level = np.expm1(code * np.float32(np.log(256) / 127)) * np.float32(peak / 255)
    return np.asarray(np.copysign(level, speech), np.float32)

"""Room responses made by pyroomacoustics: boxes of any size, a talker and a microphone somewhere in them.

Image sources with their places shaken a little (De Sena et al. 2015: without it boxes flutter as no room does), walls
that give the reverberation time by Sabine's formula, absorption of air. Few recorded responses are free to train on,
and a student that hears the same ten learns those ten; noise that dies away (`augment.made_up_room`) has no distinct
early reflections.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from distill.files.disk import atomic_open
from sdk.clock import SAMPLE_RATE_HZ
from sdk.errors import DataError, EngineUnavailable, pip_install

LEAST_M, MOST_M = (2.5, 2.5, 2.3), (9.0, 7.0, 3.6)  # sides of a room: length, width, height
RT60_S = (0.15, 0.9)
DISTANCE_M = (0.3, 4.0)  # from mouth to microphone, evenly in its logarithm
FROM_WALL_M = (0.4, 0.2)  # of the microphone, of the mouth
MOST_REFLECTIONS = 25
LONGEST_S = 1.0


def make_rooms(out: Path, count: int, seed: int) -> list[Path]:
    """`count` responses `shoebox-SEED-NNN.wav` below `out`, 16 kHz float32 mono, peak 1; those that are there stay.

    The same for the same seed. Raises `EngineUnavailable` without pyroomacoustics, `DataError` for no rooms.
    """
    if count < 1:
        raise DataError(f"count is {count}; make at least one room")
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"shoebox-{seed}-{i:03d}.wav" for i in range(count)]
    for i, path in enumerate(paths):
        if not path.exists():
            response = room_response(np.random.default_rng([seed, i]))
            with atomic_open(path) as file:
                wavfile.write(file, SAMPLE_RATE_HZ, response)
    return paths


def room_response(random: np.random.Generator) -> np.ndarray:
    """The response `(n,)` float32 of one room, at most `LONGEST_S` long, its peak at 1."""
    try:
        import pyroomacoustics
    except ImportError as error:
        raise EngineUnavailable(f"pyroomacoustics is not installed; {pip_install('rooms')}") from error
    while True:
        sides = random.uniform(LEAST_M, MOST_M)
        rt60 = random.uniform(*RT60_S)
        microphone = random.uniform(FROM_WALL_M[0], sides - FROM_WALL_M[0])
        mouth = microphone + math.exp(random.uniform(*np.log(DISTANCE_M))) * _direction(random)
        try:
            absorption, order = pyroomacoustics.inverse_sabine(rt60, sides)
        except ValueError:  # a room of that size cannot be so dry
            continue
        if (mouth >= FROM_WALL_M[1]).all() and (mouth <= sides - FROM_WALL_M[1]).all():
            break
    pyroomacoustics.random.seed(int(random.integers(2**31)))
    room = pyroomacoustics.ShoeBox(
        sides, fs=SAMPLE_RATE_HZ, materials=pyroomacoustics.Material(absorption),
        max_order=min(order, MOST_REFLECTIONS), air_absorption=True, use_rand_ism=True,
    )  # fmt: skip
    room.add_source(mouth)
    room.add_microphone(microphone)
    room.compute_rir()
    response = room.rir[0][0][: int(LONGEST_S * SAMPLE_RATE_HZ)]
    return np.asarray(response / np.abs(response).max(), np.float32)


def _direction(random: np.random.Generator) -> np.ndarray:
    """A unit vector, nearer to level than to upright, as people and microphones are."""
    vector = random.normal(size=3) * (1.0, 1.0, 0.3)
    return np.asarray(vector / np.linalg.norm(vector))

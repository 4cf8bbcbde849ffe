"""A style is named by the manifest and set in the state, whatever runs it: no runtime is asked here."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import sdk
from sdk.cli.shared import add_face_options, performance_of, strengths
from sdk.errors import ConfigError, ManifestError
from sdk.manifest import SCHEMA, Manifest
from sdk.voices import strengths_of

# in no alphabetical order, as the styles of s7 are in none: a vector of strengths follows the names of the file
FACTS = Manifest(
    SCHEMA, "toy", "stream", "executorch", "xnnpack", "fp32", 16000, 320, 0, [[1, 1, 1], [2, 1, 1]], 0, [30, 1], [],
    "zeros", ["jawOpen", "browDownLeft"], [0, 0], [1, 1], [0, 0], 1, "", {}, {"styles": ["sadness", "anger"]}, {},
)  # fmt: skip


class Toy:
    """A stream engine whose values are the style that it is in."""

    manifest = FACTS

    def start(self, voices: int) -> tuple[np.ndarray, ...]:
        return tuple(np.zeros((voices, *shape), np.float32) for shape in FACTS.state)

    def step(self, hops: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        return state[-1].reshape(len(hops), 2), state


def test_a_style_is_spoken_from_the_next_hop_on_and_kept_by_a_reset() -> None:
    voice: Any = sdk.FramePredictor(Toy())  # type: ignore[arg-type]
    second = np.zeros(16000, np.float32)
    assert voice.styles == ("sadness", "anger")
    assert not np.any([frame.values for frame in voice.push(second)])
    voice.style(anger=0.5)
    np.testing.assert_array_equal(voice.push(second)[-1].values, [0, 0.5])
    voice.reset()
    np.testing.assert_array_equal(voice.push(second)[0].values, [0, 0.5])
    voice.style()
    assert not np.any(voice.push(second)[-1].values)
    for wrong, message in (({"joy": 1.0}, "there are: sadness, anger"), ({"anger": float("nan")}, "-2 to 2")):
        with pytest.raises(ConfigError, match=message):
            voice.style(**wrong)


def test_a_style_worn_since_goes_with_what_is_gone_back_from() -> None:
    voice: Any = sdk.FramePredictor(Toy())  # type: ignore[arg-type]
    second = np.zeros(16000, np.float32)
    voice.style(anger=0.5)
    voice.push(second)
    before = voice.snapshot()
    voice.style(sadness=1.0)
    voice.push(second)
    voice.restore(before)
    np.testing.assert_array_equal(voice.push(second)[-1].values, [0, 0.5])
    voice.reset()
    np.testing.assert_array_equal(voice.push(second)[-1].values, [0, 0.5])


def test_the_command_line_wears_a_style() -> None:
    parser = argparse.ArgumentParser()
    add_face_options(parser)
    options = parser.parse_args(["--style", "anger=0.5", "--style", "sadness=0.25", "--rest", "0"])
    act = performance_of(options, Toy(), 16000)  # type: ignore[arg-type]
    np.testing.assert_array_equal(act.push(np.zeros(16000, np.float32))[-1].values, [0.25, 0.5])
    with pytest.raises(ConfigError, match="give a name and a strength"):
        strengths(["anger"])


def test_strengths_stand_in_the_order_of_the_file() -> None:
    found = strengths_of(("happiness", "anger", "sadness"), {"anger": 0.5, "happiness": 1.0})
    np.testing.assert_array_equal(found, [1.0, 0.5, 0.0])


@pytest.mark.parametrize("names", [["anger"], "anger", ["a", "a"], [1, 2]])
def test_names_must_fit_the_state(names: object) -> None:
    with pytest.raises(ManifestError, match="not names for its last state"):
        assert replace(FACTS, training={"styles": names}).styles

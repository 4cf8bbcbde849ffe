"""Proof that a file with styles says what its student says, in neutral and in every style, hop by hop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distill.students.styled import StyledStream
from export.load.golden import golden_speech
from export.verify.proof import tolerance
from sdk.artifact import open_artifact
from sdk.engines import open_engine
from sdk.engines.base import EngineState
from sdk.engines.eager import EagerStreamEngine
from sdk.errors import EngineUnavailable, VerificationError
from sdk.native import NativeModel, NativePredictor
from sdk.predictor import FramePredictor
from sdk.tools.threads import one_thread

_SECONDS = 0.8


def verify_styles(folder: Path, styled: StyledStream, said: Callable[[str], None]) -> dict[str, Any]:
    """How far each `model.*` of `folder` is from the student. Raises `VerificationError` for one that is too far."""
    allowed = tolerance(styled.neutral)
    found: dict[str, Any] = {"tolerance": allowed, "max_abs_error": {}}
    for path in sorted(folder.glob("model.p*")):
        try:
            apart = furthest(path, styled)
        except EngineUnavailable as error:
            said(f"      {path.name}: not verified: {error}")
            found |= {"verified": False, "why": str(error)}
            continue
        if not apart <= allowed:  # NaN is not above it either
            raise VerificationError(f"{path.name} says other than the student: values differ by {apart:.2g}")
        said(f"      {path.name}: off by {apart:.1e} at most on golden speech, in neutral and in every style")
        found["max_abs_error"][path.name] = apart
    return found


def furthest(path: Path, styled: StyledStream) -> float:
    """The largest difference of a file's values from the student's, on golden speech in neutral and in every style.

    Raises `EngineUnavailable` for a file of our own kernels where there is no native library.
    """
    found = open_artifact(path).manifest
    if found.backend == "tinyface":
        model = NativeModel(path)
        play = _player(lambda: NativePredictor(model))
    else:
        engine = open_engine(path, trusted=True)
        play = _player(lambda: FramePredictor(engine))
    wanted = EagerStreamEngine(found, _step(styled))
    judge = _player(lambda: FramePredictor(wanted))
    audio = golden_speech(_SECONDS)
    asked: list[dict[str, float]] = [{}, *({name: 1.0} for name in found.styles)]
    return float(np.max([np.abs(play(audio, style) - judge(audio, style)).max() for style in asked]))  # NaN stays NaN


Play = Callable[[np.ndarray, Mapping[str, float]], np.ndarray]


def _player(begin: Callable[[], FramePredictor | NativePredictor]) -> Play:
    def play(audio: np.ndarray, style: Mapping[str, float]) -> np.ndarray:
        voice = begin()
        voice.style(**style)
        return np.stack([frame.values for frame in voice.push(audio)])

    return play


def _step(styled: StyledStream) -> Callable[[np.ndarray, EngineState], tuple[np.ndarray, EngineState]]:
    def step(hops: np.ndarray, state: EngineState) -> tuple[np.ndarray, EngineState]:
        with torch.inference_mode(), one_thread():  # a hop is too little to share
            values, after = styled.step(torch.from_numpy(hops)[:, None], tuple(map(torch.from_numpy, state)))
        return values.numpy(), tuple(tensor.numpy() for tensor in after)

    return step

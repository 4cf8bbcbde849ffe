"""A stream student with styles -> sealed `.pte` that every player of ours plays and styles, float32 or int8.

    python -m export.styled --checkpoint checkpoints/s7.pt --styles checkpoints/s7.styles --out build/s7-styled
    python -m export.styled ... --backend tinyface --precision int8    # our own kernels: the C library alone, the page

    voice = sdk.FramePredictor(sdk.open("build/s7-styled/model.pte"))
    voice.style(anger=0.7)                       # from the next hop on; voice.style() is neutral again

For XNNPACK in float32 a TorchScript `.pt` lies beside it. In int8 the student is its twin, and styles stay in float.
A file is played hop by hop against the student before it is kept, in neutral and in every style; one for our own
kernels by the native library, where there is one.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from distill.files.checkpoint import Checkpoint
from distill.files.disk import atomic_open, check_writable
from distill.files.styles import load_styles
from distill.students.stream import StreamStudent
from distill.students.styled import StyledStream
from export.deliver.manifest import manifest
from export.load.golden import golden_speech
from export.lower.deploy_styled import DeployedStyled
from export.lower.kernels import lower_kernels
from export.lower.program import export_program, lower, quiet
from export.quantise.precision import Point, float_point, points
from export.verify.proof import tolerance
from sdk.artifact import open_artifact, seal
from sdk.engines import open_engine
from sdk.engines.base import EngineState
from sdk.engines.eager import EagerStreamEngine
from sdk.errors import ConfigError, EngineUnavailable, VerificationError
from sdk.manifest import STYLES, Manifest
from sdk.native import NativeModel, NativePredictor
from sdk.predictor import FramePredictor
from sdk.tools.command import ending

BACKENDS = ("xnnpack", "tinyface")
_SECONDS = 0.8


def programs(
    checkpoint: Checkpoint, styled: StyledStream, backend: str = "xnnpack", point: Point | None = None
) -> dict[str, bytes]:
    """The sealed files by their names. point: whose student `styled` has, the checkpoint itself if None. Raises
    `VerificationError` for a layer that the backend does not have."""
    if backend not in BACKENDS:
        raise ConfigError(f"styles are not lowered for {backend}; for: {', '.join(BACKENDS)}")
    point = point or float_point(checkpoint)
    if backend == "tinyface":
        return {
            "model.pte": seal(lower_kernels(styled).program, facts(checkpoint, styled, "executorch", backend, point))
        }
    deployed = DeployedStyled(styled).eval()
    lowered = lower({"forward": export_program(deployed, deployed.inputs(1))})
    made = {"model.pte": seal(lowered.program, facts(checkpoint, styled, "executorch", backend, point))}
    if point.precision != "fp32":  # its integers are operators of the delegate's
        return made
    buffer = io.BytesIO()
    with quiet(), torch.no_grad():
        traced = torch.jit.trace(deployed, deployed.inputs(2), check_trace=False)
        torch.jit.save(torch.jit.freeze(traced), buffer)
    return {**made, "model.pt": seal(buffer.getvalue(), facts(checkpoint, styled, "torchscript", "cpu", point))}


def facts(checkpoint: Checkpoint, styled: StyledStream, runtime: str, backend: str, point: Point) -> Manifest:
    """The neutral student's manifest with a state more, and the styles' names. Its scores are of the neutral face."""
    plain = manifest(checkpoint, point, runtime, backend, has_crowd=backend == "tinyface")
    names = list(styled.head.spec.styles)
    return replace(
        plain,
        state=[*plain.state, [len(names), 1, 1]],
        parameters=plain.parameters + sum(value.numel() for value in styled.head.parameters()),
        training={**plain.training, STYLES: names},
    )


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
    return max(float(np.abs(play(audio, style) - judge(audio, style)).max()) for style in asked)


Play = Callable[[np.ndarray, Mapping[str, float]], np.ndarray]


def _player(begin: Callable[[], FramePredictor | NativePredictor]) -> Play:
    def play(audio: np.ndarray, style: Mapping[str, float]) -> np.ndarray:
        voice = begin()
        voice.style(**style)
        return np.stack([frame.values for frame in voice.push(audio)])

    return play


def _step(styled: StyledStream) -> Callable[[np.ndarray, EngineState], tuple[np.ndarray, EngineState]]:
    def step(hops: np.ndarray, state: EngineState) -> tuple[np.ndarray, EngineState]:
        with torch.inference_mode():
            values, after = styled.step(torch.from_numpy(hops)[:, None], tuple(map(torch.from_numpy, state)))
        return values.numpy(), tuple(tensor.numpy() for tensor in after)

    return step


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.styled", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="the neutral stream student")
    parser.add_argument("--styles", type=Path, required=True, help="what distill.recipes.styled_student wrote for it")
    parser.add_argument("--out", type=Path, required=True, help="folder for model.pte, and model.pt in float32")
    parser.add_argument("--backend", choices=BACKENDS, default="xnnpack")
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32")
    options = parser.parse_args(arguments)
    with ending(named=True) as end:
        check_writable(options.out / "model.pte")
        checkpoint = Checkpoint.load(options.checkpoint)
        styled = load_styles(options.styles, checkpoint)
        (point,) = points(options.checkpoint, checkpoint, options.precision)
        assert isinstance(point.student, StreamStudent)
        styled = StyledStream(point.student, styled.head).eval()
        made = programs(checkpoint, styled, options.backend, point)
        allowed = tolerance(point.student)
        with tempfile.TemporaryDirectory() as folder:
            for name, sealed in made.items():
                (Path(folder) / name).write_bytes(sealed)
                print(f"{options.out / name}: {len(sealed):,} bytes, {_checked(Path(folder) / name, styled, allowed)}")
        for name, sealed in made.items():
            with atomic_open(options.out / name) as stream:
                stream.write(sealed)
    return end.status


def _checked(path: Path, styled: StyledStream, allowed: float) -> str:
    try:
        apart = furthest(path, styled)
    except EngineUnavailable as error:
        return f"not verified: {error}"
    if apart > allowed:
        raise VerificationError(f"{path.name} says other than the student: values differ by {apart:.2g}")
    return f"off by {apart:.1e} at most on golden speech"


if __name__ == "__main__":
    raise SystemExit(main())

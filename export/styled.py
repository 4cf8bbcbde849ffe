"""A stream student with styles -> sealed `.pte` (XNNPACK, float32) and `.pt`, which FramePredictor plays and styles.

    python -m export.styled --checkpoint checkpoints/s7.pt --styles build/s7.styles --out build/s7-styled

    voice = sdk.FramePredictor(sdk.open("build/s7-styled/model.pte"))
    voice.style(anger=0.7)                       # from the next hop on; voice.style() is neutral again

Both files are played hop by hop against the student before they are kept, in neutral and in every style.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from distill.files.checkpoint import Checkpoint
from distill.files.disk import atomic_open, check_writable
from distill.files.styles import load_styles
from distill.students.styled import StyledStream
from export.deliver.manifest import manifest
from export.load.golden import golden_speech
from export.lower.deploy_styled import DeployedStyled
from export.lower.program import export_program, lower, quiet
from export.quantise.precision import float_point
from sdk.artifact import seal
from sdk.engines import open_engine
from sdk.engines.base import StreamEngine
from sdk.errors import VerificationError
from sdk.manifest import STYLES, Manifest
from sdk.tools.command import ending

_CLOSE = 1e-3
_HOPS = 40


def programs(checkpoint: Checkpoint, styled: StyledStream) -> dict[str, bytes]:
    """The sealed files by their names. Raises `VerificationError` if the program is not all of one delegate."""
    deployed = DeployedStyled(styled).eval()
    inputs = deployed.inputs(1)
    lowered = lower({"forward": export_program(deployed, inputs)})
    buffer = io.BytesIO()
    with quiet(), torch.no_grad():
        traced = torch.jit.trace(deployed, deployed.inputs(2), check_trace=False)
        torch.jit.save(torch.jit.freeze(traced), buffer)
    return {
        "model.pte": seal(lowered.program, facts(checkpoint, styled, "executorch", "xnnpack")),
        "model.pt": seal(buffer.getvalue(), facts(checkpoint, styled, "torchscript", "cpu")),
    }


def facts(checkpoint: Checkpoint, styled: StyledStream, runtime: str, backend: str) -> Manifest:
    """The neutral student's manifest with a state more, and the styles' names."""
    plain = manifest(checkpoint, float_point(checkpoint), runtime, backend, has_crowd=False)
    names = list(styled.head.spec.styles)
    return replace(
        plain,
        state=[*plain.state, [len(names), 1, 1]],
        parameters=plain.parameters + sum(value.numel() for value in styled.head.parameters()),
        training={**plain.training, STYLES: names},
    )


def furthest(path: Path, styled: StyledStream) -> float:
    """The largest difference of a file's values from the student's, on golden speech in neutral and in every style."""
    engine = open_engine(path, trusted=True)
    assert isinstance(engine, StreamEngine)
    hops = golden_speech(_HOPS * 320 / 16000)[: _HOPS * 320].reshape(-1, 1, 320)
    worst = 0.0
    for style in torch.cat([torch.zeros(1, len(styled.head.spec.styles)), torch.eye(len(styled.head.spec.styles))]):
        ours, theirs = styled.initial_state(), engine.start(1)
        shaped = style.reshape(1, -1, 1, 1)
        ours, theirs = (*ours[:-1], shaped), (*theirs[:-1], shaped.numpy())
        for hop in hops:
            with torch.inference_mode():
                wanted, ours = styled.step(torch.from_numpy(hop[None]), ours)
            found, theirs = engine.step(np.ascontiguousarray(hop), theirs)
            worst = max(worst, float(np.abs(found - wanted.numpy()).max()))
        if not np.array_equal(theirs[-1], shaped.numpy()):
            raise VerificationError(f"{path}: the style does not come back as it went in")
    return worst


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.styled", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="the neutral stream student")
    parser.add_argument("--styles", type=Path, required=True, help="what distill.recipes.styled_student wrote for it")
    parser.add_argument("--out", type=Path, required=True, help="folder for model.pte and model.pt")
    options = parser.parse_args(arguments)
    with ending(named=True) as end:
        check_writable(options.out / "model.pte")
        checkpoint = Checkpoint.load(options.checkpoint)
        styled = load_styles(options.styles, checkpoint)
        made = programs(checkpoint, styled)
        with tempfile.TemporaryDirectory() as folder:
            for name, sealed in made.items():
                (Path(folder) / name).write_bytes(sealed)
                if (apart := furthest(Path(folder) / name, styled)) > _CLOSE:
                    raise VerificationError(f"{name} says other than the student: values differ by {apart:.2g}")
                print(f"{options.out / name}: {len(sealed):,} bytes, off by {apart:.1e} at most on golden speech")
        for name, sealed in made.items():
            with atomic_open(options.out / name) as stream:
                stream.write(sealed)
    return end.status


if __name__ == "__main__":
    raise SystemExit(main())

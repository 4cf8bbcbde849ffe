"""What an artefact says about itself, from the checkpoint and the point that it is made of."""

from __future__ import annotations

from distill.files.checkpoint import Checkpoint
from distill.students.spec import Student
from distill.students.stream import StreamStudent
from export.load.versions import versions
from export.lower.deploy_stream import CROWD_VOICES
from export.quantise.precision import Point
from sdk.clock import SAMPLE_RATE_HZ
from sdk.manifest import SCHEMA as MANIFEST_SCHEMA
from sdk.manifest import Manifest


def manifest(
    checkpoint: Checkpoint, point: Point, runtime: str, backend: str, has_crowd: bool = True, verified: str = ""
) -> Manifest:
    """Everything that a player needs, and how the artefact came to be. has_crowd: of a stream program, whether it has
    that method. verified: what is to be said of an artefact that could not be run where it was made."""
    layout, state = checkpoint.layout, _state_shapes(point.student)
    return Manifest(
        schema=MANIFEST_SCHEMA,
        student=checkpoint.spec.name,
        kind="stream" if state else "window",
        runtime=runtime,
        backend=backend,
        precision=point.precision,
        sample_rate_hz=SAMPLE_RATE_HZ,
        window_samples=checkpoint.spec.input_samples,
        future_samples=checkpoint.spec.future_samples,
        state=state,
        crowd_voices=CROWD_VOICES if state and has_crowd else 0,
        fps=list(checkpoint.spec.fps),
        ensemble=list(checkpoint.spec.ensemble),
        history="zeros",
        names=list(layout.names),
        minimum=list(layout.minimum),
        maximum=list(layout.maximum),
        neutral=list(layout.neutral),
        parameters=checkpoint.parameters,
        weights_sha256=point.weights_sha256,
        tools=versions() | ({"verified": verified} if verified else {}),
        training=point.training,
        scores=point.scores,
    )


def _state_shapes(student: Student) -> list[list[int]]:
    """Of one voice; none for a window student."""
    if not isinstance(student, StreamStudent):
        return []
    return [list(tensor.shape[1:]) for tensor in student.initial_state()]

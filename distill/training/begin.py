"""How a run begins: first weights, the share of the rate that each of them learns at, and what it learns from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from distill.corpus.shards import Shard, digest_of
from distill.corpus.styled.clips import Clip
from distill.files.checkpoint import Checkpoint
from distill.files.teacher import Trained
from distill.speech.augment import Augment
from distill.students.spec import StreamStudentSpec, StudentSpec
from distill.students.stream import Spectrum, StreamStudent
from sdk.errors import CheckpointError

LAST_SHARE = 0.1
_KEPT = ("spectrum", "future_ms", "context", "separable", "activation", "rig", "fps")  # as a student grows


def initialise(student: nn.Module, seed: int) -> None:
    """He initialisation, small last layer: with torch's default a net this deep barely depends on its input."""
    torch.manual_seed(seed)
    spectra = []
    for module in student.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, Spectrum):
            spectra.append(module)
    for spectrum in spectra:
        spectrum.initialise()
    nn.init.normal_(student.fc3.weight, std=0.002)  # type: ignore[union-attr,arg-type]


def grown(state: Mapping[str, Tensor], small: StudentSpec, spec: StudentSpec, seed: int) -> dict[str, Tensor]:
    """The weights of a larger stream student that says what `state` of `small` does (Net2Net, Chen et al. 2016).

    Every channel becomes `r` equal ones side by side, within its group; what reads them splits each weight into `r`
    random shares, so what comes out does not change, but each copy learns otherwise. Blocks behind those of `small`
    begin with a norm of 0 and add nothing. Raises `CheckpointError` unless both are stream students of one spectrum,
    front and delay, the widths of `spec` are multiples, and its blocks begin with those of `small`.
    """
    if not isinstance(small, StreamStudentSpec) or not isinstance(spec, StreamStudentSpec) or small.separable:
        raise CheckpointError(
            f"{spec.name} cannot begin as {small.name}: give a checkpoint of the same shape; only stream students grow"
        )
    differ = [name for name in _KEPT if getattr(small, name) != getattr(spec, name)]
    if [layer[1:] for layer in small.front] != [layer[1:] for layer in spec.front]:
        differ.append("front")
    if small.dilations != spec.dilations[: len(small.dilations)]:
        differ.append("dilations")
    if differ:
        raise CheckpointError(
            f"{spec.name} cannot begin as {small.name}: they differ by {', '.join(differ)}; give a checkpoint of "
            "the same shape, or of a stream student with fewer channels or blocks"
        )
    student = spec.build()
    initialise(student, seed)
    assert isinstance(student, StreamStudent)
    for block in student.blocks[len(small.dilations) :]:
        nn.init.zeros_(block.norm.weight)  # type: ignore[union-attr, arg-type]
    fresh = student.state_dict()
    old = {name: _spread(value.float(), fresh[name].shape, f"{spec.name}'s {name}") for name, value in state.items()}
    return fresh | old


def _spread(value: Tensor, shape: torch.Size, what: str) -> Tensor:
    """`value` in a larger `shape`: outputs repeated, inputs repeated and shared out."""
    ratios = [new // max(old, 1) for old, new in zip(value.shape, shape, strict=True)]
    if any(old * ratio != new for old, ratio, new in zip(value.shape, ratios, shape, strict=True)):
        raise CheckpointError(f"{what} of {tuple(shape)} is no multiple of {tuple(value.shape)}")
    value = value.repeat_interleave(ratios[0], 0)
    if value.dim() < 2 or ratios[1] == 1:
        return value
    shares = 0.5 + torch.rand(*value.shape[:2], ratios[1], *value.shape[2:])
    return (value[:, :, None] * (shares / shares.sum(2, keepdim=True))).flatten(1, 2)


def groups(student: nn.Module) -> list[dict[str, Any]]:
    """Parameters for an optimiser, each group with its `share` of the rate.

    Adam's steps are as large as the rate whatever a weight's size is. The last layer speaks in rig units, where a
    channel moves by 0.05: steps that suit the layers before it would shake what it says.
    """
    last = [weight for name, weight in student.named_parameters() if name.startswith("fc3.")]
    rest = [w for name, w in student.named_parameters() if not name.startswith("fc3.") and w.requires_grad]
    return [{"params": rest, "share": 1.0}, *([{"params": last, "share": LAST_SHARE}] if last else [])]


def inputs_of(
    shards: Sequence[Shard],
    augment: Augment | None,
    init: Checkpoint | Trained[Any] | None = None,
    second: Checkpoint | None = None,
) -> dict[str, str]:
    """What a run over a corpus follows from beside its plan, each by a digest."""
    corpus = hashlib.sha256("".join(f"{shard.path.name} {shard.digest}\n" for shard in shards).encode())
    phones = hashlib.sha256("".join(f"{shard.path.name} {shard.phones_crc}\n" for shard in shards).encode())
    return {
        "corpus": corpus.hexdigest(),
        "phones": phones.hexdigest(),
        "noise or rooms": augment.digest if augment else "none",
        "beginning": init.weights_sha256 if init else "none",
        "second teacher": second.weights_sha256 if second else "none",
    }


def inputs_of_clips(clips: Sequence[Clip], teacher: Trained[Any] | None = None) -> dict[str, str]:
    """The same of a run over clips of people with styles."""
    told = (f"{c.name} {c.person} {c.emotion} {digest_of((c.audio, c.motion, c.rows))}\n" for c in clips)
    corpus = hashlib.sha256("".join(told).encode())
    return {"corpus": corpus.hexdigest(), "teacher": teacher.weights_sha256 if teacher else "none"}

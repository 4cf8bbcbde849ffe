"""CodeTalker as its authors released it: their checkpoints, read without running code, by the names of their tensors.

    stage 1   {"state_dict": encoder.*, decoder.*, quantize.*}                      the book of motion
    stage 2   {"state_dict": audio_encoder.*, autoencoder.*, transformer_decoder.*, ...}    everything

Only what shapes do not tell is taken from their settings for VOCASET: 8 heads of the book's transformers, 4 of the
decoder, leaky slope 0.2, and the subjects' names. The sound encoder is wav2vec2-base inside the file: its convolutions'
rows are brought from 50 to 30 a second before its transformer, as the authors do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.files.teacher import with_weights
from distill.teachers.codetalker.motion_codes import CodesSpec, MotionCodes
from distill.teachers.codetalker.network import CodeTalker, CodeTalkerSpec
from distill.teachers.diffusiontalker.ears import frames_of
from distill.teachers.voice2face.speech_encoder import transformers
from sdk.errors import CheckpointError

VOCASET_TRAIN = (
    "FaceTalk_170728_03272_TA", "FaceTalk_170904_00128_TA", "FaceTalk_170725_00137_TA", "FaceTalk_170915_00223_TA",
    "FaceTalk_170811_03274_TA", "FaceTalk_170913_03279_TA", "FaceTalk_170904_03276_TA", "FaceTalk_170912_03278_TA",
)  # fmt: skip
_BOOK_HEADS, _HEADS, _PERIOD = 8, 4, 30


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a released checkpoint, by name. Raises `CheckpointError`: unreadable, or no such file."""
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        state = stored["state_dict"]
        return {str(name).removeprefix("module."): value for name, value in state.items()}
    except Exception as error:  # the unpickler meets arbitrary bytes, and fails in as many ways
        raise CheckpointError(f"{path}: no checkpoint of CodeTalker ({type(error).__name__}: {error})") from error


def codes_spec(state: Mapping[str, Tensor], heads: int = _BOOK_HEADS, slope: float = 0.2) -> CodesSpec:
    """The first stage's shape, read off its tensors. Raises `CheckpointError` where one is missing."""
    try:
        hidden, size = state["encoder.vertice_mapping.0.weight"].shape
        book, width = state["quantize.embedding.weight"].shape
        layers = 1 + max(
            int(name.split(".")[3]) for name in state if name.startswith("encoder.encoder_transformer.net.")
        )
        between = state["encoder.encoder_transformer.net.1.fn.fn.l1.weight"].shape[0]
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"no first stage of CodeTalker: it lacks {error}") from error
    affine = "encoder.squasher.0.2.weight" in state
    return CodesSpec(size, hidden, layers // 2, heads, between, book, width, hidden // width, slope, affine)


def load_codes(path: Path, heads: int = _BOOK_HEADS) -> MotionCodes:
    """The first stage in the file at `path`, in eval mode. Raises `CheckpointError`."""
    state = read_state(path)
    return with_weights(MotionCodes(codes_spec(state, heads)), state, path.name)


def load_released(
    path: Path,
    people: Sequence[str] = VOCASET_TRAIN,
    heads: int = _HEADS,
    book_heads: int = _BOOK_HEADS,
    **wav2vec2: Any,
) -> tuple[CodeTalker, nn.Module]:
    """The second stage, which holds the first, and its wav2vec2, both in eval mode.

    wav2vec2: settings of `Wav2Vec2Config` other than those of wav2vec2-base. Raises `CheckpointError` where tensors are
    missing or of other shapes, `EngineUnavailable` without transformers.
    """
    state = read_state(path)
    ears = {name.removeprefix("audio_encoder."): v for name, v in state.items() if name.startswith("audio_encoder.")}
    rest = {name: value for name, value in state.items() if not name.startswith("audio_encoder.")}
    book = {name.removeprefix("autoencoder."): v for name, v in rest.items() if name.startswith("autoencoder.")}
    try:
        width, features = rest["audio_feature_map.weight"].shape
        styles = rest["learnable_style_emb.weight"].shape[0]
        layers = 1 + max(int(name.split(".")[2]) for name in rest if name.startswith("transformer_decoder.layers."))
        between = rest["transformer_decoder.layers.0.linear1.weight"].shape[0]
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: no second stage of CodeTalker: it lacks {error}") from error
    if styles != len(people):
        raise CheckpointError(
            f"{path}: it has {styles} styles, and {len(people)} people are named: {', '.join(people)}"
        )
    spec = CodeTalkerSpec(
        path.stem, "wav2vec2", features, width, layers, heads, between, _PERIOD, list(people), people[0],
        codes_spec(book, book_heads), True, "arkit",
    )  # fmt: skip
    kinds = transformers()
    model = kinds.Wav2Vec2Model(kinds.Wav2Vec2Config(**{"apply_spec_augment": False, **wav2vec2}))
    try:
        missing, _ = model.load_state_dict(_renamed(ears, model), strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: its wav2vec2 is of another shape: {error}") from error
    if missing := [name for name in missing if name != "masked_spec_embed"]:
        raise CheckpointError(f"{path}: its wav2vec2 lacks {', '.join(missing[:3])}")
    return with_weights(CodeTalker(spec, 0), rest, path.name), model.eval()


def _renamed(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Weight norm was stored as `weight_g`, `weight_v` before torch had parametrisations."""
    old = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
    own = model.state_dict()
    found = {}
    for name, value in state.items():
        head, _, last = name.rpartition(".")
        renamed = f"{head}.{old[last]}" if last in old and f"{head}.{old[last]}" in own else name
        found[renamed] = value
    return found


def rows_at_30(model: nn.Module, waveform: np.ndarray) -> Tensor:
    """What the wav2vec2 in a released checkpoint makes of 16 kHz `(n,)`: (1, frames, 768) at 30 rows a second."""
    audio = torch.from_numpy(np.asarray(waveform, np.float32))[None]
    audio = (audio - audio.mean()) / (audio.var(correction=0) + 1e-7).sqrt()
    extractor: Any = model
    with torch.inference_mode():
        rows = extractor.feature_extractor(audio)
        rows = functional.interpolate(rows, size=frames_of(len(waveform)), mode="linear", align_corners=True)
        projected = extractor.feature_projection(rows.transpose(1, 2))[0]
        found: Tensor = extractor.encoder(projected).last_hidden_state
        return found


def vertices(
    talker: CodeTalker, model: nn.Module, waveform: np.ndarray, template: np.ndarray, speaker: str = ""
) -> np.ndarray:
    """Meshes `(frames, V, 3)` of speech 16 kHz `(n,)`, moved from `template` `(V, 3)`, as `speaker` speaks."""
    person = talker.spec.people.index(speaker or talker.spec.speaker)
    with torch.inference_mode():
        motion = talker.speak(rows_at_30(model, waveform), torch.tensor([person]))[0].numpy()
    meshes: np.ndarray = template[None] + motion.reshape(len(motion), -1, 3)
    return meshes

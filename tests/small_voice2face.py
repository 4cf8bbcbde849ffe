"""A Voice2Face small enough for a test: its shape, an untrained one whose face moves, and a HuBERT on disk."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import yaml
from small_corpus import utterance

from distill.files.teacher import Trained
from distill.speech.phonetics import CLASSES
from distill.teachers.articulatory.teacher import animate
from distill.teachers.voice2face.network import Voice2Face, Voice2FaceSpec
from distill.teachers.voice2face.speech_encoder import EncoderSpec, transformers
from distill.teachers.voice2face.teacher import FILE
from distill.training.voice2face.plan import Voice2FacePlan
from sdk.faces.face import Face
from sdk.rig import RigLayout

FACE, ARKIT = Face.default(), RigLayout.arkit()
EARS = EncoderSpec("small", -1, 73.6, 16, 2, 2, 32, [8, 8, 8, 8, 8, 8, 16], 8, 0.0)
SPEC = Voice2FaceSpec(
    "tiny", EARS, 16, 8, 2, [4, 4, 4, 4, 4, 8], 8, 8, 8, 3, 6, 0.1, ["heard", "spoken", "captured"], "heard", "arkit"
)
PLAN = Voice2FacePlan(steps=8, rows=3, row_s=2.0, learning_rate=3e-3, ema=0.9)


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * 16000)).astype(np.float32)


def spoken_poses() -> np.ndarray:
    """Poses of speech `(N, 52)`, by the articulatory teacher."""
    return animate(utterance("a", np.random.default_rng(0)).phones, 3.0, 100).values


def trained(spec: Voice2FaceSpec = SPEC, seed: int = 1) -> Trained[Voice2Face]:
    """An untrained network with a true mesh space, whose face moves."""
    torch.manual_seed(seed)
    network = Voice2Face(spec, len(CLASSES) if spec.encoder.trained_here else 0)
    torch.nn.init.kaiming_normal_(network.mesh_decoder[-1].weight)  # type: ignore[arg-type]
    network.mesh.fit(spoken_poses(), FACE, ARKIT)
    return Trained(FILE, spec, FILE.halved(network.state_dict()), ARKIT, 0.2, {"command": "test"})


def save_hubert(folder: Path) -> Path:
    """A folder as `save_pretrained` writes it: HuBERT's own class and layout, small, random."""
    torch.manual_seed(3)
    kinds = transformers()
    config = kinds.HubertConfig(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=48, conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, do_stable_layer_norm=True,
        feat_extract_norm="layer", conv_bias=True,
    )  # fmt: skip
    kinds.HubertModel(config).save_pretrained(folder)
    return folder


def settings(folder: Path) -> Path:
    """The tiny network as a settings file."""
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(dataclasses.asdict(replace(SPEC, features=0))), "utf-8")
    return path

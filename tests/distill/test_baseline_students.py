"""The baselines of 4.1.2: published sizes, features as torchaudio makes them, shared passes as windows, files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distill.files.checkpoint import Checkpoint, model_card
from distill.students import hubert_cnn, mfcc
from distill.students.hubert_cnn import HubertCnnStudent
from distill.students.mfcc import MfccStudent, SpectralFeatures, halvings, measure_statistics
from distill.students.spec import Baseline, load_variant
from distill.students.torchaudio_cpu import load_torchaudio
from distill.students.window import COLUMN_SAMPLES
from distill.training.begin import initialise
from sdk.errors import CheckpointError, ConfigError

SMALL = {"m_kd": {"channels": 16, "fc_width": 24}, "h_kd": {"channels": 24, "fc_width": 24}}
BASELINES = list(SMALL)


def speech(samples: int, rows: int = 1, seed: int = 0) -> Tensor:
    """(rows, 1, samples): a gliding tone of changing loudness in noise."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / 16000
    tone = np.sin(2 * np.pi * (150 * time + 20 * np.sin(2 * np.pi * 3 * time))) * np.sin(2 * np.pi * 2 * time) ** 2
    audio = 0.3 * tone + random.normal(0, 0.02, (rows, 1, samples))
    return torch.from_numpy(audio.astype(np.float32))


def small(name: str, **changes: object) -> Baseline:
    """With weights that answer to what they hear."""
    student = load_variant(name, {**SMALL[name], **changes}).build()
    assert isinstance(student, Baseline)
    initialise(student, 3)
    nn.init.normal_(student.fc3.weight, std=0.3)
    return student.eval()


@pytest.mark.parametrize(
    ("variant", "published_millions", "ours", "giga_macs"),
    [("m_kd", 2.0, 1977106, 0.195), ("h_kd", 7.2, 7198482, 1.267)],
)
def test_sizes_beside_table_2(
    variant: str, published_millions: float, ours: int, giga_macs: float, tmp_path: Path
) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    rig = tmp_path / "rig78.txt"
    rig.write_text("\n".join(f"channel{i} -1 1" for i in range(78)))
    student = load_variant(variant, {"rig": str(rig)}).build().eval()
    count = sum(p.numel() for p in student.parameters())
    assert count == ours
    assert count / 1e6 == pytest.approx(published_millions, rel=0.02)
    with FlopCounterMode(display=False) as counter:
        student(speech(8192))
    assert counter.get_total_flops() / 2e9 == pytest.approx(giga_macs, abs=0.002)


@pytest.mark.parametrize(("kd", "without"), [("m_kd", "m_no_kd"), ("h_kd", "h_no_kd")])
def test_both_versions_have_one_shape(kd: str, without: str) -> None:
    assert load_variant(kd) == load_variant(without, {"name": kd})
    assert load_variant(kd).future_ms == load_variant("s0").future_ms


def test_cepstra_are_torchaudios() -> None:
    audio = speech(8192, rows=2)[:, 0]
    settings = {"n_fft": 400, "hop_length": 160, "n_mels": 26, "center": False}
    theirs = load_torchaudio().transforms.MFCC(16000, 13, log_mels=True, melkwargs=settings)(audio)
    ours = SpectralFeatures().raw(audio, 160)
    assert ours.shape == (2, 39, 49)
    torch.testing.assert_close(ours[:, :13], theirs, atol=1e-4, rtol=1e-4)


def test_centroids_are_where_the_sound_is() -> None:
    """A tone pulls the centroid of its band to itself; in silence every centroid is its triangle's own."""
    features, time = SpectralFeatures(), torch.arange(8192) / 16000
    silent = features.raw(torch.zeros(1, 8192), 160)[0, 13:, 5]
    edges = torch.from_numpy(_mel_edges_khz()).float()
    assert ((edges[:-2] < silent) & (silent < edges[2:])).all()
    assert torch.isfinite(features(torch.zeros(1, 1, 8192), 160)).all()
    for hz in (1000.0, 3000.0):
        band = int((silent - hz / 1000).abs().argmin())
        found = features.raw(0.3 * torch.sin(2 * np.pi * hz * time)[None], 160)[0, 13 + band, 5]
        assert float(found) == pytest.approx(hz / 1000, abs=0.01)
        assert abs(float(silent[band]) - hz / 1000) > 0.011


def _mel_edges_khz() -> np.ndarray:
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 28)
    return 0.7 * (10 ** (mel / 2595) - 1)


def test_features_of_speech_are_near_standard() -> None:
    """By constants of the corpus, so that no window must know its speaker; roughly for any speech-like sound."""
    standard = SpectralFeatures()(speech(160000), 160)
    assert standard.shape[1:3] == (1, 39)
    assert standard.mean().abs() < 1.5
    assert 0.2 < standard.std() < 3
    mean, deviation = measure_statistics(speech(160000)[:, 0])
    raw = SpectralFeatures().raw(speech(160000)[:, 0], 200)
    torch.testing.assert_close(mean, raw[0].mean(1), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(deviation, raw[0].std(1), atol=1e-3, rtol=1e-2)
    assert len(mfcc.MEAN) == len(mfcc.DEVIATION) == 39


@pytest.mark.parametrize("size", [1, 2, 3, 4, 39, 49, 61])
def test_halvings_end_at_one(size: int) -> None:
    x = torch.zeros(1, 1, 1, size)
    for kernel, stride, pad in halvings(size):
        x = nn.functional.conv2d(x, torch.zeros(1, 1, 1, kernel), stride=(1, stride), padding=(0, pad))
    assert x.shape[-1] == 1


@pytest.mark.parametrize("hop_samples", [160, 128, 200])
def test_a_stretch_of_mfcc_is_each_window(hop_samples: int) -> None:
    """Exactly, also where frames and columns have no common hop: what the fast stage of training relies on."""
    student = small("m_kd", hop_samples=hop_samples)
    assert isinstance(student, MfccStudent)
    audio = speech(8192 + 4 * COLUMN_SAMPLES, rows=2)
    whole = student.sequence(audio)
    assert [part.shape for part in whole] == [(2, 5, 24), (2, 5, 24), (2, 5, 52)]
    alone = [student(audio[..., COLUMN_SAMPLES * n :][..., :8192]) for n in range(5)]
    assert torch.stack(alone).std(0).max() > 0.01, "it answers to what it hears"
    torch.testing.assert_close(torch.tanh(whole[2]), torch.stack(alone, 1), atol=1e-5, rtol=1e-4)


def test_a_stretch_of_the_encoder_is_each_window_but_for_its_norm() -> None:
    student = small("h_kd")
    assert isinstance(student, HubertCnnStudent)
    audio = speech(8192 + 4 * COLUMN_SAMPLES, rows=2)
    parts = [student(audio[..., COLUMN_SAMPLES * n :][..., :8192]) for n in range(5)]
    near = (torch.tanh(student.sequence(audio)[2]) - torch.stack(parts, 1)).abs().max()
    first = student.encoder.conv_layers[0]  # type: ignore[index,union-attr]
    first.layer_norm = nn.Identity()
    parts = [student(audio[..., COLUMN_SAMPLES * n :][..., :8192]) for n in range(5)]
    assert torch.stack(parts).std(0).max() > 0.01
    torch.testing.assert_close(torch.tanh(student.sequence(audio)[2]), torch.stack(parts, 1), atol=1e-5, rtol=1e-4)
    assert 1e-5 < near < 0.5, "the norm's statistics are those of the stretch"


@pytest.mark.parametrize("name", BASELINES)
def test_training_moves_what_is_not_frozen_and_nothing_else(name: str) -> None:
    student = small(name).train()
    frozen = {key: p.clone() for key, p in student.named_parameters() if not p.requires_grad}
    assert {key.split(".")[0] for key in frozen} == ({"encoder"} if name == "h_kd" else set())
    optimiser = torch.optim.AdamW(student.parameters(), lr=3e-3)
    audio, losses = speech(8192 + 7 * COLUMN_SAMPLES, rows=3), []
    target = torch.linspace(-0.5, 0.5, 8)[None, :, None].expand(3, 8, 52)
    for _ in range(24):
        loss = (torch.tanh(student.sequence(audio)[2]) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    for key, before in frozen.items():
        torch.testing.assert_close(student.get_parameter(key), before, atol=0, rtol=0)
    assert all(p.grad is not None for p in student.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", BASELINES)
def test_a_checkpoint_says_the_same_again(name: str, tmp_path: Path) -> None:
    student = small(name)
    spec = load_variant(name, SMALL[name])
    path = tmp_path / f"{name}.pt"
    Checkpoint(spec, student.state_dict(), {"recipe": "none"}).save(path)
    loaded = Checkpoint.load(path)
    audio = speech(8192, rows=2)
    torch.testing.assert_close(loaded.student()(audio), student(audio), atol=0, rtol=0)
    halved = {key: value.half() for key, value in student.state_dict().items()}
    Checkpoint(spec, halved, {"recipe": "none"}).save(path)
    torch.testing.assert_close(Checkpoint.load(path).student()(audio), student(audio), atol=5e-3, rtol=0)
    assert loaded.parameters == sum(p.numel() for p in student.parameters())
    assert "export.torchscript" in model_card(loaded)
    assert not [key for key in loaded.state if key.startswith("encoder.")], "drawn again, not stored"


def test_the_random_encoder_is_always_the_same_and_says_so() -> None:
    one, other = small("h_kd"), small("h_kd")
    for a, b in zip(one.encoder.parameters(), other.encoder.parameters(), strict=True):  # type: ignore[union-attr]
        torch.testing.assert_close(a, b, atol=0, rtol=0)
    state = one.state_dict()
    state["encoder_print"] = state["encoder_print"] + 1e-3
    with pytest.raises(CheckpointError, match="cannot be drawn again"):
        other.load_state_dict(state)


def test_the_random_encoder_keeps_the_signal_alive() -> None:
    """Seven layers on, channels still vary over time as the first do, and do not all say the same."""
    student = HubertCnnStudent(64, 52).eval()
    x, spread = speech(40000)[:, 0], []
    x = x[:, None]
    for layer in student.encoder.conv_layers:  # type: ignore[union-attr]
        x = layer(x)
        spread.append(float(x.std(2).mean()))
    assert 0.3 * spread[0] < spread[-1] < 2 * spread[0]
    columns = x[0] - x[0].mean(1, keepdim=True)
    values = torch.linalg.svdvals(columns).square()
    assert float(values.sum().square() / values.square().sum()) > 3, "effective rank"


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `save_pretrained` writes it: HuBERT's own class and loader, only small and never trained."""
    load_torchaudio()
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2, conv_dim=(24,) * 7, conv_kernel=hubert_cnn.KERNELS,
        conv_stride=hubert_cnn.STRIDES, feat_extract_norm="group", conv_bias=False,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("hubert")
    HubertModel(config).save_pretrained(folder)
    return folder


def test_a_pretrained_encoder_lives_in_the_checkpoint(pretrained: Path, tmp_path: Path) -> None:
    from transformers import HubertModel

    student = small("h_kd", encoder=str(pretrained))
    audio = speech(8192, rows=2)
    said = student(audio)
    theirs = HubertModel.from_pretrained(pretrained).feature_extractor.eval()
    torch.testing.assert_close(student.trunk(audio).squeeze(2), theirs(audio[:, 0]), atol=0.02, rtol=0.01)  # type: ignore[operator,union-attr]
    spec = load_variant("h_kd", {**SMALL["h_kd"], "encoder": str(pretrained)})
    Checkpoint(spec, student.state_dict()).save(tmp_path / "h.pt")
    moved = pretrained.rename(tmp_path / "elsewhere")
    try:
        loaded = Checkpoint.load(tmp_path / "h.pt")
        torch.testing.assert_close(loaded.student()(audio), said, atol=0, rtol=0)
    finally:
        moved.rename(pretrained)
    assert loaded.state["encoder.conv_layers.1.conv.weight"].dtype == torch.float16


def test_encoders_that_cannot_be_used(pretrained: Path, tmp_path: Path) -> None:
    audio = speech(8192)
    with pytest.raises(ConfigError, match="cannot be read"):
        small("h_kd", encoder=str(tmp_path / "nowhere"))(audio)
    with pytest.raises(ConfigError, match="not of the student's channels"):
        small("h_kd", encoder=str(pretrained), channels=16)(audio)


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("m_kd", {"hop_samples": 0}, "hop_samples"),
        ("m_kd", {"future_ms": 600}, "future_ms"),
        ("m_kd", {"family": "hubert_cnn"}, "encoder"),
        ("h_kd", {"encoder": ""}, "encoder"),
        ("h_kd", {"window_samples": 4000, "future_ms": 64}, "one column"),
        ("h_kd", {"groups": 4}, "groups"),
    ],
)
def test_what_could_never_be_built_is_refused(name: str, changes: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_variant(name, changes)


def test_torchaudio_comes_up_without_cuda() -> None:
    """In a fresh process, beside whatever torch is installed, and `transformers` after it."""
    code = (
        "from distill.students.torchaudio_cpu import load_torchaudio; audio = load_torchaudio();"
        "import torchaudio, torch; assert torchaudio is audio;"
        "from transformers.models.hubert.modeling_hubert import HubertFeatureEncoder;"
        "print(tuple(audio.transforms.MFCC(16000)(torch.zeros(1, 8000)).shape))"
    )
    root = Path(__file__).resolve().parents[2]
    out = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert out.stdout.strip().endswith("(1, 40, 41)")


@pytest.mark.parametrize("name", BASELINES)
def test_mixed_precision_trains_too(name: str) -> None:
    """Features stay in float32; what comes out is near, and gradients arrive."""
    student = small(name).train()
    audio = speech(8192 + COLUMN_SAMPLES, rows=2)
    exact = student.sequence(audio)[2]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = student.sequence(audio)[2]
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).abs().max() < 0.1 * exact.abs().max()
    rough.float().square().mean().backward()
    assert all(p.grad is not None for p in student.parameters() if p.requires_grad)

"""The HuBERT-CNN baseline (4.1.2): a general-purpose speech encoder, frozen, where S0 has a trunk of its own.

    encoder     HuBERT's convolutions, 512 channels, 320 samples a column, frozen:  (B, 1, 8192) -> (B, 512, 1, 25)
    head        norm, strided convolutions, three FC layers, trained:               (B, 512, 1, 25) -> (B, rig)

At 78 rig channels 7.20 M parameters and 1.27 G multiply-adds, as Table 2 says. `encoder` names where the frozen weights
come from: a model of the hub or a folder of one (`facebook/hubert-base-ls960`), read by `transformers`; or `random`,
where nothing pretrained can be reached. That is no general-purpose encoder: it hears no speech before it is frozen,
and its row of a table says what random filters are worth, not what HuBERT's are.

The weights' file of a random encoder holds none of it: they are drawn again from the seed, and a print of them proves
that they are the same.
Those of a pretrained one lie in the file in half precision, to which they are rounded when read.

The encoder's first norm is a statistic of the window, in `sequence` of the stretch, as in `WindowStudent`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill.students.layers import ChannelNorm, conclude, conv
from distill.students.torchaudio_cpu import load_torchaudio
from distill.students.window import COLUMN_SAMPLES, FIELD_SAMPLES
from sdk.errors import CheckpointError, ConfigError, EngineUnavailable, pip_install

RANDOM = "random"
SEED = 20250801
KERNELS = (10, 3, 3, 3, 3, 2, 2)
STRIDES = (5, 2, 2, 2, 2, 2, 2)
_GELU_VARIANCE = 0.345  # of gelu(x) for a standard normal x
_PREFIX = "encoder."


class HubertCnnStudent(nn.Module):
    """channels: of the encoder and the tail. encoder: `random`, or the name or folder of a pretrained HuBERT, which is
    read when it is first needed and no weights' file has been loaded. The rest as `WindowStudent`."""

    encoder_print: Tensor

    def __init__(
        self, channels: int, rig_channels: int, encoder: str = RANDOM, fc_width: int = 150, window: int = 8192
    ) -> None:
        super().__init__()
        c = channels
        self.window_samples = window
        self.columns = (window - FIELD_SAMPLES) // COLUMN_SAMPLES + 1
        self.source = encoder
        self.unread = encoder != RANDOM
        self.encoder = empty_encoder(c)
        if encoder == RANDOM:
            draw(self.encoder)
            self.register_buffer("encoder_print", fingerprint(self.encoder))
        self.norm = ChannelNorm(c)
        self.tail = nn.ModuleList([*(conv(c, c, 3, 2) for _ in range(3)), conv(c, c, 2, 2)])
        self.fc1 = conv(c, fc_width, 1)
        self.fc2 = conv(fc_width, fc_width, 1)
        self.fc3 = conv(fc_width, rig_channels, 1)

    def trunk(self, audio: Tensor) -> Tensor:
        """The frozen encoder: (B, 1, n) -> (B, C, 1, (n - 400) // 320 + 1)."""
        self._read()
        columns: Tensor = self.encoder(audio.flatten(1))  # nothing in it asks for a gradient, so none is prepared
        return columns.unsqueeze(2)

    def features(self, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, 1, 25) -> F_-4 (B, fc), F_-3 (B, fc), F_-2 (B, rig): hidden FC layers, the last before tanh."""
        return conclude(self.norm(columns), self.tail, self.fc1, self.fc2, self.fc3)

    def whole(self, window: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of one window: (B, 1, 8192) -> three of (B, width)."""
        return self.features(self.trunk(window))

    def forward(self, window: Tensor) -> Tensor:
        """(B, 1, 8192) -> (B, rig) in -1..1."""
        return torch.tanh(self.whole(window)[2])

    def sequence(self, audio: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of every window, one a column: (B, 1, 8192 + 320 (N - 1)) -> three of (B, N, width)."""
        windows = self.trunk(audio).unfold(3, self.columns, 1)  # (B, C, 1, N, 25)
        batch, count = windows.shape[0], windows.shape[3]
        windows = windows.permute(0, 3, 1, 2, 4).reshape(batch * count, -1, 1, self.columns)
        one, two, last = self.features(windows)
        return one.view(batch, count, -1), two.view(batch, count, -1), last.view(batch, count, -1)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Without a random encoder; with a pretrained one in half precision."""
        self._read()
        state: dict[str, Any] = super().state_dict(*args, **kwargs)
        for name in [name for name in state if name.startswith(_PREFIX)]:
            if self.source == RANDOM:
                del state[name]
            else:
                state[name] = state[name].half()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Raises `CheckpointError` if a random encoder was another one when the weights were trained."""
        state = dict(state_dict)
        if self.source == RANDOM:
            found = state.get("encoder_print")
            # in half precision, as a file may keep it
            if isinstance(found, Tensor) and not torch.equal(found.half().cpu(), self.encoder_print.half().cpu()):
                raise CheckpointError("its random encoder cannot be drawn again: this numpy draws other numbers")
            state.update({_PREFIX + name: value for name, value in self.encoder.state_dict().items()})
        self.unread = False
        return super().load_state_dict(state, strict, assign)

    def _read(self) -> None:
        if self.unread:
            self.unread = False
            read_pretrained(self.encoder, self.source)


def empty_encoder(channels: int) -> nn.Module:
    """HuBERT's feature encoder, frozen, with whatever weights. Raises `EngineUnavailable` without `transformers`."""
    load_torchaudio()  # transformers imports it, and that fails beside a CPU-only torch
    try:
        from transformers import HubertConfig
        from transformers.models.hubert.modeling_hubert import HubertFeatureEncoder
    except ImportError as error:
        raise EngineUnavailable(f"HuBERT's encoder needs transformers: {pip_install('train')} ({error})") from error
    config = HubertConfig(
        conv_dim=(channels,) * len(KERNELS), conv_kernel=KERNELS, conv_stride=STRIDES, conv_bias=False,
        feat_extract_norm="group",
    )  # fmt: skip
    encoder: nn.Module = HubertFeatureEncoder(config)
    encoder._freeze_parameters()  # type: ignore[operator]
    return encoder


def draw(encoder: nn.Module) -> None:
    """Random weights from `SEED`, the same on every machine: uniform, without a mean, keeping the variance.

    A filter without a mean does not answer to what all channels of a rectified layer have in common; with one, seven
    layers on, a column says little else.
    """
    random = np.random.Generator(np.random.PCG64(SEED))
    for layer in encoder.modules():
        if isinstance(layer, nn.Conv1d):
            weight = random.random(tuple(layer.weight.shape), dtype=np.float64) * 2 - 1
            weight -= weight.mean((1, 2), keepdims=True)
            fan_in = weight[0].size
            variance = 1.0 if layer.in_channels == 1 else _GELU_VARIANCE
            weight *= math.sqrt(3 / (variance * fan_in))
            layer.weight.data.copy_(torch.from_numpy(weight))


def fingerprint(encoder: nn.Module) -> Tensor:
    """Four weights of each convolution, `(7, 4)`: from its beginning to its end, so that draws are the same or not."""
    weights = [layer.weight.detach().flatten() for layer in encoder.modules() if isinstance(layer, nn.Conv1d)]
    return torch.stack([w[[0, len(w) // 3, 2 * len(w) // 3, -1]] for w in weights])


def read_pretrained(encoder: nn.Module, source: str) -> None:
    """Weights of the HuBERT `source`, rounded to half precision. Raises `ConfigError`: absent or of another shape."""
    from transformers import HubertModel

    try:
        theirs = HubertModel.from_pretrained(source).feature_extractor
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"encoder {source!r} cannot be read: {str(error).splitlines()[0]}. Give the folder of a HuBERT, "
            f"or `encoder: {RANDOM}`"
        ) from error
    halves = {name: value.half().float() for name, value in theirs.state_dict().items()}
    try:
        encoder.load_state_dict(halves)
    except RuntimeError as error:
        raise ConfigError(
            f"encoder {source!r} is not of the shape of HuBERT base, which has a group norm in its first layer and no "
            f"biases, or not of the student's channels: {error}"
        ) from error

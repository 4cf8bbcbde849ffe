"""What Voice2Face hears with: HuBERT's layers at their instants, halves of long recordings, cepstra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_voice2face import EARS, SPEC, save_hubert, sound

from distill.recipes.voice2face import with_encoder
from distill.teachers.voice2face.network import FPS
from distill.teachers.voice2face.speech_encoder import Cepstra, build_encoder, hear, on_grid, pieces, transformers
from distill.teachers.voice2face.teacher import FILE
from sdk.errors import CheckpointError, ConfigError


@pytest.fixture(scope="module")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_hubert(tmp_path_factory.mktemp("hubert"))


def test_a_pretrained_hubert_is_read_from_a_folder_and_its_penultimate_layer_taken(hubert: Path) -> None:
    spec, encoder = with_encoder(SPEC, str(hubert))
    assert (spec.encoder.source, spec.encoder.layer, spec.features) == (str(hubert), -2, 32)
    assert not any(p.requires_grad for p in encoder.parameters())
    audio = torch.from_numpy(sound(1.0))[None]
    heard = (audio - audio.mean()) / audio.std(correction=0)
    model = transformers().HubertModel.from_pretrained(hubert).eval()
    with torch.no_grad():
        states = model(heard, output_hidden_states=True).hidden_states
        features, instants = hear(encoder, audio, 73.6)
    assert len(states) == 4
    torch.testing.assert_close(features, states[2], atol=1e-4, rtol=1e-4)
    assert features.shape == (1, 49, 32)
    assert instants[:2].tolist() == [199.5, 519.5]


def test_a_hubert_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}", "utf-8")
    with pytest.raises(CheckpointError, match=r"no HuBERT can be loaded: .* `small`, which is trained here"):
        build_encoder(replace(EARS, source=str(tmp_path)))


def test_an_instant_is_where_the_convolutions_look(hubert: Path) -> None:
    """The last sample that row 20 sees, and the first that it does not, lie around its instant."""
    encoder = with_encoder(SPEC, str(hubert))[1]
    audio = torch.from_numpy(sound(1.0))[None]
    convolutions = encoder.model.feature_extractor  # type: ignore[union-attr,operator]
    with torch.no_grad():
        before = convolutions(audio)[0, :, 20]
        moved = []
        for sample in range(6300, 6900):
            changed = audio.clone()
            changed[0, sample] += 5.0
            if sample in (6399, 6400, 6799, 6800):
                moved.append(bool((convolutions(changed)[0, :, 20] - before).abs().max() > 1e-6))
    assert moved == [False, True, True, False]
    assert encoder.instants(21)[20] == (6400 + 6799) / 2


@pytest.mark.parametrize(
    ("samples", "longest", "expected"),
    [(100, 100, [(0, 100)]), (101, 100, [(0, 50), (50, 101)]), (401, 100, [(0, 100), (100, 200), (200, 300)])],
)
def test_long_recordings_are_halved_until_they_fit(samples: int, longest: int, expected: Sequence[object]) -> None:
    found = pieces(samples, longest)
    assert found[: len(expected)] == list(expected)
    assert [start for start, _ in found[1:]] == [stop for _, stop in found[:-1]], "nothing lost, nothing twice"
    assert found[-1][1] == samples
    assert max(stop - start for start, stop in found) <= longest


def test_the_halves_of_a_long_recording_are_heard_apart_at_their_own_instants() -> None:
    encoder = build_encoder(EARS).eval()
    audio = torch.from_numpy(sound(3.0))[None]
    with torch.no_grad():
        features, instants = hear(encoder, audio, 2.0)
        halves = [hear(encoder, part, 2.0) for part in audio.split(24000, 1)]
    torch.testing.assert_close(features, torch.cat([half[0] for half in halves], 1))
    assert instants.tolist() == [*halves[0][1].tolist(), *(halves[1][1] + 24000).tolist()]
    assert (instants.diff() > 0).all()


def test_features_are_read_between_their_rows() -> None:
    """A ramp over the instants is a ramp on the grid, whatever the gaps, and is held beyond the ends."""
    instants = torch.tensor([199.5, 519.5, 839.5, 2000.0], dtype=torch.float64)
    features = instants[None, :, None].float().repeat(2, 1, 3)
    wanted = [0.0, 199.5, 300.0, 1500.0, 9999.0]
    read = on_grid(features, instants, wanted)
    assert read.shape == (2, 5, 3)
    torch.testing.assert_close(read[1, :, 2], torch.tensor([199.5, 199.5, 300.0, 1500.0, 2000.0]))


def test_the_grid_puts_each_frame_in_the_middle_of_its_window() -> None:
    grid = SPEC.grid(4, first=10)
    for frame in range(4):
        window = grid[(frame + 1) * SPEC.bins_per_frame :][: SPEC.bins]
        assert float(window.mean()) == pytest.approx((10 + frame) * 16000 / FPS)


def test_cepstra_hear_frequency_and_not_level() -> None:
    time = np.arange(16000) / 16000
    rising = np.sin(2 * np.pi * (500 + 1000 * time) * time).astype(np.float32) + 0.01 * sound(1.0)
    audio = torch.from_numpy(rising)[None]
    rows = Cepstra()(audio)
    assert rows.shape == (1, 100, 39)
    torch.testing.assert_close(rows[0].mean(0), torch.zeros(39), atol=1e-3, rtol=0)
    torch.testing.assert_close(Cepstra()(0.3 * audio), rows, atol=0.1, rtol=0)
    slopes = rows[0, 5:95, 2]  # the third cepstrum turns over as the tone climbs; the first ones only fall
    assert float(slopes.max() - slopes.min()) > 1
    low, high = Cepstra()(torch.from_numpy(np.stack([np.sin(2 * np.pi * hz * time) for hz in (500, 2500)])).float())[
        ..., 0
    ]
    assert low.isfinite().all()
    assert high.isfinite().all()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"convolutions": [8]}, "seven"),
        ({"heads": 5}, "multiple"),
        ({"layer": 0}, "layer"),
        ({"longest_s": 0}, "longest"),
    ],
)
def test_ears_that_cannot_be_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        replace(EARS, **changes)  # type: ignore[arg-type]


def test_the_shipped_settings_are_a_network() -> None:
    spec, encoder = with_encoder(FILE.shape(), None)
    assert spec.features == encoder.size == spec.encoder.width

"""CodeTalker: the book, the decoder's manners, the recipe, the teacher, and checkpoints in the authors' form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_talker import ARKIT, PEOPLE, clips, tone
from small_voice2face import save_hubert

from distill.corpus.styled.clips import heard
from distill.recipes.codetalker import neutral, train
from distill.teachers.codetalker import TEACHER
from distill.teachers.codetalker.motion_codes import CodesSpec, MotionCodes
from distill.teachers.codetalker.network import CodeTalker, CodeTalkerSpec, biases
from distill.teachers.codetalker.released import codes_spec, load_codes, load_released, rows_at_30, vertices
from distill.teachers.codetalker.teacher import FILE, CodeTalkerTeacher
from distill.teachers.pretrained_ears import large_ears
from distill.teachers.registry import teacher_kind
from distill.training.codetalker import CodeTalkerPlan, seed_book
from sdk.errors import CheckpointError, ConfigError

CODES = CodesSpec(12, 16, 1, 2, 24, 10, 4, 4)
SPEC = CodeTalkerSpec("tiny", "x", 32, 16, 1, 2, 32, 30, list(PEOPLE), PEOPLE[0], CODES, False, "arkit")


def test_vectors_go_to_their_nearest_code_and_gradients_through() -> None:
    torch.manual_seed(1)
    codes = MotionCodes(CODES)
    motion = torch.randn(2, 7, 12)
    seed_book_like = codes.encoder(motion)
    near, loss, places = codes.quantised(seed_book_like)
    book = codes.quantize.embedding.weight
    vectors = seed_book_like.reshape(2, 7, 4, 4)
    for place in ((0, 0, 0), (1, 6, 3)):
        distances = (vectors[place] - book).square().sum(1)
        assert int(distances.argmin()) == int(places[place])
    torch.testing.assert_close(near.reshape(2, 7, 4, 4), book[places])
    spoken, loss, _ = codes(motion)
    (spoken.square().mean() + loss).backward()
    assert spoken.shape == motion.shape
    assert codes.encoder.vertice_mapping[0].weight.grad.abs().max() > 0, "straight through"
    assert book.grad.abs().max() > 0


def test_the_decoder_looks_back_and_at_its_own_row_alone() -> None:
    torch.manual_seed(2)
    network = CodeTalker(SPEC, len(ARKIT)).eval()
    torch.nn.init.normal_(network.feat_map.weight)
    rows, before, people = torch.randn(1, 8, 32), torch.randn(1, 8, 12), torch.tensor([1])
    found = network.predict(rows, before, people)
    other = before.clone()
    other[:, 5:] += 1
    torch.testing.assert_close(network.predict(rows, other, people)[:, :5], found[:, :5])
    louder = rows.clone()
    louder[:, 6] += 1
    changed = network.predict(louder, before, people)
    torch.testing.assert_close(changed[:, :6], found[:, :6])
    torch.testing.assert_close(changed[:, 7:], found[:, 7:])
    assert not torch.allclose(changed[:, 6], found[:, 6])
    bias = biases(2, 3, 7)
    assert bias[0, 5, 5] == bias[0, 5, 3] == 0
    assert bias[0, 5, 2] == bias[0, 5, 0] * 1 == -(2.0**-4)
    assert bias[0, 2, 3] == -torch.inf


def test_an_untrained_second_stage_begins_at_one_code() -> None:
    network = CodeTalker(SPEC, len(ARKIT)).eval()
    assert float(network.predict(torch.randn(1, 4, 32), torch.zeros(1, 4, 12), torch.tensor([0])).abs().max()) == 0
    assert network.speak(torch.randn(2, 5, 32), torch.tensor([0, 1])).shape == (2, 5, 12)


def test_some_clips_are_heard_without_the_frames_so_far() -> None:
    torch.manual_seed(3)
    network = CodeTalker(SPEC, len(ARKIT)).eval()
    torch.nn.init.normal_(network.feat_map.weight)
    told: list[torch.Tensor] = []
    network.vertice_map.register_forward_hook(lambda layer, given, found: told.append(given[0].clone()))
    rows, motion, people = torch.randn(4, 6, 32), torch.randn(4, 6, 12), torch.tensor([0, 1, 0, 1])
    before = motion.clone()
    moved, _ = network.losses(rows, motion, people, alone=3)
    (seen,) = told
    assert not seen[:3].any()
    torch.testing.assert_close(seen[3, 1:], motion[3, :-1])
    assert not seen[:, 0].any(), "the template comes first to all"
    assert torch.equal(motion, before), "what was given is left alone"
    moved.backward()
    assert network.feat_map.weight.grad.abs().max() > 0


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_hubert(tmp_path_factory.mktemp("hubert") / "tiny"))


def test_the_recipe_trains_a_teacher_of_components(source: str, tmp_path: Path) -> None:
    ears = large_ears(source)
    spoken = neutral(heard(clips(), ears, source, tmp_path / "features"), ARKIT)
    brow = ARKIT.index("browDownLeft")
    assert max(clip.motion[:, brow].max() for clip in spoken) < 0.2, "nobody is angry any more"
    spec = replace(SPEC, ears=source)
    out = tmp_path / "mine.teacher"
    trained = train(spec, CodeTalkerPlan(book_steps=6, steps=4, batch=3, seconds=0.8), spoken, out, {})
    assert trained.training["mesh_variance_kept"] > 0.95
    kind = teacher_kind(out)
    assert kind.teacher is TEACHER
    teacher = CodeTalkerTeacher(FILE.load(out), ears)
    track = teacher.label(tone(150, 1.0))
    assert track.values.shape == (30, 52)
    assert 0 <= track.values.min() <= track.values.max() <= 1
    assert "parameters" in trained.card()
    with pytest.raises(CheckpointError, match="no CodeTalker teacher is shipped; train one"):
        CodeTalkerTeacher(Path(__file__).parents[2] / "checkpoints" / "codetalker.teacher")


def test_a_book_begins_where_vectors_are() -> None:
    torch.manual_seed(3)
    network = CodeTalker(SPEC, len(ARKIT))
    motion = torch.randn(4, 30, 12)
    _, before, _ = network.autoencoder(motion)
    seed_book(network, motion)
    _, after, places = network.autoencoder(motion)
    assert after < before
    assert len(places.unique()) > 5


def test_specs_say_what_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="hidden 16 is not 3 codes of 4"):
        replace(CODES, codes=3)
    with pytest.raises(ConfigError, match="'nobody' is none of"):
        replace(SPEC, speaker="nobody")
    assert FILE.shape().motion.size == 50


# --- the authors' checkpoints -----------------------------------------------------------------------------------------

_WAV2VEC2 = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48, "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Both stages as the authors' training writes them: their names, wrapped by DataParallel, old weight norm."""
    from distill.teachers.voice2face.speech_encoder import transformers

    torch.manual_seed(4)
    folder = tmp_path_factory.mktemp("released")
    network = CodeTalker(replace(SPEC, vertices=True), 0)
    kinds = transformers()
    ears = kinds.Wav2Vec2Model(kinds.Wav2Vec2Config(apply_spec_augment=False, **_WAV2VEC2))
    old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    for name, value in ears.state_dict().items():
        for new, was in old.items():
            name = name.replace(new, was)
        state[f"module.audio_encoder.{name}"] = value
    torch.save({"epoch": 100, "state_dict": state}, folder / "stage2.pth.tar")
    torch.save({"epoch": 200, "state_dict": network.autoencoder.state_dict()}, folder / "stage1.pth.tar")
    return folder / "stage1.pth.tar", folder / "stage2.pth.tar"


def test_released_checkpoints_load_by_their_names_and_speak(released: tuple[Path, Path]) -> None:
    codes = load_codes(released[0], heads=2)
    assert codes.spec == CODES
    talker, ears = load_released(released[1], PEOPLE, heads=2, book_heads=2, **_WAV2VEC2)
    assert talker.spec.motion == CODES
    torch.testing.assert_close(talker.autoencoder.quantize.embedding.weight, codes.quantize.embedding.weight)
    assert rows_at_30(ears, tone(120, 1.0)).shape == (1, 30, 32)
    template = np.zeros((4, 3), np.float32)
    meshes = vertices(talker, ears, tone(120, 0.5), template, PEOPLE[1])
    assert meshes.shape == (15, 4, 3)
    assert np.isfinite(meshes).all()
    with pytest.raises(CheckpointError, match="3 styles, and 8 people"):
        load_released(released[1], heads=2, book_heads=2, **_WAV2VEC2)


def test_names_of_the_released_tensors() -> None:
    """Written down from the authors' files; a rename here would silently refuse theirs."""
    names = set(CodeTalker(replace(SPEC, vertices=True), 0).state_dict())
    wanted = {
        "audio_feature_map.weight", "vertice_map.bias", "PPE.pe", "feat_map.weight", "learnable_style_emb.weight",
        "transformer_decoder.layers.0.self_attn.in_proj_weight",
        "transformer_decoder.layers.0.multihead_attn.out_proj.bias",
        "autoencoder.encoder.vertice_mapping.0.weight", "autoencoder.encoder.squasher.0.0.weight",
        "autoencoder.encoder.encoder_transformer.net.0.fn.fn.to_qkv.weight",
        "autoencoder.encoder.encoder_transformer.net.0.fn.norm.weight",
        "autoencoder.encoder.encoder_transformer.net.1.fn.fn.l2.bias", "autoencoder.encoder.encoder_pos_embedding.pe",
        "autoencoder.encoder.encoder_linear_embedding.net.weight", "autoencoder.decoder.expander.0.0.bias",
        "autoencoder.decoder.decoder_linear_embedding.net.bias", "autoencoder.decoder.vertice_map_reverse.weight",
        "autoencoder.decoder.decoder_transformer.net.1.fn.fn.l1.weight", "autoencoder.quantize.embedding.weight",
    }  # fmt: skip
    assert wanted <= names
    pe = MotionCodes(CODES).state_dict()["encoder.encoder_pos_embedding.pe"]
    assert pe.shape == (5000, 1, 16)
    assert CodeTalker(SPEC, 52).PPE.pe.shape == (1, 630, 16)


def test_a_file_that_is_none_is_refused(tmp_path: Path, released: tuple[Path, Path]) -> None:
    (tmp_path / "x.pth").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="no checkpoint of CodeTalker"):
        load_codes(tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="it lacks"):
        load_released(released[0])
    with pytest.raises(CheckpointError, match="it lacks"):
        codes_spec({})

"""Soft targets: how likely a teacher holds each phone class, from its network into shards, batches and the loss."""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_corpus import utterance

from distill.corpus.labeller import LABEL_HZ, Labeller, labeller
from distill.corpus.rows.classes import UNKNOWN_CLASS, Said, phone_classes
from distill.corpus.rows.streams import StreamRows
from distill.corpus.rows.windows import Stretches
from distill.corpus.shards import Shard, read_shard, write_shard
from distill.corpus.shelf import open_shard
from distill.speech.phones import Phone
from distill.speech.phonetics import CLASSES
from distill.teachers.neural.teacher import NeuralTeacher
from distill.teachers.track import RigTrack
from distill.training.objective import likely_loss, phone_loss
from sdk.errors import DataError
from sdk.rig import RigLayout
from sdk.window import WindowSpec

LAYOUT = RigLayout.arkit()


def telling(rows_of: dict[str, np.ndarray]) -> Labeller:
    """A teacher that moves nothing and holds class k as likely as `rows_of` says."""

    def label(spoken) -> RigTrack:  # type: ignore[no-untyped-def]
        likely = rows_of[spoken.name]
        return RigTrack(np.zeros((len(likely), 52), np.float32), Fraction(LABEL_HZ), LAYOUT, likely)

    return Labeller("telling", label)


def ramp(count: int, of: int) -> np.ndarray:
    """Sure of silence at first, of class `of` at the end."""
    rows = np.zeros((count, len(CLASSES)), np.float32)
    rows[:, of] = np.linspace(0, 1, count)
    rows[:, 0] = 1 - rows[:, of]
    return rows


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    random = np.random.default_rng(0)
    spoken = [utterance(f"u{i}", random) for i in range(3)]
    rows = {u.name: ramp(-(-len(u.audio) * LABEL_HZ // 16000), 3 + i) for i, u in enumerate(spoken)}
    write_shard(tmp_path / "train-human-000.npz", spoken, telling(rows))
    return read_shard(tmp_path / "train-human-000.npz")


def test_a_shard_keeps_what_is_likely_in_memory_and_on_disk(shard: Shard) -> None:
    opened = open_shard(shard.path)
    for i in range(3):
        one, other = Said.of(shard, i), Said.of(opened, i)
        assert one.likely is not None
        np.testing.assert_array_equal(one.likely, other.likely)
        count = len(one.likely)
        np.testing.assert_allclose(one.likely / 255, ramp(count, 3 + i), atol=0.5 / 255 + 1e-6)


def test_one_byte_of_it_changed_is_found(shard: Shard) -> None:
    with np.load(shard.path) as data:
        content = {name: data[name] for name in data.files}
    content["likely"][5, 4] ^= 1
    np.savez(shard.path, **content)
    for read in (read_shard, open_shard):
        with pytest.raises(DataError, match="digest"):
            read(shard.path)


@pytest.mark.parametrize("wrong", ["fewer rows", "other classes", "numbers"])
def test_what_does_not_fit_the_curves_is_refused(shard: Shard, wrong: str) -> None:
    from distill.corpus.shards import digest_of

    with np.load(shard.path) as data:
        content = {name: data[name] for name in data.files}
    likely = content["likely"]
    content["likely"] = {
        "fewer rows": likely[:-1], "other classes": likely[:, :-1], "numbers": likely.astype(np.float32)
    }[wrong]  # fmt: skip
    content["digest"] = np.array(digest_of((content["audio"], content["rig"], content["likely"])))
    np.savez(shard.path, **content)
    for read in (read_shard, open_shard):
        with pytest.raises(DataError, match="likely"):
            read(shard.path)


def test_rows_and_stretches_carry_it_at_the_times_of_their_labels(shard: Shard) -> None:
    random = np.random.default_rng(2)
    rows = StreamRows([shard], 320, 320, {}, None).batch(random, 4, 300)
    stretches = Stretches([shard], WindowSpec(8192, 1024), {}, None).batch(random, 99, 40, 320)
    for batch in (rows, stretches):
        told = batch.likely.astype(np.int64).sum(-1)
        assert set(np.unique(told)) <= {0, 254, 255, 256}, "rows of bytes that are one in all, or nothing"
        assert (told > 0).any()
    at = stretches.starts + 8192 - 1024
    near = np.lib.stride_tricks.sliding_window_view(np.abs(stretches.clean[:, 0]), 401, axis=1)[:, at - 200].max(2)
    assert (near == 0).any(), "some go on when nobody speaks any more"
    assert not stretches.likely[near == 0].any()
    # the ramp's slope is that of time: sure by so much more every hop of 20 ms, within an utterance
    sure = rows.likely.max(2, where=np.arange(len(CLASSES)) > 0, initial=0).astype(np.int64)
    rises = np.diff(sure, axis=1)
    longest = max(np.diff(shard.rig_offsets))
    usual = np.median(rises[rises > 0])
    assert 2 * 255 / longest - 1.5 <= usual <= 2 * 255 / min(np.diff(shard.rig_offsets)) + 1.5


def test_what_is_likely_is_that_of_its_time() -> None:
    told = np.zeros((100, len(CLASSES)), np.uint8)
    told[:, 3] = np.arange(100)
    _, likely = Said([], told).at(np.array([0.0, 0.104, 0.5, 0.99, 1.2]))
    assert likely[:, 3].tolist() == [0, 10, 50, 99, 99]


def test_where_nobody_says_what_is_likely_the_phones_count_alone() -> None:
    phones = [Phone("m", 0.1, 0.3), Phone("a", 0.3, 0.5)]
    times = np.arange(0, 0.6, 0.02)
    classes, likely = Said(phones).at(times)
    np.testing.assert_array_equal(classes, phone_classes(phones, times))
    assert not likely.any()
    scores = torch.randn(1, len(times), len(CLASSES), generator=torch.Generator().manual_seed(0))
    hard = torch.from_numpy(classes)[None]
    torch.testing.assert_close(likely_loss(scores, hard, torch.from_numpy(likely)[None]), phone_loss(scores, hard))


def test_certain_is_as_a_phone_and_nothing_known_costs_nothing() -> None:
    scores = torch.randn(2, 7, len(CLASSES), generator=torch.Generator().manual_seed(1))
    classes = torch.arange(14).reshape(2, 7) % 9
    certain = (255 * torch.nn.functional.one_hot(classes, len(CLASSES))).to(torch.uint8)
    unknown = torch.full_like(classes, UNKNOWN_CLASS)
    torch.testing.assert_close(likely_loss(scores, unknown, certain), phone_loss(scores, classes))
    assert likely_loss(scores, unknown, torch.zeros_like(certain)) == 0


def test_the_least_loss_is_at_what_the_teacher_holds_likely() -> None:
    """Of one instant, of which the teacher is two thirds sure: by the phone alone a student would be quite sure."""
    likely = torch.zeros(1, 1, len(CLASSES), dtype=torch.uint8)
    likely[..., 4], likely[..., 7] = 170, 85
    scores = torch.zeros(1, 1, len(CLASSES), requires_grad=True)
    classes = torch.full((1, 1), 4)
    way = torch.optim.LBFGS([scores], max_iter=200)

    def closure() -> torch.Tensor:
        way.zero_grad()
        loss = likely_loss(scores, classes, likely)
        loss.backward()
        return loss

    way.step(closure)
    held = scores.detach().softmax(-1)[0, 0]
    torch.testing.assert_close(held[[4, 7]], torch.tensor([2 / 3, 1 / 3]), atol=0.02, rtol=0)


class Opening:
    """A teacher by ear whose jaw opens by a tenth a second, told 25 times a second."""

    def label(self, sound: np.ndarray) -> RigTrack:
        values = np.zeros((len(sound) * 25 // 16000 + 1, 52), np.float32)
        values[:, LAYOUT.index("jawOpen")] = np.arange(len(values)) / 250
        return RigTrack(values, Fraction(25), LAYOUT)


def test_labels_are_told_a_hundred_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the teacher's own rate: a second late after a hundred is an open mouth at an /m/."""
    monkeypatch.setitem(sys.modules, "studio.mouths", SimpleNamespace(TEACHER=Opening))
    track = labeller("studio.mouths").label(utterance("u", np.random.default_rng(0)))
    assert (track.fps, len(track.values)) == (LABEL_HZ, 300)
    np.testing.assert_allclose(track.values[:, LAYOUT.index("jawOpen")], np.arange(300) / 1000, atol=1e-6)


def test_the_neural_teacher_says_what_it_holds_likely() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    track = NeuralTeacher().label(sound)
    assert track.likely is not None
    assert track.likely.shape == (50, len(CLASSES))
    np.testing.assert_allclose(track.likely.sum(1), 1, atol=1e-5)
    spoken = utterance("u", np.random.default_rng(1))
    told = labeller("neural").label(replace(spoken, phones=[]))
    assert told.likely is not None
    assert told.likely.shape == (len(told.values), len(CLASSES))

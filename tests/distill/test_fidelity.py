"""How near a student comes to its labels: what counts, what does not, and which of two trainings is nearer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_checkpoint import small_checkpoint
from small_corpus import utterance

from distill.corpus.shards import read_shard, write_shard
from distill.recipes.fidelity import main
from distill.scoring.conditions import Item
from distill.scoring.fidelity import Clip, Fidelity, clips_of
from sdk.errors import DataError
from sdk.rig import RigLayout


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    write_shard(tmp_path / "shards/valid-human-000.npz", [utterance(f"{i}", random) for i in range(6)])
    write_shard(tmp_path / "shards/valid-espeak-000.npz", [utterance("e", random)])
    return tmp_path


@pytest.fixture
def ruler(corpus: Path) -> Fidelity:
    shard = read_shard(corpus / "shards/valid-human-000.npz")
    return Fidelity(clips_of([shard]), shard.layout)


def off_by(amount: float):  # type: ignore[no-untyped-def]
    """A mouth that is wrong in every channel that moves, by another amount for each clip."""
    return lambda item, labels: labels + amount * (1 + int(item.name)) * labels.std(0)


def test_labels_score_nothing_and_their_mean_one(ruler: Fidelity) -> None:
    assert ruler.scores(ruler.ask(lambda item, labels: labels)) == {"shapes": 0.0, "mouth": 0.0, "shut_auc": 1.0}
    spoken = np.concatenate([clip.labels[clip.spoken] for clip in ruler.clips])
    still = ruler.scores(ruler.ask(lambda item, labels: np.broadcast_to(spoken.mean(0), labels.shape)))
    assert still["shapes"] == pytest.approx(1.0)
    assert still["mouth"] == pytest.approx(1.0)
    assert still["shut_auc"] == pytest.approx(0.5)


def test_only_speech_is_asked_about(ruler: Fidelity) -> None:
    assert 0 < sum(clip.spoken.sum() for clip in ruler.clips) < sum(len(clip.spoken) for clip in ruler.clips)
    spoken = {clip.item.name: clip.spoken for clip in ruler.clips}
    open_where_nobody_speaks = lambda item, labels: np.where(spoken[item.name][:, None], labels, 1.0)  # noqa: E731
    assert ruler.scores(ruler.ask(open_where_nobody_speaks))["mouth"] == 0.0


def test_the_nearer_of_two_is_told_by_the_interval_of_their_difference(ruler: Fidelity) -> None:
    near, far = ruler.ask(off_by(0.05)), ruler.ask(off_by(0.06))
    alone, apart = ruler.interval(near), ruler.interval(far, near)
    assert alone["shapes"][1] > ruler.scores(far)["shapes"], "speakers differ more than the two do"
    assert apart["shapes"][0] > 0
    assert apart["mouth"][0] > 0
    assert ruler.interval(near, near)["shapes"] == (0.0, 0.0)


def test_nothing_to_be_near_to_is_said(ruler: Fidelity, corpus: Path) -> None:
    with pytest.raises(DataError, match="none of the 1 shards holds human speech"):
        clips_of([read_shard(corpus / "shards/valid-espeak-000.npz")])
    silent = Clip(Item("a", np.zeros(1600, np.float32), []), np.zeros((3, 52), np.float32), np.zeros(3, bool))
    rising = np.linspace(0.3, 0.6, 3, dtype=np.float32)[:, None]
    open_alone = Clip(silent.item, silent.labels + rising, ~silent.spoken)
    still = Fidelity([open_alone], RigLayout.arkit())
    assert np.isnan(still.scores(still.ask(lambda item, labels: labels + 0.1))["shut_auc"]), "no lips to shut"
    with pytest.raises(DataError, match="nobody speaks"):
        Fidelity([silent], RigLayout.arkit())


def test_the_command_compares_with_the_first(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_checkpoint(tmp_path / "one.pt")
    small_checkpoint(tmp_path / "two.pt")
    systems = [str(tmp_path / "one.pt"), str(tmp_path / "two.pt")]
    assert main([*systems, "--corpus", str(corpus), "--json", str(tmp_path / "f.json")]) == 0
    told, found = capsys.readouterr().out, json.loads((tmp_path / "f.json").read_text())
    assert list(found) == ["quiet", "10db"]
    assert list(found["quiet"]) == ["one.pt", "two.pt", "*loudness*", "*mean_pose*", "*exact*", "two.pt - one.pt"]
    assert "two.pt - one.pt" in told
    quiet = found["quiet"]
    apart = quiet["two.pt"]["shapes"] - quiet["one.pt"]["shapes"]
    assert quiet["two.pt - one.pt"]["shapes"] == pytest.approx(apart)
    assert found["quiet"]["one.pt"] != found["10db"]["one.pt"]
    assert main([systems[0], systems[0], "--corpus", str(corpus)]) == 2

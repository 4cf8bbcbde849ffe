"""A corpus in S3, spoken to by s3fs as it would be far away; the server is moto's, on this machine."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_corpus import STREAM, small_corpus

from distill.corpus.shelf import load_shards
from distill.corpus.store import Cache, Stored
from distill.speech.augment import Augment
from distill.training.feeds import feed_of
from distill.training.options import Conduct
from distill.training.plan import Plan
from distill.training.readers import drawn
from distill.training.run import Run
from distill.training.student import train
from sdk.errors import DataError

pytest.importorskip("s3fs", reason="the extra `store` is not installed")
served = pytest.importorskip("moto.server", reason="moto's server is not installed: the extra `s3server`")
PLAN = Plan(steps=3, rows=1, row_hops=60)
WAY = Conduct(memory_bytes=0, save_every_s=0, readers=2)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_corpus(tmp_path_factory.mktemp("corpus"), shards=3, each=2)


@pytest.fixture
def store(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What to talk to a store by: its `server`, and at `url` a copy of the corpus."""
    import s3fs

    server = served.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    environment = {"AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()), "AWS_MAX_ATTEMPTS": "1"}
    environment |= {"AWS_ACCESS_KEY_ID": "us", "AWS_SECRET_ACCESS_KEY": "us", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.server, name = server, f"bucket-{secrets.token_hex(4)}"  # the server forgets no bucket
    store.url = f"s3://{name}/corpus"
    store.mkdir(name)
    for path in (corpus / "shards").iterdir():
        store.put_file(str(path), f"{name}/corpus/shards/{path.name}")
    try:
        yield store
    finally:
        server.stop()
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("cache_bytes", [10**9, 1])
def test_readers_read_s3(store: Any, corpus: Path, tmp_path: Path, cache_bytes: int) -> None:
    place = Stored(store.url, Cache(tmp_path / "cache", cache_bytes))
    feed, home = (feed_of(STREAM, PLAN, load_shards(one, "train", 0), Augment()) for one in (place, corpus))

    def seeded(step: int) -> np.random.Generator:
        return np.random.default_rng([1, step])

    pairs = zip(drawn(feed.draw, seeded, 0, 6, 2), drawn(home.draw, seeded, 0, 6), strict=True)
    assert all(np.array_equal(ours.audio, theirs.audio) for ours, theirs in pairs)
    kept = len(list(tmp_path.glob("cache/*")))
    assert kept == 3 if cache_bytes > 1 else kept == 0


def learn_until_killed(corpus: str, cache: Path, out: Path, open_while_alive: Any) -> None:
    step = Run._step

    def dying(run: Run, at: int, *rest: Any) -> float:
        if at == 2 and not open_while_alive.closed:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(run, at, *rest)

    Run._step = dying  # type: ignore[assignment,method-assign]
    train(STREAM, PLAN, Stored(corpus, Cache(cache)), out, None, {}, conduct=WAY)


def test_a_run_from_s3_that_was_killed_goes_on_to_the_weights_of_a_run_at_home(
    store: Any,
    corpus: Path,
    tmp_path: Path,
) -> None:
    out, cache = tmp_path / "s.pt", tmp_path / "cache"
    spawn = multiprocessing.get_context("spawn")
    ended, open_while_alive = spawn.Pipe(duplex=False)
    child = spawn.Process(target=learn_until_killed, args=(store.url, cache, out, open_while_alive))
    child.start()
    open_while_alive.close()
    child.join(300)
    assert ended.poll(60), "its readers live on"
    assert child.exitcode == -signal.SIGKILL
    assert (tmp_path / "s.pt.resume").exists()
    away = train(STREAM, PLAN, Stored(store.url, Cache(cache)), out, None, {}, conduct=WAY)
    home = train(STREAM, PLAN, corpus, tmp_path / "home.pt", None, {}, conduct=replace(WAY, readers=0))
    assert away.weights_sha256 == home.weights_sha256


def test_what_is_damaged_or_does_not_answer_is_told(store: Any, tmp_path: Path) -> None:
    name = f"{store.url}/shards/train-human-001.npz"
    whole = store.cat_file(name)
    store.pipe_file(name, whole[:30_000] + bytes(8) + whole[30_008:])
    place = Stored(store.url, Cache(tmp_path / "cache"))
    shards = load_shards(place, "train", 0)
    shards[0].utterance(0)
    with pytest.raises(DataError, match=rf"^{name}: damaged shard"):
        shards[1].utterance(0)
    assert [path.name.partition("-")[2] for path in tmp_path.glob("cache/*")] == ["train-human-000.npz"]
    store.server.stop()
    with pytest.raises(DataError, match="the store does not answer"):
        shards[2].utterance(0)

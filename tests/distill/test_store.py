"""A corpus in a store is the corpus: the same batches and weights, a cache that keeps its bound, errors that tell."""

from __future__ import annotations

import http.server
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_corpus import STREAM, small_corpus

from distill.corpus.shelf import OnDisk, load_shards
from distill.corpus.store import Cache, Stored
from distill.speech.augment import Augment
from distill.training.feeds import feed_of
from distill.training.options import Conduct
from distill.training.plan import Plan
from distill.training.readers import drawn
from distill.training.student import train
from sdk.errors import ConfigError, DataError, EngineUnavailable

PLAN = Plan(steps=3, rows=1, row_hops=60)
fsspec = pytest.importorskip("fsspec")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_corpus(tmp_path_factory.mktemp("corpus"), shards=3, each=2)


@pytest.fixture
def bucket(corpus: Path) -> Iterator[str]:
    """The corpus in fsspec's own store in memory."""
    store = fsspec.filesystem("memory")
    for path in (corpus / "shards").iterdir():
        store.pipe_file(f"/bucket/corpus/shards/{path.name}", path.read_bytes())
    yield "memory://bucket/corpus"
    store.store.clear()


def audio_of(shards: list[Any], count: int = 5) -> list[np.ndarray]:
    feed = feed_of(STREAM, PLAN, shards, Augment())
    return [feed.draw(np.random.default_rng([1, step]), step).audio for step in range(count)]


@pytest.mark.parametrize(("memory_bytes", "shards_kept"), [(10**9, 0), (0, 3), (0, 1), (0, 0)])
def test_batches_do_not_tell_where_the_corpus_lies(
    corpus: Path, bucket: str, tmp_path: Path, memory_bytes: int, shards_kept: int
) -> None:
    size = (corpus / "shards" / "train-human-000.npz").stat().st_size
    cache = Cache(tmp_path / "cache", shards_kept * size + size // 2)
    stored = load_shards(Stored(bucket, cache), "train", memory_bytes)
    assert isinstance(stored[0].audio, OnDisk) == (memory_bytes == 0)
    assert not list(tmp_path.glob("cache/*")), "nothing is fetched before it is touched"
    for ours, theirs in zip(audio_of(stored), audio_of(load_shards(corpus, "train")), strict=True):
        assert np.array_equal(ours, theirs)
    kept = [path.stat().st_size for path in tmp_path.glob("cache/*")]
    assert len(kept) == shards_kept, "each whole and once, and none beyond the bound"


def test_weights_do_not_tell_either(corpus: Path, bucket: str, tmp_path: Path) -> None:
    way = Conduct(memory_bytes=0)
    stored = Stored(bucket, Cache(tmp_path / "cache"))
    made = [train(STREAM, PLAN, place, tmp_path / "s.pt", None, {}, conduct=way) for place in (corpus, stored)]
    assert made[0].weights_sha256 == made[1].weights_sha256


def test_what_was_written_again_is_fetched_again_and_what_is_damaged_is_told(
    corpus: Path, bucket: str, tmp_path: Path
) -> None:
    cache = Cache(tmp_path / "cache")
    place, store = Stored(bucket, cache), fsspec.filesystem("memory")
    before = load_shards(place, "train", 0)[0]
    before.utterance(0)
    (kept,) = cache.folder.iterdir()
    other = (corpus / "shards" / "train-human-001.npz").read_bytes()
    store.pipe_file("/bucket/corpus/shards/train-human-000.npz", other)
    again = load_shards(place, "train", 0)[0]
    assert again.names[0] == "10"
    again.utterance(0)
    assert len(list(cache.folder.iterdir())) == 2
    assert kept.exists()

    store.pipe_file("/bucket/corpus/shards/train-human-002.npz", other[:30_000] + bytes(8) + other[30_008:])
    damaged = load_shards(place, "train", 0)[2]
    with pytest.raises(DataError, match=r"^memory://bucket/corpus/shards/train-human-002\.npz: damaged shard"):
        damaged.utterance(0)
    assert not [path for path in cache.folder.iterdir() if path.name.endswith(".part")]
    store.rm_file("/bucket/corpus/shards/train-human-001.npz")
    assert len(load_shards(place, "train", 0)) == 2


def test_a_store_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no store"):
        Stored("nobody://bucket/corpus")
    with pytest.raises(DataError, match="no usable train shards"):
        load_shards(Stored("memory://empty/corpus", Cache(tmp_path)), "train")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(EngineUnavailable, match=r"\.\[store\]"):
        Stored("s3://bucket/corpus")


class Ranges(http.server.SimpleHTTPRequestHandler):
    """A web server as stores are: it gives the bytes that are asked for."""

    asked: list[str] = []  # noqa: RUF012

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not wanted or not path.is_file():
            super().do_GET()
            return
        self.asked.append(path.name)
        data = path.read_bytes()
        part = data[int(wanted[1]) : int(wanted[2]) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {wanted[1]}-{int(wanted[1]) + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)


def test_readers_read_a_web_server(corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="the extra `store` is not installed")
    handler = type("Served", (Ranges,), {"__init__": lambda self, *a: Ranges.__init__(self, *a, directory=str(corpus))})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        place = Stored(f"http://127.0.0.1:{server.server_address[1]}", Cache(tmp_path / "cache", 1))
        feed = feed_of(STREAM, PLAN, load_shards(place, "train", 0), None)
        home = feed_of(STREAM, PLAN, load_shards(corpus, "train"), None)

        def seeded(step: int) -> np.random.Generator:
            return np.random.default_rng([1, step])

        pairs = zip(drawn(feed.draw, seeded, 0, 4, 2), drawn(home.draw, seeded, 0, 4), strict=True)
        assert all(np.array_equal(ours.audio, theirs.audio) for ours, theirs in pairs)
        assert not list(tmp_path.glob("cache/*")), "there was no room, so ranges alone were read"
        assert len(Ranges.asked) > 10
    finally:
        server.shutdown()
        server.server_close()

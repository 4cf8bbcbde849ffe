"""A corpus in a store (S3, Google's, HTTP: what fsspec opens by a URL), kept on this machine as far as a cache goes.

    s3://bucket/corpus/shards/train-*.npz --its end and its small arrays, by ranges, at the start--> Shard
        an utterance of it --the whole shard, checked, at its first touch--> the cache, while there is room
                           --its own bytes, by ranges--> nowhere, when there is none

Nothing is thrown out of the cache to make room: draws go over the whole corpus, so what was thrown out would be fetched
again before long. So a cache of any size fills once and then serves its share. Batches are the same wherever a shard
lies. A process that was forked opens the store anew, since connections cannot be shared.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from distill.corpus.shards import read_shard
from sdk.errors import ConfigError, DataError, EngineUnavailable, pip_install
from sdk.tools.cache import cache_folder

CACHE_BYTES = 50_000_000_000
_BLOCK_BYTES = 1 << 16  # what is read ahead of a shard's small arrays
_AT_ONCE = 16  # questions in flight to a store
_MARKS = set("size ETag etag LastModified Last-Modified last_modified mtime created generation md5Hash".split())


def kept_below() -> Path:
    """Where shards are kept if nobody says otherwise."""
    return cache_folder() / "shards"


@dataclass
class Cache:
    """Shards of stores below `folder`, `most_bytes` of them and at most one shard more for each process that reads."""

    folder: Path = field(default_factory=kept_below)
    most_bytes: int = CACHE_BYTES
    full: bool = False  # for this process, from the first shard that found no room

    def has_room(self, more_bytes: int) -> bool:
        """Whether `more_bytes` still fit."""
        if not self.full:
            held = 0
            for file in self.folder.glob("*"):
                with suppress(FileNotFoundError):  # another process has just given a part its name
                    held += file.stat().st_size
            self.full = held + more_bytes > self.most_bytes
        return not self.full


@dataclass(frozen=True)
class Stored:
    """The corpus folder at `url`. Raises `EngineUnavailable` where fsspec or its part for such a URL is missing,
    `ConfigError` for a URL of no store."""

    url: str
    cache: Cache = field(default_factory=Cache)

    def __post_init__(self) -> None:
        _filesystem(self.url)

    def __str__(self) -> str:
        return self.url

    def files(self, split: str) -> list[StoredFile]:
        """Its shards of a split, by name. Raises `DataError` where the store does not answer."""
        store, root = _filesystem(self.url)
        with _answering(self.url):
            paths = sorted(store.glob(f"{root.rstrip('/')}/shards/{split}-*.npz"))
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                found = list(pool.map(store.info, paths))
            return [self._file(str(path), facts) for path, facts in zip(paths, found, strict=True)]

    def _file(self, path: str, facts: dict[str, Any]) -> StoredFile:
        url = f"{self.url.rstrip('/')}/shards/{PurePosixPath(path).name}"
        dated = [f"{key} {facts[key]}" for key in sorted(facts) if key in _MARKS]
        mark = hashlib.sha256("\n".join([url, *dated]).encode()).hexdigest()[:16]
        return StoredFile(url, int(facts["size"]), mark, self.cache)


@dataclass(frozen=True)
class StoredFile:
    """A shard in a store; as much of `Path` as readers of shards ask for. mark: another when it was written again."""

    url: str
    size_bytes: int
    mark: str
    cache: Cache

    @property
    def name(self) -> str:
        return PurePosixPath(self.url).name

    @property
    def stem(self) -> str:
        return PurePosixPath(self.url).stem

    def __str__(self) -> str:
        return self.url

    @property
    def kept(self) -> Path:
        """Where the cache keeps it, if it does."""
        return self.cache.folder / f"{self.mark}-{self.name}"

    def open(self, mode: str = "rb") -> IO[Any]:
        """To read from: what the cache keeps, else by ranges from the store."""
        if self.kept.exists():
            return self.kept.open(mode)
        store, path = _filesystem(self.url)
        file: IO[Any] = store.open(path, mode, block_size=_BLOCK_BYTES)
        return file

    def rows(self, start: int, count: int) -> bytes:
        """`count` of its bytes from `start` on; it is fetched whole first, and checked, where the cache has room.

        Raises `DataError` where it is damaged or the store does not answer.
        """
        with _answering(self.url):
            if self.kept.exists() or (self.cache.has_room(self.size_bytes) and self._fetch()):
                with self.kept.open("rb") as file:
                    file.seek(start)
                    return file.read(count)
            store, path = _filesystem(self.url)
            data: bytes = store.cat_file(path, start=start, end=start + count) if count else b""
            return data

    def _fetch(self) -> bool:
        self.cache.folder.mkdir(parents=True, exist_ok=True)
        part = self.cache.folder / f".{self.kept.name}.{os.getpid()}.part"
        store, path = _filesystem(self.url)
        try:
            store.get_file(path, str(part))
            try:
                read_shard(part)
            except DataError as error:
                raise DataError(f"{self.url}: {str(error).removeprefix(f'{part}: ')}") from error
            part.replace(self.kept)
        finally:
            part.unlink(missing_ok=True)
        return True


@contextmanager
def _answering(url: str) -> Iterator[None]:
    """Errors of a store, which are as many as there are stores, become `DataError`."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError(
            f"{url}: the store does not answer ({why}); when it does, the same command goes on from the last checkpoint"
        ) from error


def _filesystem(url: str) -> tuple[Any, str]:
    """The store of a URL, one for each process, and the path inside it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise EngineUnavailable(f"{url}: stores need fsspec ({error}): {pip_install('store')}") from error
    try:
        store, path = url_to_fs(url)
    except ImportError as error:  # fsspec says which package opens such a URL
        raise EngineUnavailable(f"{url}: {error}: {pip_install('store')}, or that package") from error
    except ValueError as error:
        raise ConfigError(f"{url}: no store is opened by such a URL ({error}); give s3://, gs://, https://") from error
    return store, path

"""A corpus labelled by other engines is the corpus: the same shards, whatever was killed on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_pseudo_label import SHARD_S, contents, librispeech, straight, teacher  # noqa: F401

from distill.corpus.board import read_board
from distill.corpus.engines import ray as on_ray
from distill.corpus.engines import slurm
from distill.recipes.pseudo_label import label, main
from sdk.errors import CheckpointError, ConfigError, DataError


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of Ray, each in processes of its own, with a CPU each."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        made.second = made.add_node(num_cpus=1)
        monkeypatch.setenv("RAY_ADDRESS", made.address)
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


def test_a_node_of_ray_is_killed_and_every_shard_is_the_same(
    cluster: Any,
    librispeech: Path,  # noqa: F811
    straight: Path,  # noqa: F811
    teacher: str,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed: list[float] = []

    def kill() -> None:
        while not list((tmp_path / "shards").glob("*.npz")):
            time.sleep(0.05)
        cluster.remove_node(cluster.second, allow_graceful=False)
        killed.append(time.monotonic())

    killer = threading.Thread(target=kill)
    killer.start()
    done = label([librispeech], tmp_path, teacher, subsets=4, shard_s=SHARD_S, engine="ray")
    killer.join()
    assert killed
    assert contents(tmp_path) == contents(straight)
    assert len(done.paths) == len(contents(straight))
    again = label([librispeech], tmp_path, teacher, subsets=4, shard_s=SHARD_S, engine="ray")
    assert again.kept == len(again.paths)

    once, ever = sorted(path.stem for path in done.paths)[:2]
    for name in (once, ever):
        (tmp_path / "shards" / f"{name}.npz").unlink()

    def dying(batch: Any, folder: str, *rest: str) -> Any:
        mark = Path(folder).parent / batch.name
        if batch.name == ever or (batch.name == once and not mark.exists()):
            mark.touch()
            (Path(folder) / f".{batch.name}.npz.0123.part").write_bytes(b"half")
            os._exit(1)
        return work(batch, folder, *rest)

    work = on_ray._work
    monkeypatch.setattr(on_ray, "_work", dying)
    monkeypatch.setattr(on_ray, "RETRIES", 1)
    with pytest.raises(DataError, match=rf"1 shards were given up, .*shard {ever}: its workers were lost 2 times"):
        label([librispeech], tmp_path, teacher, subsets=4, shard_s=SHARD_S, engine="ray")
    (told,) = read_board(tmp_path)
    assert (told.made, told.kept, told.failed, told.left, told.lost) == (1, len(done.paths) - 2, 1, 0, 2)
    assert not list((tmp_path / "shards").glob(".*")), "what the killed had half written"
    monkeypatch.undo()
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    label([librispeech], tmp_path, teacher, subsets=4, shard_s=SHARD_S, engine="ray")
    assert contents(tmp_path) == contents(straight)

    words = ["--speech", librispeech, "--out", tmp_path, "--teacher", teacher, "--subsets", 4, "--engine", "ray"]
    command = [sys.executable, "-m", "distill.recipes.pseudo_label", *map(str, words), "--shard-seconds", str(SHARD_S)]
    for _ in range(5):  # two workers may end the four shards before the first has been seen
        for path in (tmp_path / "shards").iterdir():
            path.unlink()
        asked = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while asked.poll() is None and not list((tmp_path / "shards").glob("*.npz")):
            time.sleep(0.02)
        asked.terminate()
        said = asked.communicate(timeout=120)[1]
        if asked.returncode:
            break
    assert (asked.returncode, read_board(tmp_path)[0].ended) == (130, "stopped"), said
    assert "goes on from what is done" in said
    with pytest.raises(CheckpointError):
        label([librispeech], tmp_path, str(tmp_path / "none.teacher"), subsets=4, shard_s=SHARD_S, engine="ray")


def test_the_jobs_of_an_array_make_the_same_shards(
    librispeech: Path,  # noqa: F811
    straight: Path,  # noqa: F811
    teacher: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    out = tmp_path / "a corpus"
    arguments = ["--speech", str(librispeech), "--out", str(out), "--teacher", teacher, "--subsets", "4"]
    arguments += ["--shard-seconds", str(SHARD_S)]
    assert main([*arguments, "--engine=slurm", "--parts", "2"]) == 0
    script = out / "label.sbatch"
    assert "#SBATCH --array=0-1\n" in script.read_text("utf-8")
    for number in (1, 0):  # as Slurm runs it
        done = subprocess.run(
            ["sh", str(script)], env={"SLURM_ARRAY_TASK_ID": str(number), "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    script.unlink()
    assert contents(out) == contents(straight)


@pytest.mark.parametrize("text", ["3", "2/2", "-1/2", "a/b", "1/0", "1/2/3"])
def test_a_part_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="part"):
        slurm.part_of(text)

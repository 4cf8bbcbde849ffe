"""Several processes train one student: equal weights, the mean of their gradients, what one does with both batches."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_corpus import SMALL, utterance
from torch import Tensor

from distill.corpus.shards import write_shard
from distill.files.checkpoint import Checkpoint
from distill.speech.augment import Augment
from distill.students.spec import load_variant
from distill.training.options import Conduct
from distill.training.plan import Plan
from distill.training.run import Run
from distill.training.student import train

SPEC = load_variant("s6", SMALL)
PLAN = Plan(steps=6, exact_steps=0, rows=1, row_hops=60, learning_rate=3e-3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(0)
    write_shard(folder / "shards" / "train-human-000.npz", [utterance(str(i), random) for i in range(4)])
    return folder


def process(environment: dict[str, str], corpus: Path, out: Path, die_at: int, stop_at: int) -> None:
    """One of them: trains, leaves what it had beside `out`. The second is killed at step `die_at`, when the first has
    just saved, and told to stop in step `stop_at`."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    step, agree = Run._step, Run._agree
    left: dict[str, Any] = {"losses": [], "own": [], "gradients": []}

    def watched_step(run: Run, at: int, *rest: Any) -> float:
        if at == die_at:
            run.save()
            run.accelerator.wait_for_everyone()
            if not run.accelerator.is_main_process:
                os.kill(os.getpid(), signal.SIGKILL)
        if at == stop_at and not run.accelerator.is_main_process:
            signal.raise_signal(signal.SIGTERM)
        left["run"] = run
        left["losses"].append(step(run, at, *rest))
        return float(left["losses"][-1])

    def watched_agree(run: Run, loss: Tensor, asked: list[float]) -> Tensor:
        gradient = next(run.student.parameters()).grad
        assert gradient is not None
        left["own"].append(float(loss))
        before = gradient.flatten()[:3].tolist()
        mean = agree(run, loss, asked)
        left["gradients"].append((before, gradient.flatten()[:3].tolist()))
        return mean

    Run._step, Run._agree = watched_step, watched_agree  # type: ignore[assignment,method-assign]
    if stop_at < 0:
        train(SPEC, PLAN, corpus, out, Augment(), {})
        assert out.exists(), "nobody goes on before the checkpoint is there"
    else:
        with pytest.raises(KeyboardInterrupt):
            train(SPEC, PLAN, corpus, out, Augment(), {})
        assert out.with_name(out.name + ".resume").exists(), "nobody ends before the first has saved"
    run: Run = left.pop("run")
    left["processes"] = run.accelerator.num_processes
    left["drawn"] = float(run.random(0).random())
    for name, state in (("student", run.student.state_dict()), ("average", run.average)):
        left[name] = hashlib.sha256(b"".join(value.numpy().tobytes() for value in state.values())).hexdigest()
    out.with_suffix(f".rank{environment['RANK']}.json").write_text(json.dumps(left))
    torch.distributed.destroy_process_group()


def run(corpus: Path, out: Path, die_at: int = -1, stop_at: int = -1) -> tuple[list[int | None], list[dict[str, Any]]]:
    """Exit statuses of two processes, and what each left behind. They meet as `torchrun` lets them meet."""
    context = multiprocessing.get_context("forkserver")
    # all is imported once, and what the first step of an optimiser imports, too
    context.set_forkserver_preload(["distill.training.student", "accelerate", "torch._dynamo"])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
    ranks = [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    started = [context.Process(target=process, args=(rank, corpus, out, die_at, stop_at)) for rank in ranks]
    for one in started:
        one.start()
    for one in started:
        one.join(500)
    left = [out.with_suffix(f".rank{rank}.json") for rank in range(2)]
    return [one.exitcode for one in started], [json.loads(path.read_text()) for path in left if path.exists()]


@pytest.mark.skipif(os.name != "posix", reason="forkserver")
def test_two_processes_keep_equal_weights_and_resume_to_the_same_curve(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses, (first, second) = run(corpus, tmp_path / "straight.pt")
    assert statuses == [0, 0]
    assert first["processes"] == second["processes"] == 2
    assert first["drawn"] == float(np.random.default_rng([1, 0]).random()), "the first draws as one alone does"
    assert first["drawn"] != second["drawn"], "each draws its own"
    for name in ("student", "average", "losses"):
        assert first[name] == second[name], name
    assert first["losses"] == pytest.approx(np.mean([first["own"], second["own"]], axis=0), rel=1e-6)
    for (own, mean), (other, _) in zip(first["gradients"], second["gradients"], strict=True):
        assert mean == pytest.approx(np.mean([own, other], axis=0), rel=1e-4, abs=1e-9)

    out = tmp_path / "killed.pt"
    statuses, left = run(corpus, out, die_at=2)
    assert statuses[1] == -signal.SIGKILL
    assert statuses[0] not in (0, None), "nobody waits for the dead"
    assert (left, out.exists()) == ([], False)
    statuses, (resumed, _) = run(corpus, out, stop_at=3)
    assert statuses == [0, 0], "one was told to stop, both did, after the same step"
    assert resumed["losses"] == first["losses"][2:4]

    elsewhere = tmp_path / "another machine"
    shutil.copytree(corpus, elsewhere / "corpus")
    shutil.move(tmp_path / "killed.pt.resume", elsewhere / "alone.pt.resume")
    left_over = alone(elsewhere / "corpus", elsewhere / "alone.pt", monkeypatch)
    assert left_over == pytest.approx(first["losses"][4:], rel=1e-5), "one process that makes both batches goes on"
    assert alone(corpus, tmp_path / "alone.pt", monkeypatch) == pytest.approx(first["losses"], rel=1e-5)
    ours, theirs = (Checkpoint.load(path).state for path in (elsewhere / "alone.pt", tmp_path / "straight.pt"))
    for name, value in ours.items():
        assert torch.allclose(value.float(), theirs[name].float(), rtol=1e-2, atol=2e-4), name


def alone(corpus: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The losses of one process that makes two batches a step."""
    losses: list[float] = []
    step = Run._step
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_step", lambda run, *rest: losses.append(step(run, *rest)) or losses[-1])
        train(SPEC, PLAN, corpus, out, Augment(), {}, conduct=Conduct(accumulate=2))
    return losses

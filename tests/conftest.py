"""Shared by all tests: where the optional real data lies, and one thread for torch."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from made_once import run_folder

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Python looks for circles of garbage after every 700 new objects, each time through more of what torch has loaded:
    a tenth of what lowering takes, a fifth of its imports.

    Hypothesis draws the same in every run, by no clock: a change is refused for what it does, not for a draw that
    nobody can repeat or a machine that stood still for a fifth of a second. `make fuzz` is what draws anew.
    """
    gc.set_threshold(100_000, 20, 100)
    unhurried = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    settings.register_profile("same", derandomize=True, database=None, deadline=None, suppress_health_check=unhurried)
    settings.load_profile("same")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side, files of few tests come first: these are the long ones (a build, a training, a demo), and at the
    end no process sits idle while another is in the middle of one.

    Of a whole run of 18 minutes of work two processes ended within a second of each other so; by the durations of its
    files the worst of two thousand other orders would have cost 38 s, longest first would have gained none.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        tests = Counter(item.path for item in items)
        items.sort(key=lambda item: tests[item.path])


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real speech and faces, from TINYFACE_DATA or ../shared/data; the test is skipped where there are none."""
    folder = Path(os.environ.get("TINYFACE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set TINYFACE_DATA to run this test")
    return folder


@pytest.fixture(autouse=True, scope="session")
def one_torch_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds that nobody listens to: a fresh process imports torch for seconds, and `heard` has tests of its own."""
    monkeypatch.setattr("export.pipeline.listen", lambda *given: {"why_not": "nobody listens here"})


@pytest.fixture(autouse=True, scope="session")
def plans_of_this_run_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is cached between builds (`export/plan/known.py`) lies in a folder of this run, for all its processes."""
    os.environ["TINYFACE_CACHE"] = str(run_folder(tmp_path_factory) / "cache")


@pytest.fixture(autouse=True, scope="session")
def fresh_processes_start_with_torch() -> Iterator[None]:
    """As those of one build do: torch is imported once for all that the tests of this process start."""
    from profiles.measure.harness import sharing_imports

    with sharing_imports():
        yield

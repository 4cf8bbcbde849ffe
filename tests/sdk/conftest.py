"""Shared by the sdk's tests: manifests, an engine without a model, and tiny sealed programs."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facts_of_manifests import CHANNELS, HOP_SAMPLES, WINDOW_SAMPLES, facts, stream_facts
from made_once import made_once

from sdk.artifact import seal
from sdk.engines.base import EngineState
from sdk.engines.eager import EagerEngine, EagerStreamEngine
from sdk.manifest import Manifest


@pytest.fixture
def make_manifest() -> Callable[..., Manifest]:
    return lambda **changes: Manifest(**facts(**changes))


@pytest.fixture
def make_engine() -> Callable[..., EagerEngine]:
    """An engine whose values are a fixed random linear map of the window, squashed into 0..1."""

    def make(**changes: Any) -> EagerEngine:
        manifest = Manifest(**facts(**changes))
        shape = (len(manifest.names), manifest.window_samples)
        matrix = np.random.default_rng(7).standard_normal(shape).astype(np.float32) / np.float32(30)
        return EagerEngine(manifest, lambda window: 1 / (1 + np.exp(-(matrix * window).sum(axis=1))))

    return make


@pytest.fixture
def make_stream_engine() -> Callable[..., EagerStreamEngine]:
    """An engine that remembers: values are a fixed random map of the hop and of a leaky sum of all before it."""

    def make(**changes: Any) -> EagerStreamEngine:
        manifest = Manifest(**stream_facts(**changes))
        random = np.random.default_rng(7)
        hop_map, sum_map, out_map = (
            random.standard_normal(shape).astype(np.float32) / np.float32(18)
            for shape in ((len(manifest.names), HOP_SAMPLES), (8, HOP_SAMPLES), (len(manifest.names), 8))
        )

        def step(hops: np.ndarray, state: EngineState) -> tuple[np.ndarray, EngineState]:
            heard, sums = state[0] + 1, state[1].reshape(-1, 8)
            # row by row, so that a voice's values do not depend on how many run beside it
            rows = [(hop_map * h).sum(1) + 9 * (out_map * s).sum(1) for h, s in zip(hops, sums, strict=True)]
            after = np.stack([0.8 * s + (sum_map * h).sum(1) for h, s in zip(hops, sums, strict=True)])
            values = 1 / (1 + np.exp(-np.stack(rows)))
            return values, (heard, after.reshape(-1, 4, 1, 2).astype(np.float32))

        return EagerStreamEngine(manifest, step)

    return make


@pytest.fixture(scope="session")
def tiny_programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A 27-parameter network as `.pte` (XNNPACK) and `.pt`, and a function that judges them."""
    torch = pytest.importorskip("torch", reason="torch builds the programs under test")
    pytest.importorskip("executorch.exir", reason="executorch builds the programs under test")
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    class Tiny(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(1, len(CHANNELS), (1, 8), stride=(1, 4))

        def forward(self, x: Any) -> Any:
            y = self.conv(x.reshape(1, 1, 1, WINDOW_SAMPLES))
            return torch.sigmoid((y * y).mean((2, 3), keepdim=True).reshape(1, len(CHANNELS)))

    torch.manual_seed(3)
    net = Tiny().eval()
    example = torch.randn(1, 1, WINDOW_SAMPLES)

    def make(_: Path) -> dict[str, bytes]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lowered = to_edge_transform_and_lower(
                torch.export.export(net, (example,), strict=False), partitioner=[XnnpackPartitioner()]
            )
            script = io.BytesIO()
            torch.jit.save(torch.jit.freeze(torch.jit.trace(net, example)), script)
        torch.set_num_threads(threads)
        return {"executorch": bytes(lowered.to_executorch().buffer), "torchscript": script.getvalue()}

    _, programs = made_once(tmp_path_factory, "tiny-programs", make)

    def eager(window: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            values: np.ndarray = net(torch.tensor(window).reshape(1, 1, -1)).numpy()
        return values

    return {**programs, "eager": eager}


@pytest.fixture(scope="session")
def sealed(tiny_programs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Paths of the two tiny artefacts, by runtime."""
    folder = tmp_path_factory.mktemp("artefacts")
    paths = {}
    for runtime, suffix in (("executorch", "pte"), ("torchscript", "pt")):
        paths[runtime] = folder / f"model.{suffix}"
        paths[runtime].write_bytes(seal(tiny_programs[runtime], Manifest(**facts(runtime=runtime))))
    return paths


@pytest.fixture
def beyond_select() -> Iterator[None]:
    """So many files are open that the next have numbers of 1,024 and more, which `select` does not take."""
    resource = pytest.importorskip("resource", reason="only there can a process be allowed more files")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip(f"a process may open {hard} files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield
    for descriptor in held:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="session")
def captures() -> list[Path]:
    """Real Live Link Face recordings, where they are."""
    root = Path(os.environ.get("TINYFACE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    found = [path for path in sorted((root / "capture").glob("*.csv")) if path.name != "tc.csv"]
    if not found:
        pytest.skip(f"no recordings under {root / 'capture'}; set TINYFACE_DATA to where they are")
    return found

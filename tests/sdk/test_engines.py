"""Engines on real tiny programs, and every way in which a file can be wrong."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facts_of_manifests import CHANNELS, WINDOW_SAMPLES, facts

import sdk
from sdk.artifact import open_artifact, seal
from sdk.engines.eager import EagerEngine
from sdk.errors import ArtifactError, AudioError, EngineUnavailable, ManifestError
from sdk.manifest import Manifest

RUNTIMES = ("executorch", "torchscript")


@pytest.fixture
def windows() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((5, WINDOW_SAMPLES)).astype(np.float32)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_sealed_program_runs_as_the_network_does(
    runtime: str, sealed: dict[str, Path], tiny_programs: dict[str, Any], windows: np.ndarray
) -> None:
    engine = sdk.open(sealed[runtime], trusted=True)
    assert engine.manifest.runtime == runtime
    for window in windows:
        values = engine.run(window)
        assert values.shape == (len(CHANNELS),)
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, tiny_programs["eager"](window)[0], atol=1e-5)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_one_engine_serves_several_threads(runtime: str, sealed: dict[str, Path], windows: np.ndarray) -> None:
    engine = sdk.open(sealed[runtime], trusted=True)
    wanted = [engine.run(window) for window in windows]
    wrong: list[int] = []

    def voice(which: int) -> None:
        for _ in range(40):
            if not np.allclose(engine.run(windows[which]), wanted[which], atol=1e-6):
                wrong.append(which)

    threads = [threading.Thread(target=voice, args=(which,)) for which in range(len(windows))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_windows_that_do_not_fit_never_reach_the_runtime(runtime: str, sealed: dict[str, Path]) -> None:
    engine = sdk.open(sealed[runtime], trusted=True)
    for window in (
        np.zeros(WINDOW_SAMPLES - 1, np.float32),
        np.zeros((1, 1, WINDOW_SAMPLES), np.float32),
        np.zeros(WINDOW_SAMPLES),
        [0.0] * WINDOW_SAMPLES,
    ):
        with pytest.raises(AudioError, match="window is"):
            engine.run(window)  # type: ignore[arg-type]
    strided = np.zeros(2 * WINDOW_SAMPLES, np.float32)[::2]
    assert engine.run(strided).shape == (len(CHANNELS),)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("changes", [{"window_samples": 999}, {"names": ["jawOpen"]}])
def test_a_program_that_is_not_the_manifest_s_is_refused_at_once(
    runtime: str, changes: dict[str, Any], tiny_programs: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "model"
    path.write_bytes(seal(tiny_programs[runtime], Manifest(**facts(runtime=runtime, **changes))))
    with pytest.raises(ArtifactError):
        sdk.open(path, trusted=True)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_sealed_program_still_opens_without_us(runtime: str, sealed: dict[str, Path], windows: np.ndarray) -> None:
    """Bare runtimes skip the seal: the whole file is still a `.pte` or a TorchScript zip."""
    import torch

    tensor = torch.tensor(windows[0]).reshape(1, 1, -1)
    if runtime == "torchscript":
        values = torch.jit.load(str(sealed[runtime]))(tensor)
    else:
        sdk.open(sealed[runtime], trusted=True)  # sets the runtime up
        from executorch.extension.pybindings import _C

        (values,) = _C._load_program(str(sealed[runtime])).load_method("forward")([tensor])
    np.testing.assert_allclose(values.numpy()[0], sdk.open(sealed[runtime], trusted=True).run(windows[0]), atol=1e-6)


def test_torchscript_leaves_the_callers_threads_alone(sealed: dict[str, Path], windows: np.ndarray) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        sdk.open(sealed["torchscript"], trusted=True).run(windows[0])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_runtime_that_is_not_installed_is_named(
    runtime: str, sealed: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("torch", "executorch.extension.pybindings"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EngineUnavailable, match="pip install"):
        sdk.open(sealed[runtime], trusted=True)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_damage_is_noticed(runtime: str, sealed: dict[str, Path], tmp_path: Path) -> None:
    whole = sealed[runtime].read_bytes()
    path = tmp_path / "model"
    for size in (0, 1, 39, 40, 50, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ArtifactError, match=r"seal|SHA"):
            sdk.open(path, trusted=True)
    for place in (0, 5, len(whole) // 3, len(whole) - 60, len(whole) - 42, len(whole) - 20, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(ArtifactError, match=r"seal|SHA"):
            sdk.open(path, trusted=True)


def _sealed_anyhow(program: bytes, text: bytes) -> bytes:
    body = program + text + struct.pack("<I", len(text))
    return body + hashlib.sha256(body).digest() + b"TINYFACE"


def test_foreign_files_and_manifests(tmp_path: Path) -> None:
    path = tmp_path / "model.pte"
    with pytest.raises(ArtifactError, match="cannot read"):
        sdk.open(path, trusted=True)
    with pytest.raises(ArtifactError):
        sdk.open(tmp_path)
    path.write_bytes(b"RIFF" + bytes(5000))
    with pytest.raises(ArtifactError, match="foreign"):
        sdk.open(path, trusted=True)
    for text in (b"", b"[]", b"\xff\xfe", b"{"):
        path.write_bytes(_sealed_anyhow(b"program", text))
        with pytest.raises(ManifestError):
            sdk.open(path, trusted=True)


@pytest.mark.parametrize("field", sorted(facts()))
def test_a_manifest_without_a_field_is_refused(field: str, tmp_path: Path) -> None:
    incomplete = {name: value for name, value in facts().items() if name != field}
    path = tmp_path / "model.pte"
    path.write_bytes(_sealed_anyhow(b"program", json.dumps(incomplete).encode()))
    with pytest.raises(ManifestError, match=f"{field} is missing"):
        sdk.open(path, trusted=True)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_whole_seal_on_a_program_that_is_none(runtime: str, tmp_path: Path, tiny_programs: dict[str, Any]) -> None:
    path = tmp_path / "model"
    half = tiny_programs[runtime][: len(tiny_programs[runtime]) // 2]
    for program in (b"", b"nonsense" * 100, half):
        path.write_bytes(_sealed_anyhow(program, json.dumps(facts(runtime=runtime)).encode()))
        with pytest.raises(ArtifactError, match="cannot load"):
            sdk.open(path, trusted=True)


def test_an_unknown_runtime_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(_sealed_anyhow(b"program", json.dumps(facts(runtime="abacus")).encode()))
    with pytest.raises(ArtifactError, match=r"'abacus'.*executorch.*torchscript"):
        sdk.open(path, trusted=True)


def test_program_and_manifest_come_back_from_the_seal(tiny_programs: dict[str, Any], sealed: dict[str, Path]) -> None:
    artifact = open_artifact(sealed["executorch"])
    assert artifact.read_program() == tiny_programs["executorch"]
    assert artifact.manifest == Manifest(**facts())


def test_eager_checks_what_its_function_gives(make_manifest: Callable[..., Manifest]) -> None:
    window = np.zeros(WINDOW_SAMPLES, np.float32)
    fine = EagerEngine(make_manifest(), lambda _: np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_array_equal(fine.run(window), np.float32([1, 2, 3]))
    with pytest.raises(ArtifactError, match="shape"):
        EagerEngine(make_manifest(), lambda _: np.zeros(4)).run(window)
    with pytest.raises(ArtifactError, match="NaN"):
        EagerEngine(make_manifest(), lambda _: np.array([0, np.nan, 0])).run(window)


def test_opening_a_pte_does_not_import_the_exporter(sealed: dict[str, Path]) -> None:
    code = f"import sys, sdk; sdk.open({str(sealed['executorch'])!r}); print('executorch.exir' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ("True" if sys.platform == "win32" else "False")

"""The ruler: it counts what a program takes, tells a broken file, and its own marks are right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from profiles.inspect.operators import operator_rows
from profiles.measure._probe import Heap
from profiles.measure.cpu import Job, measure_cases
from profiles.measure.harness import measure, run_fresh
from profiles.model.figures import Case, Setting
from sdk.errors import ArtifactError

ROOT = Path(__file__).resolve().parents[2]
glibc = pytest.mark.skipif(not Heap().known, reason="heap figures need glibc 2.33 or later")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module of 4 MB of weights."""
    path = tmp_path_factory.mktemp("script") / "model.pt"
    torch.jit.trace(torch.nn.Linear(8192, 122).eval(), torch.zeros(1, 1, 8192)).save(str(path))
    return path


@glibc
def test_counts_the_weights(script: Path) -> None:
    measured = measure(script, runs=5, shapes=[(1, 1, 8192)])
    weights = 8192 * 122 * 4
    assert measured.file_bytes == script.stat().st_size
    assert measured.runs == 5
    assert measured.loaded_bytes is not None
    assert measured.steady_bytes is not None
    assert measured.load_peak_bytes is not None
    assert weights < measured.loaded_bytes < 1.3 * weights
    assert measured.loaded_bytes <= measured.load_peak_bytes < 2.3 * weights
    assert measured.first_run_bytes == measured.steady_bytes - measured.loaded_bytes
    assert measured.heap_bytes == max(measured.steady_bytes, measured.load_peak_bytes)
    assert 0 < measured.median_us <= measured.p90_us


PEAK_PROGRAM = """
import ctypes
from profiles.measure._probe import Heap
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.free(libc.malloc(50_000_000))  # an old high-water mark, which must not count
libc.free(libc.malloc(60_000))  # free blocks of the heap, which must not hide what is served from them
heap = Heap()
used = heap.used_bytes()

def opened():
    kept.extend(libc.malloc(2_000) for _ in range(9))  # too small to be mapped: the heap's top grows, by what it pads
    first, gone = libc.malloc(1_000_000), [libc.malloc(20_000) for _ in range(50)]
    for block in gone:
        libc.free(block)
    kept.extend([first, libc.malloc(300_000)])

kept = []
print(heap.passing_bytes(opened), heap.used_bytes() - used)
"""


@glibc
def test_a_peak_that_is_gone_again_is_seen() -> None:
    """A million bytes in small blocks come and go before the last 300,000 are taken: 700,000 pass, in whole pages."""
    done = subprocess.run([sys.executable, "-c", PEAK_PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    passing, kept = map(int, done.stdout.split())
    assert 715_000 <= passing < 730_000, "and the heap's own top serves none of them unseen"
    assert 1_318_000 <= kept < 1_400_000


@glibc
def test_the_ruler_hides_nothing_behind_its_own_blocks() -> None:
    """12 KB pass, less than any buffer of a Python file; and nothing passes where nothing is done."""
    program = (
        "from profiles.measure._probe import Heap\nheap = Heap()\n"
        "print(heap.passing_bytes(lambda: None), heap.passing_bytes(lambda: bytearray(12_000) and None))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    nothing, passing = map(int, done.stdout.split())
    assert nothing == 0
    assert 12_000 <= passing <= 16_384


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.pte", None, "cannot read"),
        ("model.onnx", b"x", "cannot measure a .onnx file"),
        ("bad.pte", b"this is no program", "does not load and run"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=says) as caught:
        measure(tmp_path / name)
    assert name in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_unknown_load(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there are: mapped, buffer"):
        measure(tmp_path / "x.pte", load="magic")


def test_a_fresh_process_that_dies_is_told() -> None:
    with pytest.raises(ArtifactError, match=r"model: does not load and run: .*No module named"):
        run_fresh("profiles.no_such_module", "model")
    assert "profiles.no_such_module" not in sys.modules


def test_what_runs_a_file_is_its_manifest_and_not_its_name(known_pte: Path, tmp_path: Path) -> None:
    """Trust is asked by the manifest: a name must not choose another runtime than the one that was asked about."""
    named = tmp_path / "model.pt"
    named.write_bytes(known_pte.read_bytes())
    assert measure(named, runs=3).load == "mapped"
    assert operator_rows(named, runs=10)
    (case,) = measure_cases([Job(named, "known", Setting("xnnpack"))], launches=1, rounds=1, frames=5, memory=False)
    assert isinstance(case, Case)

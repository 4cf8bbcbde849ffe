"""`make bench`: every performance claim as a ratio, both sides in one run, on one thread.

    python -m tests.bench [--quick]

CPU seconds of this process, the median of alternating rounds, so that a busy neighbour falls on both sides.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.signal import resample_poly
from torch.nn import functional

import sdk
from distill.files.checkpoint import Checkpoint
from distill.students.spec import load_variant
from distill.students.stream import HOP_SAMPLES, StreamStudent
from distill.students.window import COLUMN_SAMPLES, WindowStudent
from distill.training.begin import initialise
from export.load.checkpoints import Wanted
from export.pipeline import build
from sdk.audio import StreamingResampler

ROUNDS = 3 if "--quick" in sys.argv else 9


def seconds(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def compare(
    title: str, slow: str, fast: str, sides: tuple[Callable[[], object], Callable[[], object]], unit: float
) -> None:
    """One line: milliseconds per unit of both sides, and how many times faster the second is."""
    for side in sides:
        side()
    rounds = [(seconds(sides[0]), seconds(sides[1])) for _ in range(ROUNDS)]
    a, b = (statistics.median(column) / unit * 1000 for column in zip(*rounds, strict=True))
    ratio = statistics.median(x / max(y, 1e-9) for x, y in rounds)
    print(f"{title:<44} {slow} {a:9.3f} ms   {fast} {b:9.3f} ms   {ratio:6.2f} x", flush=True)


def training(variant: str) -> None:
    """A training step's forward and backward, per window: separate windows against one shared pass."""
    student = load_variant(variant).build().train()
    assert isinstance(student, WindowStudent)
    initialise(student, 0)
    count, rows = 32, 2
    audio = torch.randn(rows, 1, 8192 + COLUMN_SAMPLES * (count - 1))
    windows = audio.unfold(2, 8192, COLUMN_SAMPLES).reshape(-1, 1, 8192)

    def separate() -> None:
        student(windows).square().sum().backward()

    def shared() -> None:
        torch.tanh(student.sequence(audio)[2]).square().sum().backward()

    compare(f"train {variant}, per window", "separate", "shared", (separate, shared), rows * count)
    columns = torch.randn(64, student.first.out_channels, 1, student.columns, requires_grad=True)
    wide = student.wide

    def convolution() -> None:
        wide.conv(functional.pad(columns, wide.pads)).square().sum().backward()

    def dense() -> None:
        wide(columns).square().sum().backward()

    compare(f"train {variant}, wide convolution, per window", "conv", "dense", (convolution, dense), 64)


def throughput(variant: str) -> None:
    """Whole training steps, optimiser included: hours of labelled speech learnt from in an hour of one core.

    separate: the paper's way, every window by itself. stretch: windows share the trunk, the wide layer is one Toeplitz
    product a window. over: its products are shared too. bf16: as trained with `--mixed-precision bf16`.
    """
    student = load_variant(variant).build().train()
    assert isinstance(student, WindowStudent)
    initialise(student, 0)
    optimiser = torch.optim.AdamW(student.parameters(), lr=1e-5)
    rows, count = 8, 32
    audio = torch.randn(rows, 1, 8192 + COLUMN_SAMPLES * (count - 1)) * 0.1
    windows = audio.unfold(2, 8192, COLUMN_SAMPLES).reshape(-1, 1, 8192)

    def stretch() -> torch.Tensor:
        columns = student.trunk(audio)
        each = columns.unfold(3, student.columns, 1).permute(0, 3, 1, 2, 4).flatten(0, 1)
        return student._decide(each, student.wide._dense(each))[2]

    def bf16() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return student.sequence(audio)[2]

    ways = {
        "separate": lambda: student.whole(windows)[2], "stretch": stretch, "over": lambda: student.sequence(audio)[2],
        "bf16": bf16,
    }  # fmt: skip

    def step(predict: Callable[[], torch.Tensor]) -> None:
        loss = torch.tanh(predict().float()).square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    took: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(1 + min(ROUNDS, 5)):
        for name, predict in ways.items():
            spent = seconds(lambda predict=predict: step(predict))  # type: ignore[misc]
            if round_:
                took[name].append(spent)
    hours = {name: rows * count * 0.02 / statistics.median(each) for name, each in took.items()}
    shown = "   ".join(f"{name} {value:7.1f}" for name, value in hours.items())
    print(
        f"{f'train {variant}, hours of speech in a core hour':<44} {shown}   {hours['bf16'] / hours['stretch']:.2f} x"
    )


def inference(variant: str) -> None:
    """One frame of the artefacts against eager torch."""
    path = Path(__file__).resolve().parents[1] / "checkpoints" / f"{variant}.pt"
    checkpoint = Checkpoint.load(path)
    student = checkpoint.student()
    assert isinstance(student, WindowStudent)
    window = np.random.default_rng(0).normal(0, 0.1, 8192).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        build(64_000_000, Path(folder) / "out", Wanted(checkpoint=path))
        pte, pt = (sdk.open(Path(folder) / "out" / name, trusted=True) for name in ("model.pte", "model.pt"))

        def eager() -> None:
            with torch.inference_mode():
                for _ in range(20):
                    student(torch.from_numpy(window).reshape(1, 1, -1))

        def frames(engine: sdk.Engine) -> Callable[[], object]:
            assert isinstance(engine, sdk.WindowEngine)
            return lambda: [engine.run(window) for _ in range(20)]

        compare(f"{variant}, a frame: eager / .pt", "eager", "pt ", (eager, frames(pt)), 20)
        compare(f"{variant}, a frame: eager / .pte", "eager", "pte", (eager, frames(pte)), 20)


def families(window_variant: str, stream_variant: str) -> None:
    """Forward and backward of training, per second of speech: 30 labels a second by windows, 50 by a stream.

    The windows share their trunk, as in training; both hear 16 s.
    """
    window, stream = load_variant(window_variant).build().train(), load_variant(stream_variant).build().train()
    assert isinstance(window, WindowStudent)
    initialise(window, 0)
    initialise(stream, 0)
    seconds_, frames = 16, 32
    # a stretch of 32 windows, each a column further, holds 0.64 s of labels
    stretches = torch.randn(
        round(seconds_ / (frames * COLUMN_SAMPLES / 16000)), 1, 8192 + COLUMN_SAMPLES * (frames - 1)
    )
    speech = torch.randn(1, 1, seconds_ * 16000)

    def windows() -> None:
        torch.tanh(window.sequence(stretches)[2]).square().sum().backward()

    def whole() -> None:
        stream(speech).square().sum().backward()

    compare(
        f"train, per second of speech: {window_variant} / {stream_variant}",
        "windows",
        "stream",
        (windows, whole),
        seconds_,
    )


def hops(variant: str) -> None:
    """One hop of a stream artefact: eager against the `.pte`, and sixteen voices one by one against a crowd."""
    path = Path(__file__).resolve().parents[1] / "checkpoints" / f"{variant}.pt"
    student = Checkpoint.load(path).student()
    assert isinstance(student, StreamStudent)
    hop = np.random.default_rng(0).normal(0, 0.1, (16, HOP_SAMPLES)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        build(64_000_000, Path(folder) / "out", Wanted(checkpoint=path))
        engine = sdk.open(Path(folder) / "out" / "model.pte")
        assert isinstance(engine, sdk.StreamEngine)

        def eager() -> None:
            with torch.inference_mode():
                state = student.initial_state()
                for _ in range(20):
                    _, state = student.step(torch.from_numpy(hop[:1, None]), state)

        def one() -> None:
            state = engine.start(1)
            for _ in range(20):
                _, state = engine.step(hop[:1], state)

        def one_by_one() -> None:
            for voice in range(16):
                engine.step(hop[voice : voice + 1], engine.start(1))

        compare(f"{variant}, a hop: eager / .pte", "eager", "pte", (eager, one), 20)
        together = lambda: engine.step(hop, engine.start(16))  # noqa: E731
        compare(f"{variant}, a hop of a voice: alone / crowd", "alone", "crowd", (one_by_one, together), 16)


def resampling() -> None:
    """A second of 48 kHz audio in blocks of 10 ms against SciPy's polyphase on the whole (not streaming)."""
    audio = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)

    def streaming() -> None:
        resampler = StreamingResampler(48000)
        for block in audio.reshape(100, 480):
            resampler.push(block)
        resampler.finish()

    compare("resample 1 s, 48 kHz", "10 ms blocks", "scipy whole", (streaming, lambda: resample_poly(audio, 1, 3)), 1)


def main() -> None:
    torch.set_num_threads(1)
    print(f"medians of {ROUNDS} rounds, CPU milliseconds, one thread, torch {torch.__version__}")
    resampling()
    for variant in ("s2", "s5"):
        inference(variant)
        training(variant)
    for stream in ("s6", "s7", "s8"):
        hops(stream)
    for variant in ("s0", "s2"):
        throughput(variant)
    families("s5", "s6")
    families("s2", "s7")


if __name__ == "__main__":
    main()

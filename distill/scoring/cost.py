"""What a student costs, counted on its operators and not on a clock."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from distill.scoring.conditions import FPS
from distill.students.spec import Student
from distill.students.stream import HOP_SAMPLES, StreamStudent
from sdk.clock import SAMPLE_RATE_HZ


def macs_per_second(student: Student) -> float:
    """Multiply-adds that one second of speech costs: of every hop, or of 30 windows."""
    student.eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        if isinstance(student, StreamStudent):
            student.step(torch.zeros(1, 1, HOP_SAMPLES), student.initial_state())
        else:
            student(torch.zeros(1, 1, student.window_samples))
    calls = SAMPLE_RATE_HZ / HOP_SAMPLES if isinstance(student, StreamStudent) else FPS
    return counter.get_total_flops() / 2 * calls

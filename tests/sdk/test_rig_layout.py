"""Rigs come from files, by name, and a bad one says where and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdk.errors import RigError
from sdk.rig import ARKIT_52, Frame, RigLayout


def test_a_rig_of_78_channels_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rig78.txt"
    lines = ["# a production rig", *ARKIT_52, *(f"extra{i} -1 1  # both ways" for i in range(25)), "lift 0.5 2 1"]
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    layout = RigLayout.from_file(path)
    assert len(layout) == 78
    assert layout.names[0] == "eyeBlinkLeft", "a byte order mark is no part of a name"
    at = layout.index("lift")
    assert (layout.minimum[at], layout.maximum[at], layout.neutral[at]) == (0.5, 2.0, 1.0)
    assert (layout.minimum[60], layout.neutral[60]) == (-1.0, 0.0)
    values = layout.vector({"jawOpen": 0.25, "extra3": -4})
    assert Frame(0, 0, layout.clamp(values), layout)["extra3"] == -1.0
    assert layout.select(values[None], ["lift", "jawOpen"]).tolist() == [[1.0, 0.25]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no channels"),
        ("jawOpen\njawOpen\n", "named twice: jawOpen"),
        ("jawOpen 1 0\n", "jawOpen: needs minimum"),
        ("jawOpen 0 inf\n", "all finite"),
        ("jawOpen nan 1\n", "all finite"),
        ("jawOpen 0 3.5e38\n", "within 1,000,000 of 0"),  # finite, and infinite as float32
        ("jawOpen -1e300 1e300\n", "within 1,000,000 of 0"),
        ("jawOpen 0\nblink x 1\n", "line 1: .*; line 2: "),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "rig.txt"
    path.write_text(text)
    with pytest.raises(RigError, match=says) as caught:
        RigLayout.from_file(path)
    assert str(path) in str(caught.value)


def test_a_rig_file_that_is_not_there() -> None:
    with pytest.raises(RigError, match="nowhere"):
        RigLayout.from_file("/nowhere.txt")


def test_a_rig_by_its_name(tmp_path: Path) -> None:
    assert RigLayout.named("arkit") == RigLayout.arkit()
    (tmp_path / "rig.txt").write_text("jawOpen\nsmile -1 1\n")
    assert RigLayout.named(str(tmp_path / "rig.txt")).names == ("jawOpen", "smile")
    with pytest.raises(RigError, match="nowhere"):
        RigLayout.named("nowhere")


def test_unknown_channels_are_answered_with_the_known_ones() -> None:
    layout = RigLayout(("a", "b"))
    for ask in (
        lambda: layout.index("c"),
        lambda: layout.vector({"c": 1.0}),
        lambda: layout.select(np.zeros(2), ["c"]),
    ):
        with pytest.raises(RigError, match="no channel 'c' in this rig; it has: a, b"):
            ask()

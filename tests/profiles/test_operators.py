"""Operators are counted from the program itself, exactly, and timed where it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from known import Known

from profiles.inspect.graph import program_nodes
from profiles.inspect.operators import operator_rows
from sdk.artifact import open_artifact
from sdk.errors import ArtifactError

COLUMNS = Known.COLUMNS
ROOT = Path(__file__).resolve().parents[2]


def test_the_graph_of_a_pte_has_the_work_that_the_layers_have(known_pte: Path) -> None:
    nodes = program_nodes(open_artifact(known_pte).read_program())
    products = [node for node in nodes if node.is_product]
    assert [node.macs for node in products] == [16 * 8 * COLUMNS, 3 * 16]
    assert products[0].weight_bytes == (16 * 8 + 16) * 4
    assert products[0].moved_bytes == (1600 + 16 * COLUMNS) * 4
    assert {node.inside for node in nodes} == {"xnnpack"}
    assert sum(node.macs for node in nodes) == Known.MACS
    (gelu,) = (node for node in nodes if node.kind == "gelu")
    assert gelu.moved_bytes == 2 * 16 * COLUMNS * 4


READ_ALONE = """
import sys
from profiles.inspect.graph import program_nodes
from profiles.inspect.readers import import_readers
import_readers()
from executorch.devtools.etdump.serialize import deserialize_from_etdump_flatcc
from sdk.artifact import open_artifact
print(sum(node.macs for node in program_nodes(open_artifact(sys.argv[1]).read_program())))
print(*sorted({"torchao", "pandas", "torch._dynamo", "executorch.exir.program"} & set(sys.modules)))
"""


def test_a_program_is_read_without_the_exporter(known_pte: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", READ_ALONE, str(known_pte)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == f"{Known.MACS}\n\n"


def test_a_method_that_is_not_there_is_named(known_pte: Path) -> None:
    with pytest.raises(ArtifactError, match="no method 'crowd'"):
        program_nodes(open_artifact(known_pte).read_program(), "crowd")


@pytest.mark.parametrize("kind", ["known_pte", "known_pt"])
def test_rows_are_counted_and_timed(kind: str, request: pytest.FixtureRequest) -> None:
    rows = operator_rows(request.getfixturevalue(kind), runs=30)
    assert sum(row.macs or 0 for row in rows) == Known.MACS
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.label == "measured_here" for row in rows)
    timed = [row.us for row in rows if row.us is not None]
    assert sum(timed) > 0
    assert all(us > 0 for us in timed), "a time that the tracer could not tell is none"
    (gelu,) = (row for row in rows if row.kind == "gelu")
    assert gelu.bytes == 2 * 16 * COLUMNS * 4


def test_rows_are_of_a_frame_not_of_a_step(echo_pt: Path) -> None:
    """Two hops of 20 ms make one frame at 25 a second."""
    (square, *_) = (row for row in operator_rows(echo_pt, runs=10) if row.kind == "mul")
    assert square.bytes == 2 * 3 * 320 * 4

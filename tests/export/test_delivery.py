"""Two builds that deliver into one folder at once: its files are always those of one of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from export.deliver import delivery

ROOT = Path(__file__).resolve().parents[2]
DELIVERS = """
import sys
from pathlib import Path
from export.deliver import delivery
out, mark = Path(sys.argv[1]), sys.argv[2]
for _ in range(30):
    with delivery.workshop(out) as folder:
        for name in delivery.FILES:
            delivery.write(folder / name, mark.encode())
        delivery.deliver(folder, out)
"""


@pytest.mark.skipif(delivery.fcntl is None, reason="no locks of folders here")
def test_two_deliveries_never_mix(tmp_path: Path) -> None:
    out = tmp_path / "face"
    for _ in range(2):
        both = [subprocess.Popen([sys.executable, "-c", DELIVERS, str(out), mark], cwd=ROOT) for mark in "ab"]
        assert [one.wait(timeout=300) for one in both] == [0, 0]
        found = {(out / name).read_bytes() for name in delivery.FILES}
        assert len(found) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["face"]

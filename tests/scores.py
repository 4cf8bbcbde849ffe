"""The rows of README.md and docs/whole_mouth.md that are of shipped files, from the scores which those files carry.

    python -m tests.scores          writes them anew; `tests/contracts/test_claims.py` asks whether they are so

A row is one whose first cell is `**s7**` or `**s7 int8**`, under a header that `TABLES` knows. What no file carries
(memory, what was measured apart) stays as it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from distill.files.checkpoint import Checkpoint
from distill.files.twin import Twin

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/whole_mouth.md")
Scores = Mapping[str, Any]
_NAME = re.compile(r"\| \*\*(s\d)( int8)?\*\*")
_ASKED = {  # rows of the table of targets: a measure, and whether it is a share
    "closures found, %": ("closures_found", True), "other consonants shut, %": ("others_shut", True),
    "AUC of the two": ("other_auc", False), "legibility (chance .10)": ("legibility", False),
    "rounded - spread, cm": ("round_spread_cm", False), "f v told from p b m, AUC": ("tuck_auc", False),
}  # fmt: skip


def rewritten(page: str) -> str:
    """The text of `page` with its rows as the files say. Raises `KeyError` for a file without the scores of its row."""
    table, columns, lines = "", [""], []
    for line in (ROOT / page).read_text("utf-8").splitlines():
        if not line.startswith("|"):
            table = ""
        elif not table:
            columns = [cell.strip() for cell in line.split("|")]
            table = columns[1] or columns[2]
        elif (name := _NAME.match(line)) and table in TABLES:
            line = TABLES[table](line, scores_of(name[1], bool(name[2])))
        elif table == "LJSpeech / strangers" and line.split("|")[1].strip() in _ASKED:
            line = _asked(line, columns)
        lines.append(line)
    return "\n".join(lines) + "\n"


def scores_of(student: str, int8: bool) -> Scores:
    """What `checkpoints/STUDENT.pt`, or its twin in int8, was scored with."""
    parent = Checkpoint.load(ROOT / "checkpoints" / f"{student}.pt")
    return Twin.load(ROOT / "checkpoints" / f"{student}-int8.twin", parent).scores if int8 else parent.scores


def _row(label: str, quiet: Scores, noisy: Scores) -> str:
    found = []
    for measure, digits in (
        ("closures_found", 3), ("others_shut", 3), ("other_auc", 3), ("vowel_auc", 3), ("false_shuts_per_min", 0),
        ("legibility", 3), ("read_as_round", 3), ("round_spread_cm", 3), ("tuck_auc", 3), ("error_of_mean_pose", 3),
        ("width_r", 3), ("recall_at_2pct", 3),
    ):  # fmt: skip
        one, other = ({**scores, **scores["whole"]}[measure] for scores in (quiet, noisy))
        within = quiet["whole"]["intervals"].get(measure) if measure in _WITH_INTERVALS else None
        between = f" ({_number(within[0], 3)} to {_number(within[1], 3)})" if within else ""
        found.append(f"{_number(one, digits)}{between} / {_number(other, digits)}")
    return f"| {' | '.join([label, *found, _number(quiet['jitter'], 3)])} |"


def _of_set(name: str) -> Callable[[str, Scores], str]:
    return lambda line, scores: _row(line.split("|")[1].strip(), scores[name], scores[f"{name}_10db"])


def _short(line: str, scores: Scores) -> str:
    label, memory = (cell.strip() for cell in line.split("|")[1:3])
    human, strangers = scores["human"], scores["strangers"]
    mouth, theirs = human["whole"], strangers["whole"]
    cells = [
        label, memory, _percent(mouth["closures_found"]), _percent(mouth["others_shut"]),
        _number(mouth["other_auc"], 3), _number(mouth["legibility"], 2), _number(mouth["round_spread_cm"], 2),
        _percent(human["recall_at_2pct"]), _number(human["jitter"], 3),
        f"{_percent(theirs['closures_found'])} / {_percent(theirs['others_shut'])}", _number(theirs["other_auc"], 2),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _asked(line: str, columns: list[str]) -> str:
    cells = [cell.strip() for cell in line.split("|")]
    measure, share = _ASKED[cells[1]]
    for place, student in enumerate(columns):
        if re.fullmatch(r"s\d", student):
            values = [scores_of(student, False)[of]["whole"][measure] for of in ("human", "strangers")]
            cells[place] = " / ".join(_percent(value) if share else _number(value, 2) for value in values)
    return f"| {' | '.join(cells[1:-1])} |"


def _number(value: float, digits: int) -> str:
    said = f"{value:.{digits}f}" if abs(value) < 1 or not digits else f"{value:.2f}"
    return re.sub(r"^(-?)0\.", r"\1.", said)


def _percent(value: float) -> str:
    return f"{100 * value:.0f}"


_WITH_INTERVALS = ("others_shut", "other_auc", "legibility")
TABLES: dict[str, Callable[[str, Scores], str]] = {
    "memory, KB": _short, "strangers": _of_set("strangers"), "LJSpeech": _of_set("human"), "people": _of_set("people"),
}  # fmt: skip


def main() -> int:
    for page in PAGES:
        (ROOT / page).write_text(rewritten(page), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

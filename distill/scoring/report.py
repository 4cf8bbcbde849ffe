"""Scores as tables for people: a line a set and condition, the controls beside what is judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distill.scoring.conditions import REST
from distill.scoring.mouth.measured_lips import MEASURED
from distill.scoring.whole import COLUMNS as WHOLE_COLUMNS
from distill.scoring.whole import whole_table

COLUMNS = ("pbm", "false_closure", "recall_at_2pct", "auc", "mse", "jitter")
KEPT_OF_CONTROLS = ("pbm", "recall_at_2pct", "auc", "mse")


def table(rows: Mapping[str, Any]) -> str:
    """A Markdown table of the paper's columns, one line a condition; below it what has other columns."""
    lines = ["| set | " + " | ".join(COLUMNS) + " | closures / vowels |", "|---" * (len(COLUMNS) + 2) + "|"]
    below = []
    for key, row in rows.items():
        if key == REST:
            shares = ", ".join(f"{name} {found['shut']:.1%}" for name, found in row.items())
            below.append(f"frames with lips shut where nobody speaks: {shares}")
            continue
        if "clips" in row:
            below.append(f"{key}: r with lips in video (loudness): {_lips(row)}")
            continue
        cells = " | ".join("" if row.get(c) is None else f"{row[c]:.4f}" for c in COLUMNS)
        lines.append(f"| {key} | {cells} | {row['closures']} / {row['vowels']} |")
        if "rest_shut" in row:
            below.append(f"{key}: captured rest shut {row['rest_shut']:.1%}, jaw r {row['jaw_correlation']:.3f}")
        for name, control in row.get("controls", {}).items():
            cells = " | ".join("" if control.get(c) is None else f"{control[c]:.4f}" for c in COLUMNS)
            lines.append(f"| {key}, *{name}* | {cells} | |")
    for key, row in rows.items():
        if "whole" in row:
            named = {f"*{name}*": control for name, control in row.get("controls", {}).items()}
            below += ["", whole_table({key: row["whole"], **named})]
    return "\n".join([*lines, "", *below]).rstrip()


def control_row(row: Mapping[str, Any]) -> dict[str, float]:
    """Of a control's scores, what is kept beside those of what is judged."""
    kept = {column: row["whole"][column] for column in WHOLE_COLUMNS}
    return {column: row[column] for column in KEPT_OF_CONTROLS} | kept


def _lips(row: Mapping[str, float]) -> str:
    if not row["clips"]:
        return "nothing to judge"
    return ", ".join(f"{name} {row[f'{name}_r']:.2f} ({row[f'loudness_{name}_r']:.2f})" for name in MEASURED)

"""The study's table in words: each point beside its float self, and which targets it meets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from profiles.show.words import show_bytes

COLUMNS = (
    "student", "precision", ".pte", "of fp32", "memory", "a voice", "us a frame", "of fp32", "in a crowd", "of fp32",
    "PBM human", "10 dB", "PBM espeak", "10 dB", "open vowels shut, human", "espeak", "recall at 2 %, human",
    "jitter human", "espeak", "MSE human", "espeak",
)  # fmt: skip
TARGETS = (
    "loses under 1 point of PBM", "no more jitter (2 %)", "under 30 % of the bytes", "under 45 % of the time",
    "in a crowd",
)  # fmt: skip


def markdown(report: Mapping[str, Any]) -> str:
    """The whole page."""
    rows = report["rows"]
    built = [row for row in rows if "file_bytes" in row]
    lines = [
        "# Students at every precision",
        "",
        f"Measured here on {report['date']} ({report['machine']}) by `python -m export.study`; times of all programs "
        "in one run, in turns: CPU time for a frame at 30 a second, of one voice (the program alone, from Python) and "
        "of one voice in a crowd of sixteen (through the Python engine), where the call itself hardly counts. "
        "*memory*: heap of the opened program that has run, or its load peak where that is more. *a voice*: what one "
        "more voice keeps (its state, or its window). Quality is that of the `.pte`, on speech that nobody was "
        "trained on, in quiet and at 10 dB.",
        "",
        "`int8-ptq` and `int8-qat` are the same operators with other numbers, so what their times differ by is the "
        "noise of this table: up to 30 % for one voice, more in a crowd. Bytes and memory have none.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
        *[_line(row, _base(built, row)) for row in built],
        "",
        *_targets(built),
        *_lost(rows),
    ]
    return "\n".join(lines)


def _line(row: Mapping[str, Any], base: Mapping[str, Any] | None) -> str:
    memory = row["memory"]
    peak = max((memory[key] for key in ("steady_bytes", "load_peak_bytes") if memory[key] is not None), default=None)
    cells = [
        row["student"], row["precision"], show_bytes(row["file_bytes"]), _share(row, base, "file_bytes"),
        "?" if peak is None else show_bytes(peak), show_bytes(row["voice_bytes"]),
        *(cell for key in ("us_per_frame", "crowd_us_per_frame") for cell in (_us(row, key), _share(row, base, key))),
        *(_score(row, key, "pbm", "{:.1%}") for key in ("human", "human_10db", "espeak", "espeak_10db")),
        *(_score(row, key, "false_closure", "{:.1%}") for key in ("human", "espeak")),
        _score(row, "human", "recall_at_2pct", "{:.1%}"),
        *(_score(row, key, "jitter", "{:.4f}") for key in ("human", "espeak")),
        *(_score(row, key, "mse", "{:.5f}") for key in ("human", "espeak")),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _base(built: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The float point of the row's student."""
    return next((b for b in built if b["student"] == row["student"] and b["precision"] == "fp32"), None)


def _ratio(row: Mapping[str, Any], base: Mapping[str, Any] | None, key: str, unknown: float) -> float:
    return row[key] / base[key] if base and base.get(key) and row.get(key) else unknown


def _share(row: Mapping[str, Any], base: Mapping[str, Any] | None, key: str) -> str:
    ratio = _ratio(row, base, key, -1.0)
    return "" if ratio < 0 else f"{ratio:.0%}"


def _us(row: Mapping[str, Any], key: str) -> str:
    return f"{row[key]:.1f}" if key in row else ""


def _score(row: Mapping[str, Any], condition: str, figure: str, form: str) -> str:
    value = row["scores"].get(condition, {}).get(figure)
    return "?" if value is None else form.format(value)


def _mean(row: Mapping[str, Any], figure: str) -> float:
    values = [scores[figure] for scores in row["scores"].values()]
    return sum(values) / len(values) if values else 0.0


def _targets(built: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which of the targets each rounded point meets; PBM and jitter as means over the test sets."""
    pairs = [(row, _base(built, row)) for row in built if row["precision"] != "fp32"]
    lines = ["## Targets", "", "| student | precision | " + " | ".join(TARGETS) + " |"]
    lines.append("|---" * (len(TARGETS) + 2) + "|")
    for row, base in pairs:
        if base is not None:
            words = ["" if held is None else "yes" if held else "**no**" for held in _held(row, base)]
            lines.append(f"| {row['student']} | {row['precision']} | {' | '.join(words)} |")
    return [*lines, ""]


def _held(row: Mapping[str, Any], base: Mapping[str, Any]) -> list[bool | None]:
    """Of each of `TARGETS`, whether `row` meets it; None where it was not measured."""
    shares = [_ratio(row, base, key, -1.0) for key in ("us_per_frame", "crowd_us_per_frame")]
    return [
        _mean(base, "pbm") - _mean(row, "pbm") < 0.01,
        _mean(row, "jitter") <= 1.02 * _mean(base, "jitter"),
        row["file_bytes"] < 0.30 * base["file_bytes"],
        *(None if share < 0 else share < 0.45 for share in shares),
    ]


def _lost(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What could not be built, in the exporter's own words."""
    lines = [
        f"- {row['student']} {row['precision']}: {row.get('not_offered') or row.get('missing')}"
        for row in rows
        if "file_bytes" not in row
    ]
    return ["## Not to be had", "", *lines, ""] if lines else []

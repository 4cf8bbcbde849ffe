"""The page of the seeds' tables, from the figures that `distill.recipes.seeds` left, whatever of them is there.

Every number comes from a file of figures; what was not made says so in its row, so that a page of half a run is honest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distill.files.disk import atomic_write_text
from distill.scoring.styled import seed_text as text

STEPS = (16, 8, 4, 2)
ABLATIONS = {
    "compact2": "all of it, N = 2",
    "compact2-no-guidance": "no guidance by the teacher's personalizer and features",
    "compact2-no-enhancer": "no enhancer",
    "large16": "all of it, large ears, N = 16",
    "large16-no-personalizer": "no personalizer, large ears, N = 16",
    "compact16": "all of it, N = 16",
    "compact16-no-personalizer": "no personalizer, N = 16",
}
ENCODER_PARAMETERS = 8_208_384  # of Whisper tiny.en's encoder: two convolutions, 1500 places, four layers of 384
_NOT_MADE = "*not made*"
Rows = Mapping[str, Any]


def page(figures: Path, path: Path) -> None:
    """Write the page. Raises `DataError` for a bad disk."""
    atomic_write_text(
        path, markdown({file.stem: json.loads(file.read_text("utf-8")) for file in sorted(figures.glob("*.json"))})
    )


def markdown(found: Rows) -> str:
    """The whole page of figures by the names of their files."""
    talkers = {name: row for one in found.values() for name, row in one.items() if name in ABLATIONS or name in _rows()}
    strangers, table4, styles = (found.get(name, {}) for name in ("strangers", "table4", "styles"))
    parts = [
        text.TITLE, text.DATA, text.TALKERS, _talkers(talkers, strangers), _claims(talkers, strangers),
        text.ABLATIONS, _ablations(talkers), text.VOICES, _told(strangers), _people(strangers), text.ENROLLED,
        _enrolled(strangers), text.TABLE4, _table4(table4), text.STYLES, _styles(styles),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _rows() -> list[str]:
    return [f"{ears}{steps}" for ears in ("large", "compact") for steps in STEPS]


def _talkers(talkers: Rows, strangers: Rows) -> str:
    lines = [_face(f"*{name}*", row) for name, row in strangers.get("faces", {}).items()]
    cost = strangers.get("cpu_s_per_s", {})
    for name in _rows():
        if name not in talkers:
            lines.append([name, _NOT_MADE])
            continue
        row = talkers[name]
        stored, spent = storage_mb(name, row), cost.get(name, row["cpu_s_per_s"])
        lines.append([*_face(name, row), f"{stored:.2f}", f"{spent:.4f}", _trained(row)])
    return grid([*FACE_TITLES, "storage, MB", "CPU s a second", "trained"], lines)


FACE_TITLES = (
    "", "LVE, cm²", "EVE, cm²", "FDD, cm²", "abs. FDD", "closures found, %", "other consonants shut, %",
    "recall at 2 %", "legibility (chance .10)",
)  # fmt: skip


def _face(name: str, row: Rows) -> list[str]:
    mesh, mouth, ends = row["mesh"], row["mouth"], row.get("intervals", {})
    return [
        name,
        spread(mesh["lve"], ends.get("mesh_lve"), 3), spread(mesh["eve"], ends.get("mesh_eve"), 3),
        f"{mesh['fdd']:.3f}", f"{mesh['abs_fdd']:.3f}",
        spread(mouth["closures_found"], ends.get("mouth_closures_found"), 0, 100),
        f"{100 * mouth['others_shut']:.0f}", f"{100 * row['lips']['recall_at_2pct']:.0f}",
        spread(row["read"].get("legibility"), ends.get("read_legibility"), 2),
    ]  # fmt: skip


def storage_mb(name: str, row: Rows) -> float:
    """A talker's file, and where its ears are large those too, in float16."""
    large = 0 if name.startswith("compact") else 2 * ENCODER_PARAMETERS
    return float(row["file_bytes"] + large) / 1e6


def _trained(row: Rows) -> str:
    made = row.get("training", {})
    plan = made.get("plan", {})
    return f"{plan.get('steps', 0)} x {plan.get('batch', 0)}" if plan else ""


def _claims(talkers: Rows, strangers: Rows) -> str:
    if not {"large16", "compact2"} <= talkers.keys():
        return ""
    first, last = talkers["large16"], talkers["compact2"]
    cost = strangers.get("cpu_s_per_s") or {name: talkers[name]["cpu_s_per_s"] for name in ("large16", "compact2")}
    sizes = storage_mb("large16", first), storage_mb("compact2", last)
    lost = [f"{last['mesh'][key] / first['mesh'][key]:.2f} x" for key in ("lve", "eve")]
    rows = [
        ["faster, large N = 16 to compact N = 2", "over 8 x", f"{cost['large16'] / cost['compact2']:.1f} x"],
        ["storage", "-86.4 %", f"{100 * (sizes[1] / sizes[0] - 1):.1f} % ({sizes[0]:.1f} to {sizes[1]:.2f} MB)"],
        ["loss of quality", "minimal", f"LVE {lost[0]}, EVE {lost[1]}"],
    ]
    return grid(["", "the seed", "here"], rows)


def _ablations(talkers: Rows) -> str:
    return grid(
        [*FACE_TITLES, "person, top 1", "emotion, top 1"],
        [
            [*_face(label, talkers[name]), *(_top(talkers[name].get(key)) for key in ("person", "emotion"))]
            if name in talkers
            else [label, _NOT_MADE]
            for name, label in ABLATIONS.items()
        ],
    )


def _told(strangers: Rows) -> str:
    rows = strangers.get("told", {})
    if not rows:
        return _NOT_MADE
    lines = [[name, *(_top(row.get(key)) for key in ("person", "emotion"))] for name, row in rows.items()]
    chance = next(iter(rows.values()))
    lines.append(["*chance*", *(f"{chance[key]['chance']:.2f}" for key in ("person", "emotion"))])
    return grid(["made-up strangers", "person, top 1", "emotion, top 1"], lines)


def _people(strangers: Rows) -> str:
    sets = strangers.get("people", {})
    if not sets:
        return "Real people: " + _NOT_MADE
    names = list(next(iter(sets.values()))["rows"])
    titles = [f"{name}: {one['people']} people, {one['recordings']} recordings" for name, one in sets.items()]
    lines = [[name, *(_top(one["rows"].get(name)) for one in sets.values())] for name in names]
    lines.append(["*chance*", *(f"{next(iter(one['rows'].values()))['chance']:.2f}" for one in sets.values())])
    return grid(["real people, top 1", *titles], lines)


def _enrolled(strangers: Rows) -> str:
    if "enrolled" not in strangers:
        return _NOT_MADE
    lines = [
        [name, *(spread(row["mesh"][key], row["intervals"][f"mesh_{key}"], 3) for key in ("lve", "eve"))]
        for name, row in strangers["enrolled"]["rows"].items()
    ]
    return grid([f"{strangers['enrolled']['by']}", "LVE, cm²", "EVE, cm²"], lines)


def _table4(table4: Rows) -> str:
    if not table4:
        return _NOT_MADE
    lines = []
    for name, row in table4["rows"].items():
        ends = row["intervals"]
        million = [f"{row[key] / 1e6:.2f}" for key in ("parameters", "parameters_with_vocaset_basis") if key in row]
        lines.append([
            name, f"{100 * row['lips']['pbm']:.1f}", f"{100 * row['lips']['false_closure']:.0f}",
            spread(row["mesh"]["lve"], ends["mesh_lve"], 3), f"{row['mse'] * 1e6:.1f}" if "mse" in row else "",
            f"{row['jitter']:.4f}", spread(row["read"].get("legibility"), ends.get("read_legibility"), 2),
            " / ".join(million), f"{row['cpu_s_per_s']:.3f}" if "cpu_s_per_s" in row else "",
        ])  # fmt: skip
    lines += [["*paper: CodeTalker*", "68.5 to 82.8", *[""] * 3, "", "", "319", ""]]
    lines += [["*paper: S0*", "66.7 to 82.8", *[""] * 3, "", "", "3.73", ""]]
    titles = ["", "PBM, %", "open vowels shut, %", "LVE, cm²", "MSE to teacher, 1e-6 cm²", "jitter", "legibility",
              "parameters, million", "CPU s a second"]  # fmt: skip
    made = table4["made"]
    note = text.TABLE4_MADE.format(**{key: made[key] for key in ("taught_clips", "asked_clips", "steps", "every")})
    return grid(titles, lines) + "\n\n" + note


def _styles(styles: Rows) -> str:
    if not styles:
        return _NOT_MADE
    lines = []
    for name, (lost, *ends) in styles["pbm_lost"].items():
        pairs = [f"{100 * value:.1f}" for key in ("pbm", "recall_at_2pct") for value in styles[key][name]]
        lines.append([name, *pairs[:2], spread(lost, ends, 1, 100), *pairs[2:]])
    titles = [
        "emotion",
        "PBM, neutral student",
        "PBM, styled",
        "lost, points",
        "recall at 2 %, neutral",
        "recall, styled",
    ]
    return text.STYLES_FOUND.format(
        student=styles["student"], told=100 * styles["emotion_told"], low=100 * styles["emotion_told_interval"][0],
        high=100 * styles["emotion_told_interval"][1], labels=100 * styles["emotion_told_of_labels"],
        chance=100 * styles["emotion_chance"], cost=100 * styles["cost"], neutral=styles["legibility"][0],
        styled=styles["legibility"][1], lost=spread(*_with_ends(styles["legibility_lost"]), 3),
        mouth=spread(*_with_ends(styles["legibility_lost_by_mouth"]), 3),
        seen=spread(*_with_ends(styles["legibility_lost_of_seen"]), 3),
        ideal=spread(*_with_ends(styles["legibility_lost_of_labels"]), 3),
        ideal_mouth=spread(*_with_ends(styles["legibility_lost_of_labels_by_mouth"]), 3),
        less=100 * (1 - styles["mse_styled"] / styles["mse_neutral"]),
        clips=styles["clips"], people=styles["people"],
    ) + "\n\n" + grid(titles, lines)  # fmt: skip


def _with_ends(found: Sequence[float]) -> tuple[float, Sequence[float]]:
    return found[0], found[1:]


def _top(told: Rows | None) -> str:
    return spread(told["top1"], told["interval"], 2) if told else ""


def spread(value: float | None, ends: Sequence[float] | None, digits: int, by: float = 1.0) -> str:
    """`.43 (.40 to .47)`; empty for what is not known."""
    if value is None or value != value:
        return ""
    shown = f"{by * value:.{digits}f}"
    if ends is None or any(end != end for end in ends):
        return shown
    return f"{shown} ({by * ends[0]:.{digits}f} to {by * ends[1]:.{digits}f})"


def grid(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; short lines are filled up."""
    rows = [titles, ["---"] * len(titles), *([*line, *[""] * (len(titles) - len(line))] for line in lines)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)

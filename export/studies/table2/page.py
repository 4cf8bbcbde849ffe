"""`docs/table2.md`: the rows beside the paper's, what differs and by how much, and what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distill.scoring.conditions import REST
from distill.scoring.whole import whole_cell
from export.studies.table2.findings import NOISE, Finding, Target, refused_pairs
from export.studies.table2.rows import Paper, Row, present

SETS = {
    "human": "human, quiet",
    "human_10db": "human, 10 dB",
    "human_8khz": "human, 8 kHz band",
    "espeak": "espeak",
    "espeak_10db": "espeak, 10 dB",
    "mandarin": "Mandarin (espeak)",
    "facegood": "Mandarin (captured)",
}
DASH = "–"


_ALL = (
    "Every row of the paper's table has a checkpoint here, of one seed. S̃4+ and S̃5+ are smoothed by our weights (.08, "
    ".84 and .08 of three predictions), the rows *thirds* by the paper's, the same students otherwise."
)


def page(
    rows: Sequence[Row], paper: Paper, found: Sequence[Finding], wanted: Sequence[Target], figures: Sequence[str],
    machine: str,
) -> str:  # fmt: skip
    """The whole page in Markdown. figures: file names beside it. machine: what the times were measured on."""
    here = present(rows)
    absent = [f"{row.label} ({row.missing})" for row in rows if row.missing]
    parts = [
        "# Table 2 of the paper, on our data",
        "",
        *_INTRODUCTION.format(source=paper.source).splitlines(),
        f"**Missing here:** {', '.join(absent)}." if absent else _ALL,
        "", "## Lips", "", *_LIPS.splitlines(), "", *_pbm_table(rows, paper), "", _sizes(here.values()), "",
        "## What lips can be read", "", *_whole_table(list(here.values())), "",
        "## Everything else", "", *_REST_OF_IT.splitlines(), "", *_figures_table(rows, paper), "",
        "## How each was trained", "", *_trainings(list(here.values())), "",
        "## What a frame costs", "", *_COSTS.format(machine=machine).splitlines(), "", *_costs_table(rows, paper), "",
    ]  # fmt: skip
    parts += ["## What our data shows", "", *_findings(found), "", *_refused(rows), ""]
    parts += ["## What was asked for", "", *_targets(wanted), "", *_rest(here.values())]
    if figures:
        parts += ["", "## Figures", ""]
        parts += [f"![{_CAPTIONS.get(name, name)}]({name})\n\n*{_CAPTIONS.get(name, name)}*\n" for name in figures]
    return "\n".join(parts).rstrip() + "\n"


_INTRODUCTION = """\
Made by `make table2` from the checkpoints and the scores in them; every figure is measured here unless it says
*paper*: {source}. Scores are of 30 frames a second on our head."""
_LIPS = """\
PBM accuracy, % of /p b m/ frames with lips at most 0.15 cm apart; in brackets as a share of the teacher's on the same
set. *Paper* is its own recordings, in a studio; our human set is LJSpeech, a voice that no student was trained on."""
_WHOLE = """\
Of human speech in quiet, with 95 % intervals over {over}. A mouth that follows loudness alone passes the table above
and fails this one ([whole_mouth.md](whole_mouth.md) has the measures). In italics: exact phones, loudness, a still
face."""
_WHOLE_COLUMNS = {
    "closures_found": "closures found", "others_shut": "other consonants shut", "other_auc": "AUC against these",
    "legibility": "legibility", "read_as_round": "rounded read so", "round_spread_cm": "rounded - spread, cm",
    "tuck_auc": "f v told from p b m", "error_of_mean_pose": "error over the mean pose's",
}  # fmt: skip
_REST_OF_IT = """\
Of human speech in quiet. *Recall* is of closures at 2 % false ones, *false* the share of open vowels shut. MSE is in
1e-3, ours to curves of phones by the Montreal Forced Aligner, the paper's to its teacher's output, so only their order
compares. Jitter in cm²/frame⁴, with the share of the teacher's. *Paper* behind the slash."""
_COSTS = """\
*Multiply-adds* are what the paper's FLOPs come to, counted here on torch's operators. *Memory, paper's way*: parameters
and every layer's output, each once, at float32. *Counted*: ours, the whole of a `.pte` that runs: packed weights,
workspace, one voice's state (a smoothed student runs twice in the same memory, so only the paper's way doubles). Time:
CPU, one thread, median, all in one run, on {machine}; the paper's CPU is an AMD Ryzen 5975WX. T's costs are a lower
bound (Whisper's 8.2 million weights, through which it hears, are not counted, nor the work of its recurrent layer), the
paper's too. *Paper* behind the slash."""
_DIFFERENCES = """\
Differences in points with their 95 % intervals, drawn from the same closures and vowels for both; where 0 lies inside,
the verdict is *{noise}*. They hold for these test voices and one training each: another seed may move a student by as
much again. The paper gives no intervals."""
_WHOLE_DIFFERENCES = """\
And what lips can be read, on the same phones for both, drawn by clips: the paper measures none of it."""
_CAPTIONS = {
    "table2-fig4.png": "PBM accuracy, MSE and jitter on human speech in quiet (the paper's Fig. 4).",
    "table2-fig6.png": "Lips over a sentence, S0 and M KD (Fig. 6).",
    "table2-fig7.png": "Lips over a sentence, S2 and S2+ (Fig. 7).",
    "table2-fig8.png": "Lips over a sentence, S4 and S4+ (Fig. 8).",
}


def _table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|", *("| " + " | ".join(x) + " |" for x in lines)]


def _pbm_table(rows: Sequence[Row], paper: Paper) -> list[str]:
    here = present(rows)
    keys = [key for key in SETS if any(row.score(key, "pbm") is not None for row in here.values())]
    teacher = here.get("teacher", Row("teacher"))
    lines = []
    for row in here.values():
        cells = [_relative(row.score(key, "pbm"), teacher.score(key, "pbm"), "{:.1%}", row.name) for key in keys]
        own, best = paper.figure(row.name, "in_house"), paper.figure("teacher", "in_house")
        printed = _relative(own / 100 if own else None, best / 100 if best else None, "{:.1%}", row.name)
        lines.append([f"**{row.label}**", *cells, printed])
    return _table(["", *(SETS[key] for key in keys), "*paper*, in-house"], lines)


def _whole_table(rows: Sequence[Row]) -> list[str]:
    """What `evaluate --whole` measured on human speech, the controls above the students."""
    scored = {row.label: row.scores["human"]["whole"] for row in rows if row.scores.get("human", {}).get("whole")}
    if not scored:
        return ["Nothing was measured yet (`--rescore`)."]
    controls: Mapping[str, Any] = next((c for row in rows if (c := row.scores.get("human", {}).get("controls"))), {})
    lines = [
        [head.format(name), *(whole_cell(whole.get(c), whole.get("intervals", {}).get(c)) for c in _WHOLE_COLUMNS)]
        for head, some in (("*{}*", controls), ("**{}**", scored))
        for name, whole in some.items()
    ]
    count = next(iter(scored.values()))["folded_over"]
    table = [*_WHOLE.format(over=f"{count} clips").splitlines(), "", *_table(["", *_WHOLE_COLUMNS.values()], lines)]
    left = [row.label for row in rows if row.scores and row.label not in scored]
    return [*table, "", f"Not read: {', '.join(left)}."] if left else table


def _relative(value: float | None, base: float | None, form: str, name: str) -> str:
    if value is None:
        return DASH
    own = form.format(value).rstrip("%")
    return own if name == "teacher" or not base else f"{own} ({value / base:.0%})"


def _sizes(rows: Any) -> str:
    """How many closures a set has, and what one of them is worth."""
    said = []
    for key, name in SETS.items():
        first = next((row for row in rows if row.score(key, "closures")), None)
        if first is not None:
            closures, vowels = int(first.scores[key]["closures"]), int(first.scores[key]["vowels"])
            said.append(f"{name}: {closures} and {vowels} (one closure is {100 / closures:.1f} points)")
    return f"Closures and open vowels: {'; '.join(said)}." if said else "Nothing was scored."


def _both(own: str, printed: float | None, form: str = "{:g}") -> str:
    return f"{own} / *{DASH if printed is None else form.format(printed)}*"


def _figures_table(rows: Sequence[Row], paper: Paper) -> list[str]:
    here = present(rows)
    base = here.get("teacher", Row("teacher")).score("human", "jitter")
    lines = []
    for row in here.values():
        recall, false, error, jitter = (
            row.score("human", figure) for figure in ("recall_at_2pct", "false_closure", "mse", "jitter")
        )
        shaking = _relative(jitter, base, "{:.4f}", row.name)
        lines.append([
            f"**{row.label}**", DASH if recall is None else f"{recall:.1%}", DASH if false is None else f"{false:.1%}",
            _both(DASH if error is None else f"{1000 * error:.3f}", paper.figure(row.name, "mse"), "{:.3f}"),
            _both(shaking, paper.figure(row.name, "jitter"), "{:.4f}"),
        ])  # fmt: skip
    return _table(["", "recall", "false", "MSE", "jitter"], lines)


def _trainings(rows: Sequence[Row]) -> list[str]:
    """What the plans of students differ by from that of the first S; students of the same differences together."""
    planned = [row for row in rows if row.plan]
    if not planned:
        return ["No checkpoint says how it was trained."]
    first = next((row for row in planned if row.name.startswith("s")), planned[0])
    groups: dict[str, list[str]] = {}
    for row in planned:
        names = [name for name in {**first.plan, **row.plan} if row.plan.get(name) != first.plan.get(name)]
        said = ", ".join(f"{name} {row.plan[name]}" if name in row.plan else f"no {name} yet" for name in names)
        groups.setdefault(said, []).append(f"**{row.label}**")
    own = ", ".join(f"{name} {value}" for name, value in first.plan.items())
    lines = [f"By the plan of {first.label} ({own}):", ""]
    return lines + [f"- {', '.join(labels)}: {said or 'that plan'}" for said, labels in groups.items()]


def _costs_table(rows: Sequence[Row], paper: Paper) -> list[str]:
    lines = []
    for row in present(rows).values():
        cost = row.cost
        assert cost is not None
        more = "> " if cost.lower_bound else ""
        megabytes = DASH if cost.paper_bytes is None else f"{more}{cost.paper_bytes / 1e6:.1f}"
        future = "all" if row.future_ms is None else f"{row.future_ms:.4g}"
        times = [DASH if ms is None else f"{ms:.2f}" for ms in (cost.torchscript_ms, cost.xnnpack_ms)]
        old = {
            field: paper.figure(row.name, field) for field in ("parameters", "flops", "memory", "future_ms", "cpu_ms")
        }
        lines.append([
            f"**{row.label}**", _both(f"{more}{cost.parameters / 1e6:.2f}", old["parameters"]),
            _both(f"{more}{cost.macs / 1e9:.3f}", old["flops"]), _both(megabytes, old["memory"]),
            DASH if cost.counted_bytes is None else f"{cost.counted_bytes / 1e6:.2f}",
            _both(future, old["future_ms"]), _both(times[0], old["cpu_ms"]), times[1],
        ])  # fmt: skip
    titles = (
        "", "parameters, M", "multiply-adds, G", "memory, paper's way, MB", "counted, MB", "future, ms",
        "CPU, TorchScript, ms", "CPU, `.pte`, ms",
    )  # fmt: skip
    return _table(titles, lines)


def _findings(found: Sequence[Finding]) -> list[str]:
    if not found:
        return ["No pair of students is here with its closures (`NAME.gaps.npz`, written by `--rescore`)."]
    lines = []
    for each in found:
        ratio = DASH if each.jitter_ratio is None else f"{each.jitter_ratio:.2f}"
        lines.append([
            f"**{each.first.label}** less {each.second.label}", each.about, SETS.get(each.key, each.key),
            f"{each.pbm}: {each.pbm.verdict}", f"{each.recall}: {each.recall.verdict}", ratio,
            f"{each.paper_points:+.1f}", each.agrees,
        ])  # fmt: skip
    titles = ("", "what differs", "set", "PBM, points", "recall at 2 %, points", "jitter, ratio", "*paper*, PBM", "")
    return [*_DIFFERENCES.format(noise=NOISE).splitlines(), "", *_table(titles, lines), *_whole_findings(found)]


def _whole_findings(found: Sequence[Finding]) -> list[str]:
    """What lips of the first of each pair can be read better, or worse, than of the second."""
    lines = [
        [
            f"**{each.first.label}** less {each.second.label}", each.about, SETS.get(each.key, each.key),
            f"{read.others_shut}: {_turned(read.others_shut.verdict)}", f"{read.other_auc}: {read.other_auc.verdict}",
            f"{read.legibility}: {read.legibility.verdict}",
        ]
        for each in found
        if (read := each.whole)
    ]  # fmt: skip
    if not lines:
        return []
    titles = (
        "",
        "what differs",
        "set",
        "other consonants shut, points",
        "AUC against these, points",
        "legibility, points",
    )
    return ["", *_WHOLE_DIFFERENCES.splitlines(), "", *_table(titles, lines)]


def _turned(verdict: str) -> str:
    """The verdict on a figure of which less is better."""
    return {"better": "worse", "worse": "better"}.get(verdict, verdict)


def _refused(rows: Sequence[Row]) -> list[str]:
    """The pairs that are not compared, and why."""
    said = [
        f"- **{one.label}** and {two.label} ({about}): {', '.join(d)}" for one, two, about, d in refused_pairs(rows)
    ]
    return ["Not compared, as their plans differ by more than what the pair is about:", "", *said] if said else []


def _targets(wanted: Sequence[Target]) -> list[str]:
    lines = []
    for each in wanted:
        if each.values:
            worst = (min if each.at_least else max)(each.values, key=lambda label: each.values[label])
            passed = _passed(each)
            cell = f"{worst} {each.values[worst]:.1f}"
        else:
            passed, cell = "not measured", DASH
        lines.append([each.about, f"{'≥' if each.at_least else '≤'} {each.limit:g} {each.unit}", cell, passed])
    return _table(["", "asked", "the worst", ""], lines)


def _passed(target: Target) -> str:
    """Who keeps a target, of those of whom it is known."""
    measured, every = len(target.values), len(target.values) + len(target.unmeasured)
    if target.failed:
        behind = f"; {measured} of {every} were measured" if target.unmeasured else ""
        return f"missed by {', '.join(target.failed)}{behind}"
    return f"kept by the {measured} of {every} that were measured" if target.unmeasured else "kept by all"


def _rest(rows: Any) -> list[str]:
    here = [row for row in rows if row.scores.get(REST)]
    if not here:
        return []
    kinds = list(here[0].scores[REST])
    lines = [
        [f"**{row.label}**", *(f"{row.scores[REST].get(k, {}).get('shut', float('nan')):.1%}" for k in kinds)]
        for row in here
    ]
    return ["Frames with lips shut where nobody speaks:", "", *_table(["", *kinds], lines)]

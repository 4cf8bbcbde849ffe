"""One Markdown table of a record: every artefact in every setting, all from one run.

python -m profiles table DIR/report.json            # a row for each artefact in each setting
python -m profiles table DIR/report.json --wide     # a row for each student and precision, a column for each setting
"""

from __future__ import annotations

from collections.abc import Sequence

from profiles.model.figures import Case
from profiles.model.record import Record
from profiles.show.words import LABELS, show_bytes, show_ms, show_number, show_percent

HEAD = (
    "artefact", "threads", "backend", "precision", "ms a frame, p50", "p99", "memory counted", "load, ms",
    "PBM", "jitter", "real-time factor", "figures",
)  # fmt: skip


def table(record: Record) -> str:
    """Markdown: flat-out warm cases without a neighbour; the caption says where it was measured and on what."""
    return markdown(HEAD, [_row(record, case) for case in shown(record.cases)]) + "\n\n" + _caption(record)


def wide_table(record: Record) -> str:
    """Markdown: the same cases, a student in one precision to a row. What it takes stands as `p50 / p99`."""
    cases = shown(record.cases)
    names: dict[tuple[str, str], list[str]] = {}
    for facts in record.artifacts:
        names.setdefault((facts.student, facts.precision), []).append(facts.name)
    columns = list(dict.fromkeys(_column(record, case) for case in cases))
    rows = []
    for (student, precision), own in names.items():
        found = {_column(record, case): case for case in reversed(cases) if case.artifact in own}
        timed = [found[column] for column in columns if column in found]
        if timed:
            rows.append(
                [f"{student} {precision}", *(_spent(found.get(column)) for column in columns), *_rest(record, timed)]
            )
    head = ("student", *columns, "memory counted", "load, ms", "real-time factor", "PBM", "jitter")
    shares = "; of several, one's share of their call" if any(case.setting.voices > 1 for case in cases) else ""
    unit = f"Milliseconds of a frame of one voice, p50 / p99{shares}. "
    return f"{markdown(head, rows)}\n\n{unit}{_caption(record)}"


def _column(record: Record, case: Case) -> str:
    """Where and how a case ran: the runtime, what it runs if it runs several, threads, voices."""
    setting, runs = case.setting, record.artifact(case.artifact)
    inside = "TorchScript" if runs.runtime == "torchscript" else runs.backend
    backend = f"{setting.backend} ({inside})" if setting.backend in ("native", "python_sdk") else setting.backend
    words = [backend, f"{setting.threads} thread" + "s" * (setting.threads > 1)]
    words += [f"{setting.voices} voices"] * (setting.voices > 1) + [case.machine] * (case.machine != "here")
    words += [setting.cores] * bool(setting.cores)
    return ", ".join(words)


def _spent(case: Case | None) -> str:
    return "–" if case is None else f"{show_ms(case.timing.p50_us)} / {show_ms(case.timing.p99_us)}"


def _rest(record: Record, cases: Sequence[Case]) -> list[str]:
    """What a row says once: of the first of its cases that knows it."""
    facts = record.artifact(cases[0].artifact)
    counted = next((size for case in cases if (size := case.memory_bytes("counted")) is not None), None)
    load = next((case.load_ms for case in cases if case.load_ms is not None), None)
    return [
        "–" if counted is None else show_bytes(counted), show_number(load), f"{cases[0].real_time_factor:.2g}",
        show_percent(best_score(facts.pbm)), show_number(best_score(facts.jitter)),
    ]  # fmt: skip


def _caption(record: Record) -> str:
    env = record.environment
    load = f", load average {env.load_average[0]:.2g}" if env.load_average else ""
    versions = ", ".join(f"{name} {version}" for name, version in env.versions.items())
    heard = dict.fromkeys(best_set(facts.pbm) for facts in record.artifacts if facts.pbm)
    scored = f" PBM accuracy at 0.15 cm and jitter in cm²/frame⁴ on: {', '.join(heard)}." if heard else ""
    labels = ", ".join(dict.fromkeys(LABELS[case.label] for case in shown(record.cases)))
    where = f"One run on {env.cpu}, {env.cores} cores, {env.system}{load}; {versions}; {record.created}"
    return f"{where}: {labels}.{scored}\n"


def shown(cases: Sequence[Case]) -> list[Case]:
    """Those that belong side by side: flat out, warm, nothing beside them; in the record's order."""
    return [c for c in cases if c.setting.is_plain]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with its columns aligned; text to the left, figures to the right."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(3, *(len(row[at]) for row in cells)) for at in range(len(head))]
    right = [bool(rows) and all(row[at][:1] in "0123456789–-" for row in rows) for at in range(len(head))]
    lines = []
    for row in cells:
        padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
        lines.append("| " + " | ".join(padded) + " |")
    rule = "|" + "|".join("-" * (w + 1) + (":" if r else "-") for w, r in zip(widths, right, strict=True)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _row(record: Record, case: Case) -> list[str]:
    facts = record.artifact(case.artifact)
    counted = case.memory_bytes("counted")
    voices = "" if case.setting.voices == 1 else f", {case.setting.voices} voices"
    machine = "" if case.machine == "here" else f" ({case.machine})"
    return [
        facts.name, str(case.setting.threads), case.setting.backend + voices, facts.precision,
        show_ms(case.timing.p50_us), show_ms(case.timing.p99_us),
        "–" if counted is None else show_bytes(counted), show_number(case.load_ms),
        show_percent(best_score(facts.pbm)), show_number(best_score(facts.jitter)),
        f"{case.real_time_factor:.3g}", LABELS[case.label] + machine,
    ]  # fmt: skip


def best_set(scores: dict[str, float]) -> str:
    """The name of the scores to show alone: human speech, else whatever was scored first; "" where nothing was."""
    human = [name for name in scores if name.split()[:1] == ["human"]]
    return next(iter([*human, *scores]), "")


def best_score(scores: dict[str, float]) -> float | None:
    """The score under that name; None where nothing was scored."""
    return scores.get(best_set(scores))

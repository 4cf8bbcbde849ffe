"""One Markdown table of a record: every artefact in every setting, all from one run.

python -m profiles table DIR/report.json
"""

from __future__ import annotations

from collections.abc import Sequence

from profiles.figures import Case
from profiles.record import Record
from profiles.show import LABELS, show_bytes, show_ms, show_number, show_percent

HEAD = (
    "artefact", "threads", "backend", "precision", "ms a frame, p50", "p99", "memory counted", "load, ms",
    "PBM", "jitter", "real-time factor", "figures",
)  # fmt: skip


def table(record: Record) -> str:
    """Markdown: flat-out warm cases without a neighbour; the caption says where it was measured and on what."""
    rows = [_row(record, case) for case in shown(record.cases)]
    env = record.environment
    load = f", load average {env.load_average[0]:.2g}" if env.load_average else ""
    versions = ", ".join(f"{name} {version}" for name, version in env.versions.items())
    heard = dict.fromkeys(best_set(facts.pbm) for facts in record.artifacts if facts.pbm)
    scored = f" PBM accuracy at 0.15 cm and jitter in cm²/frame⁴ on: {', '.join(heard)}." if heard else ""
    caption = f"One run on {env.cpu}, {env.cores} cores, {env.system}{load}; {versions}; {record.created}.{scored}"
    return markdown(HEAD, rows) + "\n\n" + caption + "\n"


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
    human = [name for name in scores if name.split()[0] == "human"]
    return next(iter([*human, *scores]), "")


def best_score(scores: dict[str, float]) -> float | None:
    """The score under that name; None where nothing was scored."""
    return scores.get(best_set(scores))

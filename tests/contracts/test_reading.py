"""Files that others may have written are read by `sdk/tools/limits.py` alone: bounded in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("sdk", "distill", "profiles", "export", "runtime_examples")
METHODS = {"read_text", "read_bytes"}
FUNCTIONS = {
    "json.load", "json.loads", "np.load", "np.fromfile", "np.loadtxt", "np.genfromtxt", "torch.load", "pickle.load",
    "pickle.loads", "yaml.load", "yaml.safe_load", "zipfile.ZipFile",
}  # fmt: skip
WE_WROTE_IT = "it is of this installation, or this process or its child has just written it"
CHECKED = "limits or a seal were asked first"
OWN_CACHE = "it is a cache, a log or unfinished work of this user's own, made anew where it cannot be read"
ALLOWED = {
    "sdk/tools/limits.py": "here",
    "sdk/tools/fresh.py": WE_WROTE_IT,
    "sdk/tools/strict.py": CHECKED,
    "sdk/engines/_allowed.py": "it bounds what it reads itself, by name and size",
    "sdk/cli/info.py": CHECKED,
    "sdk/js/pack.py": WE_WROTE_IT,
    "sdk/c/xcframework.py": WE_WROTE_IT,
    "sdk/scenes/usd.py": WE_WROTE_IT,
    "distill/files/checkpoint.py": CHECKED,
    "distill/files/sealed.py": CHECKED,
    "distill/files/log.py": OWN_CACHE,
    "distill/corpus/shards.py": CHECKED,
    "distill/corpus/shelf.py": CHECKED,
    "distill/corpus/styled/clips.py": OWN_CACHE,
    "distill/corpus/styled/sets.py": "mapped, so what it says costs nothing; its pickles are bounded by type",
    "distill/recipes/seeds.py": OWN_CACHE,
    "distill/recipes/strangers.py": OWN_CACHE,
    "distill/scoring/styled/seed_page.py": WE_WROTE_IT,
    "distill/speech/phones.py": "text that `limits` or a shard gave",
    "distill/speech/espeak_worker.py": WE_WROTE_IT,
    "distill/speech/speech_synth.py": WE_WROTE_IT,
    "distill/speech/kokoro/graph.py": WE_WROTE_IT,
    "distill/speech/kokoro/voices.py": WE_WROTE_IT,
    "distill/teachers/registry.py": CHECKED,
    "distill/teachers/codetalker/released.py": "what its authors released: plain tensors, which run no code",
    "distill/teachers/pretrained_ears.py": WE_WROTE_IT,
    "distill/training/run.py": CHECKED,
    "distill/training/voice2face/feed.py": WE_WROTE_IT,
    "export/lower/shortcuts.py": "a table of the installed exporter",
    "export/plan/known.py": OWN_CACHE,
    "export/studies/precision/study.py": OWN_CACHE,
    "export/verify/_play.py": WE_WROTE_IT,
    "export/verify/_replay.py": WE_WROTE_IT,
    "export/verify/heard.py": WE_WROTE_IT,
    "export/verify/proof.py": WE_WROTE_IT,
    "profiles/inspect/_operators.py": WE_WROTE_IT,
    "profiles/inspect/graph.py": WE_WROTE_IT,
    "profiles/measure/_gpu_worker.py": WE_WROTE_IT,
    "profiles/measure/_open.py": "an artefact that was opened and checked",
    "profiles/measure/_probe.py": WE_WROTE_IT,
    "profiles/measure/_worker.py": WE_WROTE_IT,
    "profiles/measure/cpu.py": WE_WROTE_IT,
    "profiles/measure/harness.py": WE_WROTE_IT,
    "profiles/model/environment.py": "the kernel's own files",
    "runtime_examples/blender/tinyface_blender.py": "stands alone in Blender",
    "runtime_examples/maya/receiver.py": "stands alone in Maya",
    "runtime_examples/cortex_m/board.py": WE_WROTE_IT,
    "runtime_examples/platforms.py": WE_WROTE_IT,
    "runtime_examples/web/site.py": WE_WROTE_IT,
}


def readings(path: Path) -> list[str]:
    """What reads whole files, or what they hold, without asking how much that is."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            said = ast.unparse(node.func)
            if node.func.attr in METHODS or said in FUNCTIONS:
                found.append(f"line {node.lineno}: {said}")
    return found


SOURCES = {p.relative_to(ROOT).as_posix(): p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))}


def test_what_others_wrote_is_read_by_limits_alone() -> None:
    found = {name: lines for name, path in SOURCES.items() if (lines := readings(path))}
    strange = {name: lines for name, lines in found.items() if name not in ALLOWED}
    assert not strange, "read it by `read_text`, `read_json`, `read_arrays` of sdk/tools/limits.py, or say here why not"
    assert set(ALLOWED) <= set(found), "these read nothing any more"


@pytest.mark.parametrize("line", ["json.loads(a.read_text())", "np.load(path)", "Path(a).read_bytes()"])
def test_a_reading_is_seen(line: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(line)
    assert readings(tmp_path / "a.py")

"""The house keeps its own rules: who imports whom, whole folders of plug-ins, docs that say what is."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.students.spec import load_variant, variant_names
from sdk.errors import CheckpointError
from sdk.rig import Frame, RigLayout
from sdk.tools.plugins import plugin_names

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("sdk", "distill", "profiles", "export", "runtime_examples")  # who imports whom: test_arrows.py
SOURCES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_readable(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= 320, "house rule: near 150 lines, stop near 300"
    assert path.name == "__init__.py" or ast.get_docstring(ast.parse(text)), "a file begins with its promise"


def test_only_the_worker_loads_espeak() -> None:
    users = [path.name for path in SOURCES if "espeakng_loader" in imported(path)]
    assert users == ["espeak_worker.py"]
    assert not [path for path in SOURCES if "espeak_worker import" in path.read_text("utf-8")]


def test_the_core_needs_only_numpy() -> None:
    """Importing the player's modules must not pull in torch, scipy or a runtime."""
    code = (
        "import sys, sdk, sdk.predictor, sdk.faces.face, sdk.manifest, sdk.artifact;"
        "import sdk.protocols.csv, sdk.protocols.jsonl;"
        "heavy = ('torch', 'executorch', 'scipy', 'soundfile', 'matplotlib', 'yaml', 'distill');"
        "print([m for m in heavy if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "name", sorted(p.stem for p in (ROOT / "sdk/protocols").glob("*.py") if p.stem not in ("__init__", "base"))
)
def test_every_protocol_encodes_named_frames(name: str) -> None:
    protocol = importlib.import_module(f"sdk.protocols.{name}").PROTOCOL
    layout = RigLayout.arkit()
    frames = [Frame(k, k * 533, layout.vector({"jawOpen": k / 4, "mouthLeft": 0.5}), layout) for k in range(4)]
    assert isinstance(protocol.header(layout, Fraction(30)), bytes)
    encoded = [protocol.encode(frame, layout) for frame in frames]
    assert len(set(encoded)) == 4
    assert encoded == [protocol.encode(frame, layout) for frame in frames], "no clock, no smoothing, no state"


def test_a_protocol_with_a_port_is_a_place_to_send_to(tmp_path: Path) -> None:
    """One file is all: found, listened to, and each frame a packet."""
    (tmp_path / "mine.py").write_text(
        "DEFAULT_PORT = 12345\n"
        "class Mine:\n"
        "    def header(self, layout, fps): return b'header'\n"
        "    def encode(self, frame, layout): return b'frame %d' % frame.index\n"
        "PROTOCOL = Mine()\n"
    )
    code = f"""if True:
        import socket, sdk.protocols
        from fractions import Fraction
        sdk.protocols.__path__.append({str(tmp_path)!r})
        from sdk.live.sinks import PORTS, open_sink
        from sdk.rig import Frame, RigLayout
        heard, layout = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), RigLayout.arkit()
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(10)
        sink = open_sink(f"mine://127.0.0.1:{{heard.getsockname()[1]}}", layout, Fraction(30))
        sink.send(Frame(7, 0, layout.vector({{}}), layout))
        print(PORTS["mine"], heard.recv(100).decode())
    """
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout == "12345 frame 7\n"


@pytest.mark.parametrize("name", variant_names())
def test_every_variant_builds_a_student_of_its_rig(name: str) -> None:
    if name.startswith("h_"):
        pytest.importorskip("transformers", reason="HuBERT's encoder needs it")
    spec = load_variant(name)
    assert spec.name == name
    audio = torch.zeros(1, 1, spec.input_samples)
    with torch.no_grad():
        assert spec.build().eval()(audio).shape[-1] == len(spec.layout)


@pytest.mark.parametrize("name", plugin_names("distill.teachers", "TEACHER"))
def test_every_teacher_labels_silence_as_rest(name: str) -> None:
    module = importlib.import_module(f"distill.teachers.{name}")
    file = getattr(module, "FILE", None)
    if file is not None and not file.shipped.exists():
        with pytest.raises(CheckpointError, match=r"no .* teacher is shipped; train one"):
            module.TEACHER()
        pytest.skip(f"{name} ships no weights")
    teacher = module.TEACHER()
    track = teacher.label(np.zeros(16000, np.float32))
    assert track.layout == teacher.layout
    assert track.fps == teacher.fps
    assert np.isfinite(track.values).all()
    assert np.abs(track.values).max() < 0.1


def test_architecture_names_the_rooms_that_there_are() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for room in (*ROOMS, "checkpoints", "tests"):
        assert f"`{room}/`" in text, room
        assert (ROOT / room).is_dir()


def test_every_noun_of_the_architecture_is_in_its_file() -> None:
    nouns = (ROOT / "ARCHITECTURE.md").read_text("utf-8").split("## Nouns")[1].split("##")[0]
    rows = [line for line in nouns.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        noun, path = row.split("|")[1].strip(), row.split("`")[-2]
        assert re.search(rf"^(class {noun}\b|{noun}\b.*=)", (ROOT / path).read_text("utf-8"), re.MULTILINE), row


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_that_the_docs_name_exist(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    named = set(re.findall(r"`((?:sdk|distill|export|profiles|runtime_examples|tests|checkpoints)/[\w./-]*)`", text))
    named |= {link for link in re.findall(r"\]\(([^)#\s]+)\)", text) if "://" not in link}
    missing = [path for path in named if "mine" not in path and not (ROOT / path).exists()]
    assert not missing
    assert "@@" not in text, "a figure is still to be filled in"


def test_every_shipped_checkpoint_opens_and_has_its_card() -> None:
    from distill.files.checkpoint import Checkpoint

    paths = sorted((ROOT / "checkpoints").glob("*.pt"))
    assert paths, "no shipped students"
    for path in paths:
        checkpoint = Checkpoint.load(path)
        assert checkpoint.spec.name == path.stem
        assert checkpoint.scores, f"{path}: not scored"
        card = path.with_suffix(".md").read_text("utf-8")
        assert checkpoint.weights_sha256 in card
        assert "python -m distill.recipes" in card


def test_no_page_or_card_names_a_folder_of_the_machine_it_was_made_on() -> None:
    """A command that a card gives has to run elsewhere; a twin of s9 said where its corpus lay here."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "checkpoints").rglob("*.md")]
    here = re.compile(r"(?<![\w.])/(?:tmp|work|home|root|Users)/\S*")
    found = {str(page.relative_to(ROOT)): here.findall(page.read_text("utf-8")) for page in pages}
    assert not {name: paths for name, paths in found.items() if paths}


def test_where_the_next_one_goes_is_a_place_like_those_there_are() -> None:
    """Every row of the table names a folder with files of that kind, and what such a file offers."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| [^|]+ \| `([\w./]+/)mine(\.\w+|/)`(.*)\|$", text, re.M)
    assert len(rows) >= 8
    for folder, ending, words in rows:
        pattern = "*/__init__.py" if ending == "/" else f"*{ending}"
        offered = re.search(r"with `([A-Z_]+)`", words)
        there = [path for path in (ROOT / folder).glob(pattern) if not offered or offered[1] in path.read_text("utf-8")]
        assert there, f"{folder}: nothing of that kind to look at"

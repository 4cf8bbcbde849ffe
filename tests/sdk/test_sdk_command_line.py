"""`python -m sdk` as a newcomer meets it, and the package's public names."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sdk
from sdk.__main__ import main
from sdk.artifact import seal
from sdk.faces.face import Face
from sdk.live.performance import Performance
from sdk.protocols.csv import read_csv
from sdk.scenes.glb import read_scene
from sdk.scenes.head import head_scene

ROOT = Path(__file__).parents[2]


def test_heads_are_read_by_every_suffix_that_help_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = {}
    for command, option in (("head", "--face"), ("animate", "--mesh")):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        said = capsys.readouterr().out.split("options:")[1].split(f"\n  {option} ")[1].split("\n  -")[0]
        named[option] = set(re.findall(r"\.\w+", said))
    assert named["--mesh"] == named["--face"] - {".npz"} == {".glb", ".gltf", ".vrm"}
    face, written = Face.default(), head_scene(Face.default()).to_bytes()
    for suffix in named["--face"]:
        path = tmp_path / f"h{suffix}"
        face.to_npz(path) if suffix == ".npz" else path.write_bytes(written)
        assert main(["head", "--face", str(path), "--out", str(tmp_path / "again.glb")]) == 0
        assert "52 shapes" in capsys.readouterr().out
        assert Face.from_file(path).names == face.names  # what --out FILE.usda reads a mesh by


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    soundfile = pytest.importorskip("soundfile", reason="soundfile writes the recording under test")
    path = tmp_path / "speech.wav"
    wave = np.random.default_rng(5).standard_normal((44100 * 3 // 2, 2)) * 0.1
    soundfile.write(path, wave, 44100, subtype="PCM_16")
    return path


def test_info(sealed: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(sealed["torchscript"])]) == 0
    out = capsys.readouterr().out
    for words in ("tiny (window), 27 parameters", "torchscript, xnnpack", "jawOpen", "25.0 ms"):
        assert words in out
    assert main(["info", "--json", str(sealed["torchscript"])]) == 0
    assert json.loads(capsys.readouterr().out)["student"] == "tiny"


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_animate(
    sealed: dict[str, Path], speech: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import soundfile

    out = tmp_path / f"frames.{suffix}"
    assert (
        main(["animate", str(sealed["executorch"]), str(speech), "--out", str(out), "--fps", "25", "--rest", "0"]) == 0
    )
    assert "38 frames at 25 fps from 1.50 s" in capsys.readouterr().out
    wanted = sdk.predict(sealed["executorch"], soundfile.read(speech)[0], 44100, fps=25)
    if suffix == "csv":
        capture = read_csv(out)
        got = capture.layout.select(capture.values, wanted[0].layout.names)
        assert capture.samples.tolist() == [frame.sample for frame in wanted]
    else:
        got = np.array([list(json.loads(line)["values"].values()) for line in out.read_text().splitlines()[1:]])
    np.testing.assert_allclose(got, [frame.values for frame in wanted], atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == [out.name, "speech.wav"], "no half-written file stays"


def test_what_a_file_says_of_itself_is_text(
    sealed: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = sdk.open_artifact(sealed["executorch"])
    facts = dataclasses.replace(whole.manifest, student="\x1b[2Jtiny<img src=x>", training={"by": "\x1b]0;me\x07 & co"})
    path = tmp_path / "model.pte"
    path.write_bytes(seal(whole.read_program(), facts))
    for command in ("info", "card"):
        assert main([command, str(path)]) == 0
        said = capsys.readouterr().out
        assert "\x1b" not in said
        assert "\x07" not in said
        assert r"\x1b[2Jtiny" in said
    assert "<img" not in said
    assert "&lt;img src=x>" in said


def test_mistakes_end_with_2_and_a_sentence(
    sealed: dict[str, Path], speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import soundfile

    model, out = str(sealed["executorch"]), str(tmp_path / "out.csv")
    text, cut, silent, broken, slow = (
        tmp_path / name for name in ("a.txt", "cut.pte", "none.wav", "nan.wav", "slow.wav")
    )
    text.write_text("not a sound")
    cut.write_bytes(sealed["executorch"].read_bytes()[:-9])
    soundfile.write(silent, np.zeros(0), 16000)
    soundfile.write(broken, np.array([0.0, np.nan] * 100), 16000, subtype="FLOAT")
    soundfile.write(slow, np.zeros(100), 4000)
    before = Path(out)
    before.write_text("what was here")
    for arguments, words in [
        (["info", str(text)], "no tinyface seal"),
        (["info", str(tmp_path / "none.pte")], "cannot read"),
        (["animate", str(cut), str(speech), "--out", out], "no tinyface seal"),
        (["animate", model, str(text), "--out", out], "not readable as sound"),
        (["animate", model, str(tmp_path / "none.wav.wav"), "--out", out], "not readable as sound"),
        (["animate", model, str(silent), "--out", out], "holds no samples"),
        (["animate", model, str(broken), "--out", out], "NaN"),
        (["animate", model, str(slow), "--out", out], "4000 Hz is out of range"),
        (["animate", model, str(speech), "--out", out, "--fps", "x"], "no frame rate"),
        (["animate", model, str(speech), "--out", out, "--style", "anger"], "give a name and a strength"),
        (["animate", model, str(speech), "--out", out, "--style", "anger=1"], "this artefact has none"),
        (
            ["animate", model, str(speech), "--out", str(tmp_path / "out.xml")],
            "no 'xml' among the formats; there are: ",
        ),
        (
            ["animate", model, str(speech), "--out", "spoken.mp4"],
            ".csv, .jsonl, .livelink, .maya, .ovr, .vmc, .glb, .usda",
        ),
        (["animate", model, str(speech), "--out", str(tmp_path / "nowhere" / "out.csv")], "cannot write"),
        (["animate", model, str(speech), "--out", str(text / "out.csv")], "cannot write"),
        (["animate", model, str(speech), "--out", "a.usda", "--map", "m.json"], "--map is for --out FILE.glb"),
        (["animate", model, str(speech), "--out", "a.glb", "--names", "cc4"], "--names is for frames"),
    ]:
        assert main(arguments) == 2, arguments
        captured = capsys.readouterr()
        assert captured.err.startswith("error: ")
        assert words in captured.err
        assert captured.err.count("\n") == 1
    assert before.read_text() == "what was here"
    assert not list(tmp_path.glob(".*"))


HEADS = (".glb", ".usda", ".usdc")
HELD = """
import sys, time
import sdk.cli.animate as animate, sdk.scenes.usd as usd
from sdk.__main__ import main

def held(*_):
    print("READY", flush=True)
    time.sleep(600)

animate.animate_scene = usd._fill = held
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, here and in the processes that a test starts."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def animating(sealed: dict[str, Path], speech: Path, out: Path) -> list[str]:
    if out.suffix != ".glb":
        pytest.importorskip("pxr.Usd", reason="usd-core writes it")
    return ["animate", str(sealed["executorch"]), str(speech), "--out", str(out)]


def as_whole(path: Path) -> bool:
    """Whether `path` holds a head that its own format's reader opens."""
    if path.suffix == ".glb":
        return bool(read_scene(path).json["animations"])
    stage = pytest.importorskip("pxr.Usd", reason="usd-core reads it").Stage.Open(str(path))
    return bool(stage.GetPrimAtPath("/Head/Speech"))


@pytest.mark.parametrize("suffix", HEADS)
def test_a_head_is_written_whole_and_where_a_link_leads(
    sealed: dict[str, Path], speech: Path, tmp_path: Path, temporary: Path, suffix: str
) -> None:
    link, far = tmp_path / f"link{suffix}", tmp_path / f"far{suffix}"
    far.write_bytes(b"what was here")
    link.symlink_to(far)
    assert main(animating(sealed, speech, link)) == 0
    assert link.is_symlink()
    assert as_whole(far)
    assert {path.name for path in tmp_path.iterdir()} == {"speech.wav", "temporary", link.name, far.name}
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("suffix", HEADS)
def test_a_place_that_takes_no_head_is_told_before_the_first_frame(
    sealed: dict[str, Path], speech: Path, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(Performance, "push", lambda *_: pytest.fail("it predicted for a place that takes nothing"))
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    for out, why in (
        (folder, "Is a directory"),
        (tmp_path / "nowhere" / f"out{suffix}", "No such file"),
        (speech / f"out{suffix}", "Not a directory"),
    ):
        assert main(animating(sealed, speech, out)) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"error: cannot write {out}: {why}")
        assert said.endswith("nothing was changed\n")
    assert not (tmp_path / "nowhere").exists()
    assert not list(folder.iterdir())


def test_without_usd_nothing_is_predicted_either(
    sealed: dict[str, Path], speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(Performance, "push", lambda *_: pytest.fail("it predicted for a file that it cannot write"))
    words = animating(sealed, speech, tmp_path / "out.usda")
    monkeypatch.setitem(sys.modules, "pxr", None)
    monkeypatch.delitem(sys.modules, "pxr.Usd")
    assert main(words) == 2
    assert "USD needs usd-core" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", HEADS)
def test_a_disk_that_is_full_leaves_the_head_that_was_there(
    sealed: dict[str, Path], speech: Path, tmp_path: Path, temporary: Path, suffix: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    resource = pytest.importorskip("resource", reason="no limit of a file's size here")
    out = tmp_path / f"out{suffix}"
    out.write_bytes(b"what was here")
    words, before = animating(sealed, speech, out), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        assert main(words) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "File too large" in said
    assert out.read_bytes() == b"what was here"
    assert {path.name for path in tmp_path.iterdir()} == {"speech.wav", "temporary", out.name}
    assert not list(temporary.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL here")
@pytest.mark.parametrize("suffix", HEADS)
def test_what_a_killed_writer_of_heads_left_goes_with_the_next(
    sealed: dict[str, Path], speech: Path, tmp_path: Path, temporary: Path, suffix: str
) -> None:
    out = tmp_path / f"out{suffix}"
    words = animating(sealed, speech, out)
    process = subprocess.Popen([sys.executable, "-c", HELD, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "READY\n"
    process.kill()
    process.communicate()
    assert list(tmp_path.glob(".*.part")), "it was killed within its writing"
    assert suffix == ".glb" or list(temporary.iterdir())
    assert not out.exists()
    assert main(words) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"speech.wav", "temporary", out.name}
    assert not list(temporary.iterdir())


def test_predict_takes_a_sound_file_at_its_own_rate(sealed: dict[str, Path], speech: Path, tmp_path: Path) -> None:
    import soundfile

    wanted = sdk.predict(sealed["executorch"], soundfile.read(speech)[0], 44100)
    got = sdk.predict(sealed["executorch"], speech)
    assert len(got) == len(wanted) == 45
    np.testing.assert_allclose([f.values for f in got], [f.values for f in wanted], atol=1e-6)
    for bad in (tmp_path / "none.wav", str(Path(__file__)), "headerless.raw"):
        with pytest.raises(sdk.TinyfaceError, match="not readable as sound"):
            sdk.predict(sealed["executorch"], bad)


def test_it_runs_as_a_module_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sdk", "info", str(tmp_path / "none.pte")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", sdk.__all__)
def test_public_names(name: str) -> None:
    assert getattr(sdk, name)
    assert name in dir(sdk)


def test_unknown_public_name() -> None:
    with pytest.raises(AttributeError, match="it has"):
        sdk.Model  # noqa: B018


def test_importing_costs_nothing() -> None:
    """Nothing but the standard library is loaded by `import sdk`, and numpy alone by playing with an own engine."""
    code = (
        "import sys, sdk; assert 'numpy' not in sys.modules; sdk.FramePredictor, sdk.predict, sdk.EagerEngine; "
        "print([m for m in ('torch', 'executorch', 'soundfile', 'yaml', 'scipy', 'tqdm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

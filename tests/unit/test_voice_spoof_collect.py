"""Packages become clips that are alike in all but the voice; engines and known vocoders speak."""

from __future__ import annotations

import math
import re
import sys
import wave
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from benchmarks.of_webrtc.voices import SAID
from tests.speech import speech
from training.demo_media.sound import CLONED_SENTENCES
from training.voice_spoof import collect, corpora, sentences, speak
from training.voice_spoof.clips import Clip, read_clips
from training.voice_spoof.collect import recordings
from training.voice_spoof.corpora import CORPORA, RECORDED, Corpus
from training.voice_spoof.demos import DEMOS, PEOPLE, SECOND, SECOND_PEOPLE
from training.voice_spoof.equalise import PAUSE, RATE_HZ, clips_of, joined, speech_of
from training.voice_spoof.folds import FOLDS
from training.voice_spoof.nuisance import nuisances
from training.voice_spoof.vocoders import known

pytestmark = pytest.mark.usefixtures("one_thread")
HUMS = Corpus("made up", "there/hums", "1", "CC0", r"(?P<speaker>\w+)/\d+\.wav$", 4)


def a_hum(*, seconds: float, pitch: float = 120.0, rate_hz: int = 22_050) -> NDArray[np.float64]:
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    tone = sum(np.sin(2 * np.pi * pitch * k * at) / k for k in range(1, 20))
    return np.asarray(0.05 * tone * (1.2 + np.sin(2 * np.pi * 4 * at)))


def active_dbfs(speech: NDArray[np.float64]) -> float:
    power = np.square(speech[: len(speech) // 320 * 320].reshape(-1, 320)).mean(axis=1)
    active = power > np.percentile(power, 95) * 10**-3.5
    return float(10 * np.log10(power[active].mean()))


@pytest.mark.parametrize("gain", [0.001, 0.3, 4.0])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_level_edges_and_pauses_are_gone(gain: float, rate_hz: int) -> None:
    hum, hush = a_hum(seconds=1.5, rate_hz=rate_hz), np.zeros(round(1.2 * rate_hz))
    speech = speech_of(gain * np.concatenate([hush, hum, hush, hum, hush]), rate_hz)
    assert active_dbfs(speech) == pytest.approx(-26.0, abs=0.3)
    assert len(speech) / RATE_HZ == pytest.approx(3.0 + PAUSE * 0.02, abs=0.1)


def test_two_channels_become_one_and_what_is_out_of_band_goes() -> None:
    at = np.arange(44_100) / 44_100
    hum = a_hum(seconds=1.0, rate_hz=44_100)
    speech = speech_of(np.stack([hum + np.sin(2 * np.pi * 7_800 * at), hum + 0.3], axis=1), 44_100)
    power = np.abs(np.fft.rfft(speech)) ** 2
    hz = np.fft.rfftfreq(len(speech), 1 / RATE_HZ)
    assert power[hz > 7_500].sum() < 1e-3 * power.sum()
    assert power[hz < 30].sum() < 1e-2 * power.sum()


def test_silence_and_nothing_give_nothing() -> None:
    assert len(speech_of(np.zeros(16_000), 16_000)) == 0
    assert len(speech_of(np.zeros(0), 16_000)) == 0


def test_clips_are_of_four_to_five_seconds_and_never_digitally_silent() -> None:
    speech = speech_of(a_hum(seconds=13.0), 22_050)
    clips = list(clips_of(speech, most=9, rng=np.random.default_rng(0)))
    assert all(4.0 <= len(clip) / RATE_HZ <= 5.0 for clip in clips[:-1])
    assert 12.0 <= sum(map(len, clips)) / RATE_HZ <= 13.5
    zeros = nuisances(clips[0][: 2 * RATE_HZ].astype(np.float32) / np.float32(32768))[11]
    assert zeros < 0.5
    assert len(list(clips_of(speech, most=1, rng=np.random.default_rng(0)))) == 1


def test_short_utterances_are_joined() -> None:
    assert len(joined([np.ones(1_600), np.ones(3_200)])) == 1_600 + 3_200 + 0.2 * RATE_HZ


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    for speaker, seconds in (("ann", 1.0), ("bob", 1.0), ("eve", 11.0)):
        (tmp_path / "in/hums" / speaker).mkdir(parents=True)
        for number in range(12 if seconds < 2 else 2):
            pitch = 100.0 + 5 * number
            hum = a_hum(seconds=seconds, pitch=pitch)
            soundfile.write(tmp_path / f"in/hums/{speaker}/{number}.wav", hum, 22_050)
    (tmp_path / "in/hums/ann/99.wav").write_bytes(b"no sound at all")
    return tmp_path


def test_a_package_becomes_a_manifest_that_training_reads(
    unpacked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = Corpus("absent", "there/absent", "1", "CC0", ".*", 4)
    monkeypatch.setattr(collect, "CORPORA", (HUMS, absent))
    arguments = ["collect", "--unpacked", str(unpacked / "in"), "--out", str(unpacked / "out")]
    monkeypatch.setattr("sys.argv", arguments)
    collect.main()
    clips = read_clips(unpacked / "out/manifest.csv")
    assert {clip.source for clip in clips} == {"made up"}
    assert all(not clip.fake and len(clip.pcm) >= 1.3 * RATE_HZ for clip in clips)
    assert {clip.speaker: clip.split for clip in clips}.keys() == {
        "hums_ann", "hums_bob", "hums_eve"}  # fmt: skip
    assert "absent: 0 clips" in capsys.readouterr().err
    first = {clip.file: clip.pcm.tobytes() for clip in clips}
    collect.main()
    again = read_clips(unpacked / "out/manifest.csv")
    assert first == {clip.file: clip.pcm.tobytes() for clip in again}


def test_of_a_gated_package_only_clear_speech_is_kept(tmp_path: Path) -> None:
    hiss = np.random.default_rng(0).normal(size=6 * RATE_HZ) * 0.05
    for speaker, sound in (("ann", speech()[: 6 * RATE_HZ]), ("hiss", hiss)):
        (tmp_path / speaker).mkdir()
        soundfile.write(tmp_path / speaker / "0.wav", sound, RATE_HZ)
    gated = replace(HUMS, gated=True)
    who = {row[3] for row in collect.collect(gated, tmp_path, tmp_path / "out")}
    assert who == {"hums_ann"}
    everybody = {row[3] for row in collect.collect(HUMS, tmp_path, tmp_path / "out")}
    assert everybody == {"hums_ann", "hums_hiss"}


def test_packages_can_be_collected_by_the_beginnings_of_their_names(
    unpacked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others = replace(HUMS, name="other"), replace(HUMS, name="third")
    monkeypatch.setattr(collect, "CORPORA", (HUMS, *others))
    arguments = ["collect", "--unpacked", str(unpacked / "in"), "--out", str(unpacked / "out")]
    monkeypatch.setattr("sys.argv", [*arguments, "--only", "made", "thi"])
    collect.main()
    sources = {clip.source for clip in read_clips(unpacked / "out/manifest.csv")}
    assert sources == {"made up", "third"}
    assert "other" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("fr/intro/canal_lock.ogg", "GCompris voices fr"),
        ("fr/geography/nepal.ogg", None),
        ("pt/geography/europe/spain.ogg", "GCompris voices pt"),
        ("pt_BR/misc/good.ogg", None),
        ("af/misc/good.ogg", "GCompris voices, others"),
        ("en/alphabet/U0061.ogg", None),
        ("kn/misc/good.ogg", None),
    ],
)
def test_of_gcompris_each_language_is_taken_once_and_no_letters_are(
    path: str, source: str | None
) -> None:
    taken = [
        corpus.name
        for corpus in RECORDED
        if corpus.package == "GitHub/gcompris-voices" and re.search(corpus.pattern, path)
    ]
    assert taken == ([source] if source else [])


def test_of_the_second_demos_no_clip_is_overwritten_and_no_system_is_of_the_first() -> None:
    names = [(corpus.package, corpus.system) for corpus in SECOND]
    assert len(names) == len(set(names))
    assert not {name for _, name in names if name} & {corpus.system for corpus in DEMOS}


@pytest.mark.parametrize(
    ("demos", "source"),
    [
        ([], "made"),
        (["--demos"], "first"),
        (["--demos", "second"], "second"),
        (["--unheard"], "unheard"),
    ],
)
def test_which_demos_are_collected_is_chosen(
    demos: list[str], source: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    lists = {"CORPORA": "made", "DEMOS": "first", "SECOND": "second", "UNHEARD": "unheard"}
    for name, it in lists.items():
        monkeypatch.setattr(collect, name, (replace(HUMS, name=it),))
    monkeypatch.setattr("sys.argv", ["collect", "--list", *demos])
    collect.main()
    assert capsys.readouterr().out == f"there/hums\t1\tCC0\t{source}\n"


def test_of_people_that_are_judged_only_nothing_is_to_train_on(
    unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "UNHEARD", (HUMS,))
    out = unpacked / "out"
    arguments = ["collect", "--unpacked", str(unpacked / "in"), "--out", str(out), "--unheard"]
    monkeypatch.setattr("sys.argv", arguments)
    collect.main()
    clips = read_clips(out / "manifest.csv")
    assert {(clip.split, clip.fake) for clip in clips} == {("dev", False)}
    assert {clip.speaker for clip in clips} == {"hums_ann", "hums_bob", "hums_eve"}


def test_rows_that_share_a_package_name_their_speakers_so_that_no_clip_is_overwritten() -> None:
    packages = [corpus.package for corpus in RECORDED]
    for corpus in RECORDED:
        assert packages.count(corpus.package) == 1 or "?P<speaker>" in corpus.pattern


def test_which_files_are_taken_is_drawn_by_their_names(unpacked: Path) -> None:
    found = recordings(HUMS, unpacked / "in/hums")
    assert list(found) == ["ann", "bob", "eve"]
    assert sorted(path.name for path in found["bob"]) == sorted(f"{n}.wav" for n in range(12))
    assert [path.name for path in found["bob"]] != [f"{n}.wav" for n in range(12)]


def test_every_source_has_a_licence_a_version_and_a_pattern_that_compiles() -> None:
    for corpus in CORPORA + DEMOS + SECOND:
        assert re.compile(corpus.pattern)
        assert corpus.version
        assert re.match(r"(GPL|LGPL|BSD|MIT|Apache|CC0|CC-BY|public domain)", corpus.licence)
        assert "NC" not in corpus.licence
    assert not {corpus.system for corpus in RECORDED + PEOPLE + SECOND_PEOPLE} - {""}
    assert all(corpus.system for corpus in corpora.SPOKEN)
    assert all(corpus.system for corpus in DEMOS if corpus not in PEOPLE)
    assert all(corpus.system for corpus in SECOND if corpus not in SECOND_PEOPLE)


@pytest.mark.parametrize(
    ("system", "path", "taken"),
    [
        ("larynx", "local/de-de/thorsten-glow_tts/samples/hallo.wav", True),
        ("larynx", "local/en-us/blizzard_fls-glow_tts/samples/cake.wav", False),
        ("mimic3-vits", "samples/en_US/vctk_low/sample_p225.wav", True),
        ("mimic3-vits", "samples/en_US/ljspeech_low/sample.wav", False),
        ("mimic3-vits", "samples/en_UK/apope_low/sample.wav", False),
        ("tortoise", "examples/various/a_poem/train_atkins.mp3", True),
        ("tortoise", "examples/various/a_poem/an_actor.mp3", False),
        ("wavenet", "audio/mixture_lj/0_checkpoint_step0_ema_target.wav", False),
        ("wavenet", "audio/mixture_lj/0_checkpoint_step0_ema_predicted.wav", True),
        ("vits-pits", "docs/pits_samples/PITS(A+D)/PITS(A+D)0/p225/p225_363_mic1.wav", True),
        ("vits-pits", "docs/pits_samples/PITS(A+D)/PITS(A+D)-2/p227/p227_400_mic1.wav", False),
        ("vits-pits-higher", "PITS(D+Q)/PITS(D+Q)-4/s5/s5_398_mic1.wav", True),
        ("vits-pits-lower", "PITS(D+Q)/PITS(D+Q)-4/s5/s5_398_mic1.wav", False),
        ("vits-page-phaseaug", "docs/samples/vits/LJ001-0068/vits_noaug100.wav", True),
        ("vits-page-phaseaug", "docs/samples/vits/LJ001-0068/vits_noaug10.wav", False),
        ("vits-page-phaseaug", "docs/samples/vits/LJ001-0068/gt.wav", False),
        (
            "hifigan-page-forwardtacotron",
            "docs/samples/sample02-ForwardTacotron-HifiGAN.wav.wav",
            True,
        ),
        ("", "docs/samples/sample01-gt.wav", True),
        ("", "docs/samples/sample01-hifigan.wav", False),
    ],
)
def test_of_demos_only_what_may_be_taken_is(system: str, path: str, taken: bool) -> None:
    patterns = [corpus.pattern for corpus in DEMOS + SECOND if corpus.system == system]
    assert any(re.search(pattern, path) for pattern in patterns) == taken


@pytest.mark.parametrize("name", ["world", *known.MAKERS])
def test_every_known_vocoder_is_held_out_in_one_fold(name: str) -> None:
    folds = [name for fold in FOLDS.values() if f"copy-{name}".startswith(fold.systems)]
    assert len(folds) == 1


def test_every_system_and_corpus_is_held_out_in_one_fold() -> None:
    for corpus in CORPORA + DEMOS + SECOND:
        folds = [
            name
            for name, fold in FOLDS.items()
            if (corpus.system or corpus.name).startswith(
                fold.systems if corpus.system else fold.sources
            )
        ]
        assert len(folds) == 1, (corpus.system or corpus.name, folds)


def test_no_sentence_is_said_twice() -> None:
    everything = [
        text
        for name, texts in vars(sentences).items()
        if name.isupper()
        for text in texts
    ]  # fmt: skip
    assert len(everything) == len(set(everything)) > 230


@pytest.mark.parametrize("kept", [CLONED_SENTENCES, (*SAID.values(),)])
def test_nothing_is_said_that_a_demo_or_a_benchmark_says(kept: tuple[str, ...]) -> None:
    told = {part.strip().lower() for text in kept for part in re.split(r"[.!?]", text)} - {""}
    for text in sentences.ENGLISH + sentences.EVERYDAY + sentences.GERMAN:
        assert not told & {part.strip().lower() for part in re.split(r"[.!?]", text)}


def test_everyday_speech_is_short_and_long() -> None:
    words = [len(text.split()) for text in sentences.EVERYDAY]
    assert min(words) <= 2
    assert max(words) > 25
    assert all(re.fullmatch(r"[A-Z][\w ,.;:'!?-]+[.!?]", text) for text in sentences.EVERYDAY)


class Engine:
    """Says a tone per letter."""

    def tts(self, text: str, *, speed: float, half_tone: float) -> tuple[NDArray[np.float64], int]:
        return np.full(100 * len(text), 40_000.0 * speed), 48_000


def test_an_engine_writes_sound_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyopenjtalk", cast(ModuleType, Engine()))
    voice, say = next(iter(speak.jtalk()))
    say(tmp_path / "one.wav")
    with wave.open(str(tmp_path / "one.wav")) as file:
        assert (file.getframerate(), file.getnchannels()) == (48_000, 1)
        assert file.getnframes() == 100 * len(sentences.JAPANESE[0])
    assert voice == "mei+0"


@pytest.mark.parametrize(
    ("engine", "voice"),
    [("piper", "joe-07"), ("hibari", "heart-15"), ("kokoro", "jf_alpha-jm_kumo")],
)
def test_what_an_engine_said_is_collected_by_voice(engine: str, voice: str) -> None:
    pattern = next(corpus.pattern for corpus in CORPORA if corpus.package == f"spoken/{engine}")
    match = re.search(pattern, f"{voice}/012.wav")
    assert match is not None
    assert match["speaker"] == voice


def test_kokoro_has_enough_pairs_of_voices_for_its_sentences() -> None:
    said = sentences.EVERYDAY[speak.KOKORO_FROM :: speak.KOKORO_STEP]
    pairs = math.comb(5, 2)
    assert (len(said) - 1) // speak.KOKORO_TOGETHER < pairs


class Reader:
    """Says nothing, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float, int]] = []

    def save(self, text: str, path: str, *, speed: float, seed: int) -> None:
        self.asked.append((text, speed, seed))


def test_everyday_sentences_are_said_at_many_speeds_and_split_by_tens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, package = Reader(), ModuleType("hibari")
    monkeypatch.setattr(package, "Hibari", lambda *, threads: reader, raising=False)
    monkeypatch.setitem(sys.modules, "hibari", package)
    voices = []
    for voice, say in speak.hibari():
        say(tmp_path / "one.wav")
        voices.append(voice)
    texts, speeds, seeds = zip(*reader.asked, strict=True)
    assert texts == sentences.EVERYDAY
    assert len(set(speeds)) == len(set(seeds)) == len(texts)
    assert all(0.8 <= speed <= 1.2 for speed in speeds)
    assert {voices.count(voice) for voice in voices} == {speak.TOGETHER}


def test_a_copy_by_a_known_vocoder_is_as_long_and_as_loud_as_the_original() -> None:
    pcm = next(
        clips_of(speech_of(a_hum(seconds=4.5), 22_050), most=1, rng=np.random.default_rng(0))
    )
    clip = Clip("train/real_hum_1.flac", False, "real", "s", "made up", "CC0", "train", pcm)
    copy = known.copy_of(clip, "half", lambda samples, draw: 0.1 * samples[: len(samples) - 99])
    assert copy.shape == pcm.shape
    assert np.std(copy) == pytest.approx(np.std(pcm), rel=0.1)

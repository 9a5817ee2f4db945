"""Features say what they are named after, and classifiers on them are honest."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from streammon.core.errors import ConfigError
from streammon.evaluation import audio_features
from streammon.evaluation.audio_features import RATE_HZ
from streammon.evaluation.baseline import PlainClassifiers, must_have_groups, out_of_fold
from streammon.evaluation.manifest import Row
from streammon.evaluation.measures import Counts, auc

Sound = NDArray[np.float32]

pytestmark = pytest.mark.timeout(180)  # the first use compiles for up to half a minute


def tone(pitch_hz: float, *, seconds: float = 2.0) -> Sound:
    at = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * pitch_hz * at)).astype(np.float32)


def noise(*, seconds: float = 2.0, seed: int = 0) -> Sound:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.normal(size=int(seconds * RATE_HZ))).astype(np.float32)


def named(sound: Sound) -> dict[str, float]:
    return dict(zip(audio_features.names(), audio_features.features(sound).tolist(), strict=True))


def test_each_place_of_the_vector_holds_what_its_name_says() -> None:
    low, high, hiss = named(tone(220.0)), named(tone(3520.0)), named(noise())
    assert low["centroid.0.mean"] == pytest.approx(220, abs=60)
    assert high["centroid.0.mean"] == pytest.approx(3520, abs=60)
    assert hiss["centroid.0.mean"] == pytest.approx(RATE_HZ / 4, rel=0.05)
    assert low["rolloff.0.mean"] < 400 < 3400 < high["rolloff.0.mean"] < 3700
    assert high["zero_crossings.0.mean"] == pytest.approx(2 * 3520 / RATE_HZ, rel=0.05)
    chroma = [low[f"chroma.{row}.mean"] for row in range(12)]
    assert int(np.argmax(chroma)) == 9  # A, counted from C
    octaves = [low[f"vqt.{row}.mean"] for row in range(7)]
    assert int(np.argmax(octaves)) == 2  # C3 to B3: 131 to 247 Hz
    mel = [high[f"mel.{row}.mean"] for row in range(40)]
    assert int(np.argmax(mel)) > 25
    assert low["mfcc_delta.1.std"] < hiss["mfcc_delta.1.std"]
    assert low["contrast.1.mean"] > hiss["contrast.1.mean"]


def test_the_tempo_is_that_of_the_beat() -> None:
    sound = noise(seconds=8.0) * 0.01
    for beat_s in np.arange(0.0, 8.0, 0.5):  # two a second
        at = int(beat_s * RATE_HZ)
        sound[at : at + 400] += tone(1000.0, seconds=0.025)
    assert named(sound)["tempo"] == pytest.approx(120.0, abs=3.0)


@pytest.mark.parametrize("seconds", [0.01, 0.4, 1.0, 3.3, 40.0])
def test_any_length_gives_finite_features(seconds: float) -> None:
    found = audio_features.features(noise(seconds=seconds))
    assert found.shape == (len(audio_features.names()),)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    "sound", [np.zeros(0), np.zeros(16_000), np.array([0.1, np.nan]), np.array([np.inf] * 9)]
)
def test_what_is_no_sound_is_refused(sound: NDArray[np.float64]) -> None:
    assert not audio_features.is_sound(sound.astype(np.float32))
    with pytest.raises(ValueError, match="no sound"):
        audio_features.features(sound.astype(np.float32))


def test_no_more_than_the_beginning_is_taken() -> None:
    taken: list[int] = []

    def pieces() -> object:
        for number in range(1_000):
            taken.append(number)
            yield noise(seconds=1.0, seed=number)

    found = audio_features.joined(pieces())  # type: ignore[arg-type]
    assert len(found) == 30 * RATE_HZ
    assert len(taken) == 30
    assert len(audio_features.joined([])) == 0


# --- classifiers -----------------------------------------------------------------------------


@pytest.mark.parametrize("classifier", ["logistic", "boosting"])
def test_what_is_learnt_of_a_speaker_is_not_used_on_that_speaker(classifier: str) -> None:
    """Each speaker has a mark and one class: told apart by voice, nothing is known of others."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(20), 40)
    marks = np.eye(20, dtype=np.float32)[speakers]
    fake = speakers % 2 == 0
    groups = [f"speaker:{speaker}" for speaker in speakers]
    shuffled = rng.permutation(len(speakers))
    found = out_of_fold(
        list(marks[shuffled]), fake[shuffled], [groups[n] for n in shuffled], classifier=classifier
    )
    honest = auc(Counts.of(found[~fake[shuffled]], found[fake[shuffled]]))
    assert honest < 0.75
    alone = [f"line:{n}" for n in range(len(fake))]
    leaked = out_of_fold(list(marks), fake, alone, classifier=classifier)
    assert auc(Counts.of(leaked[~fake], leaked[fake])) > 0.95


@pytest.mark.parametrize("classifier", ["logistic", "boosting"])
def test_what_all_fakes_share_is_learnt(classifier: str) -> None:
    rng = np.random.default_rng(1)
    fake = np.arange(120) % 2 == 0
    matrix = rng.normal(size=(120, 5)).astype(np.float32)
    matrix[:, 3] += fake * 3.0
    groups = [f"speaker:{n // 6}" for n in range(120)]
    first, again = (
        out_of_fold(list(matrix), fake, groups, classifier=classifier) for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
    assert auc(Counts.of(first[~fake], first[fake])) > 0.95
    assert ((first >= 0) & (first <= 1)).all()


def test_too_few_groups_are_refused_before_anything_is_listened_to() -> None:
    rows = [Row(line=n, fake=n > 1, path=Path("a.wav"), group=group) for n, group in
            enumerate(("a", "b", "c", "c"))]  # fmt: skip
    with pytest.raises(ConfigError, match="2 of reals and 1 of fakes"):
        must_have_groups(rows)
    must_have_groups([*rows, replace(rows[-1], group="d")])


def test_where_too_few_had_sound_the_baseline_abstains(tmp_path: Path) -> None:
    baseline = PlainClassifiers()
    for number, fake in enumerate((False, False, True)):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, noise(seed=number), RATE_HZ)
        baseline.take(Row(line=number, fake=fake, path=path, group=f"speaker:{number}"))
    for answers in baseline.answers():
        assert answers.scored == []
        assert all("1 of fakes" in (answer.abstained or "") for answer in answers.given)


def test_a_baseline_answers_for_every_file_with_sound(tmp_path: Path) -> None:
    baseline = PlainClassifiers()
    for number in range(12):
        path = tmp_path / f"{number}.wav"
        fake = number % 2 == 0
        sound = tone(300.0 + 20 * number) if fake else noise(seed=number)
        soundfile.write(path, sound, RATE_HZ)
        baseline.take(Row(line=number, fake=fake, path=path, group=f"speaker:{number}"))
    soundfile.write(tmp_path / "mute.wav", np.zeros(RATE_HZ), RATE_HZ)
    baseline.take(Row(line=20, fake=False, path=tmp_path / "mute.wav"))
    baseline.take(Row(line=21, fake=False, text="a text"))
    baseline.take(Row(line=22, fake=False, path=tmp_path / "gone.wav"))
    answers = baseline.answers()
    assert [one.detector for one in answers] == [
        "audio_features/logistic", "audio_features/boosting",
    ]  # fmt: skip
    for one in answers:
        assert [answer.row.line for answer in one.given if answer.abstained] == [20, 21]
        assert len(one.scored) == 12
    assert [failure.row.line for failure in baseline.failures] == [22]
    logistic = answers[0].scored
    assert all((answer.confidence or 0.0) > 0.5 for answer in logistic if answer.row.fake)


def test_without_scikit_learn_people_are_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ConfigError, match=r"pip install 'streammon\[eval\]'"):
        PlainClassifiers()

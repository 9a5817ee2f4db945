"""What a gate is worth, worked out from windows that were asked about in spite of it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streammon.detectors.faces.tracker import open_eyes
from streammon.detectors.voice_activity import RATE_HZ, listen
from tests.drawn_talker import write_film
from training.cases import shots
from training.cases.draw import Draw
from training.gates import lips, pictures, speech, text
from training.gates.table import Asked, report, verdict, worth
from training.lip_sync.clips import items_of


def asked(*, fake: bool, gate: str | None, counting: int, others: int) -> list[Asked]:
    said = [0.9] * counting + [0.1] * others
    return [Asked("speech", fake, gate, confidence) for confidence in said]


SOME = [
    *asked(fake=False, gate=None, counting=10, others=90),
    *asked(fake=True, gate=None, counting=60, others=40),
    *asked(fake=False, gate="noise", counting=30, others=20),
    *asked(fake=True, gate="noise", counting=20, others=30),
    *asked(fake=False, gate="rumble", counting=5, others=20),
    *asked(fake=True, gate="rumble", counting=60, others=0),
]


def test_a_gate_is_measured_with_the_others_shut() -> None:
    real, fake = (worth(SOME, "noise", fake=fake) for fake in (False, True))
    assert (real.turned, real.counted, fake.turned, fake.counted) == (50, 30, 50, 20)
    assert real.lost == pytest.approx(30 / 40)
    assert fake.lost == pytest.approx(20 / 80)
    assert real.without == pytest.approx(40 / 150)
    assert real.kept == pytest.approx(10 / 150)
    assert fake.clearing == 30


@pytest.mark.parametrize(
    ("gate", "says"),
    [("noise", "yes"), ("rumble", "no"), ("nowhere", "turned no real window away")],
)
def test_it_earns_its_place_where_it_costs_fewer_detections_than_false_alarms(
    gate: str, says: str
) -> None:
    assert verdict(worth(SOME, gate, fake=False), worth(SOME, gate, fake=True)) == says


def test_one_false_alarm_or_two_are_few_whatever_else_is_turned_away() -> None:
    def of(counting: int) -> list[Asked]:
        turned = asked(fake=False, gate="hum", counting=counting, others=900)
        return [*asked(fake=True, gate=None, counting=60, others=40), *turned]

    said = [verdict(*(worth(of(count), "hum", fake=fake) for fake in (False, True)))
            for count in (1, 12)]  # fmt: skip
    assert said == ["yes, of few", "yes"]


def test_few_windows_are_said_to_be_few() -> None:
    few = [
        *SOME,
        *asked(fake=False, gate="hum", counting=2, others=9),
        *asked(fake=True, gate="hush", counting=0, others=3),
        *asked(fake=False, gate="hush", counting=0, others=3),
    ]
    said = {gate: verdict(*(worth(few, gate, fake=fake) for fake in (False, True)))
            for gate in ("hum", "hush")}  # fmt: skip
    assert said == {"hum": "yes, of few", "hush": "neither: nothing that it turns away counts"}


def test_the_report_is_a_table_of_gates_and_one_of_what_was_asked() -> None:
    lines = list(report("ear", SOME))
    tables = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in tables[:4]}) == 1
    assert tables[2].startswith("| noise | 50, 60.0% [46.2%, 72.4%] | 50, 40.0% [27.6%, 53.8%] |")
    assert lines[-1] == "| speech | 75 of 175 (35); 10 of 100 | 110 of 210 (80); 60 of 100 |"


def test_speech_is_mistreated_as_it_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    at_s = np.arange(3 * RATE_HZ) / RATE_HZ
    buzz = np.sign(np.sin(2 * np.pi * 140 * at_s)) * (1 + np.sin(2 * np.pi * 4 * at_s)) * 0.1
    (tmp_path / "manifest.csv").write_text(
        "file,label,system,speaker,source,licence,split\n"
        "a.flac,real,real,ann,here,none,dev\nb.flac,fake,buzz,bob,here,none,dev\n"
    )
    for name in ("a", "b"):
        soundfile.write(
            tmp_path / f"{name}.flac", buzz + rng.normal(size=len(buzz)) * 1e-3, RATE_HZ
        )
    found = list(speech.asked(tmp_path, seed=1, each=4))
    families = {one.family for one in found}
    assert families == {*speech.TREATMENTS, *speech.NOTHING_SAID}
    faint = [one for one in found if one.family == "speech, faint"]
    assert {one.gate for one in faint} <= {"level too low to judge", "no speech: silence"}
    assert not any(one.fake for one in found if one.family in speech.NOTHING_SAID)
    silence = [one for one in found if one.family == "silence"]
    assert {one.gate for one in silence} == {"no speech: silence"}


def test_what_holds_no_speech_is_sound_that_the_gate_can_hear() -> None:
    for make in speech.NOTHING_SAID.values():
        pcm = make(Draw("test", 0, "any", 0))
        assert pcm.shape == (speech.SAMPLES,)
        assert np.isfinite(pcm).all()
        listen(pcm, least_speech_s=0.6)


def test_made_texts_are_long_enough_to_be_judged() -> None:
    for name, make in text.MADE.items():
        assert len(make(random.Random(name))) >= 250


def test_of_young_streams_and_scraps_of_sound_freeze_is_asked_whatever_its_gates_say() -> None:
    shot = shots.FAULTS["freeze"]["empty"](Draw("test", 0, "empty", 0), pictures.SIZE, pictures.FPS)
    seen = list(pictures.asked_of(shot))
    assert {one.gate for one in seen} == {None, "fewer than 3 frames"}
    assert {one.family for one in seen} == set(pictures.APART_S)
    assert {one.fake for one in seen if one.gate is not None} == {False, True}
    assert any(one.fake and one.counts for one in seen)
    heard = list(pictures.asked_of_sound("silent", Draw("test", 0, "silent", 0)))
    assert {one.gate for one in heard if one.family == pictures.WHOLE} == {None}
    assert len({one.gate for one in heard}) == 3
    scraps = [one for one in heard if one.family not in (pictures.WHOLE, pictures.BROKEN_SOUND)]
    assert not any(one.counts for one in scraps if not one.fake)
    assert sum(one.fake for one in scraps) == 2 * len(pictures.SCRAPS_S) * 25
    whole = [one for one in heard if one.family == pictures.WHOLE]
    assert sum(one.fake for one in whole) == 24, "of the chunks within the fault"
    assert len(whole) == 34 - 2, "one of each border is left out"
    assert any(one.fake and one.counts and one.gate is not None for one in heard)


@pytest.mark.timeout(120)
def test_a_talker_is_compared_in_step_and_shifted(tmp_path: Path) -> None:
    film = tmp_path / "talker.mp4"
    write_film(film)
    talk = lips.talk_of(items_of(film), open_eyes(), lips.WORSE[lips.AS_IT_IS][0], None, 0)
    assert talk is not None
    found = list(lips.stretches(talk, lips.AS_IT_IS))
    short = [one for one in found if one.family.endswith("stretches of 3 s")]
    assert {one.gate for one in short} == {"too little speech"}, "of 3 s, never 6 s are spoken"
    relayed = [one for one in found if one.family == lips.RELAYED]
    assert {one.gate for one in relayed} == {"the timing is not the sender's"}
    judged = [one for one in found if one.gate is None]
    assert len(short) + len(relayed) + len(judged) == len(found)
    shifted = [one.confidence for one in judged if one.fake]
    in_step = [one.confidence for one in judged if not one.fake]
    assert np.mean(shifted) > np.mean(in_step)

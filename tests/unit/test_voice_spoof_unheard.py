"""The people that are judged only: what is taken of which package, and that no training has it."""

from __future__ import annotations

import re
import struct

import pytest

from training.voice_spoof.corpora import CORPORA
from training.voice_spoof.demos import DEMOS, SECOND
from training.voice_spoof.unheard import UNHEARD, spoken_lines


def test_no_list_that_is_learned_from_has_a_collection_of_those_that_are_judged_only() -> None:
    others = CORPORA + DEMOS + SECOND
    assert not {one.package for one in UNHEARD} & {one.package for one in others}
    assert not {one.name for one in UNHEARD} & {one.name for one in others}


def test_unheard_rows_are_of_people_with_a_licence_and_overwrite_no_clip() -> None:
    packages = [corpus.package for corpus in UNHEARD]
    for corpus in UNHEARD:
        assert not corpus.system
        assert corpus.version
        assert re.match(r"(GPL-[23]|MIT|CC0|CC-BY|public domain|freeware)", corpus.licence)
        assert "NC" not in corpus.licence
        assert packages.count(corpus.package) == 1 or "?P<speaker>" in corpus.pattern


@pytest.mark.parametrize(
    ("path", "speaker"),
    [
        ("usr/share/klettres/pt_BR/syllab/pa.ogg", "pt_BR"),
        ("usr/share/klettres/fr/syllab/pa.ogg", None),
        ("not-wake-words/es/not-wakeword-es-1.wav", "not-wake-words/es"),
        ("athena/en/athena-en-1.wav", None),
        ("tests/data/wav/cold_corpus.wav", ""),
        ("tests/data/wav/cold_corpus_24bit.wav", None),
        ("tests/data/wav/61-70968-0000.flac", None),
        ("tests/data/wav/common_voice_en_22058264.mp3", "common_voice_en"),
        ("020006J1.mp3", None),
        ("020006P1.mp3", "020"),
        ("030006P1.mp3", None),
        ("JOE01261.mp3", "JOE"),
    ],
)
def test_of_the_unheard_only_what_was_chosen_is_taken(path: str, speaker: str | None) -> None:
    found = [match for corpus in UNHEARD if (match := re.search(corpus.pattern, path))]
    assert [match["speaker"] for match in found] == ([] if speaker is None else [speaker])


def test_a_games_bundle_is_taken_apart_into_its_spoken_lines() -> None:
    names, sounds = (b"020001P2.SB", b"X9.PCX", b"JOE00031.SB"), (b"one", b"picture", b"two")
    begin = 15 + 21 * len(names)
    table = b"QTBLCEM10" + struct.pack(">IH", 1, len(names))
    for name, sound in zip(names, sounds, strict=True):
        table += struct.pack(">12sBII", name, 1, begin, len(sound))
        begin += len(sound)
    found = dict(spoken_lines(table + b"".join(sounds)))
    assert found == {"020001P2.mp3": b"one", "JOE00031.mp3": b"two"}
    with pytest.raises(ValueError, match="not the talkie"):
        list(spoken_lines(b"QTBLCEM20" + table))

"""What a meeting bot says, and what nobody should."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.ingest.calls.meeting_messages import Other, Person, Picture, Sound, parse
from streammon.ingest.calls.phone_messages import BadMessage
from tests.meetings import BOT, joined, picture, sound
from tests.unit.test_phone_messages import JSON

SAMPLES = np.arange(-160, 160, dtype=np.int16)


def test_sound_and_pictures_are_each_somebodys() -> None:
    heard = parse(sound(SAMPLES, 12.5, 7))
    assert isinstance(heard, Sound)
    assert (heard.meeting, heard.person, heard.at_s) == (BOT, Person(7, "Ann7"), 12.5)
    assert np.array_equal(heard.samples, SAMPLES)
    seen = parse(picture(90, 3.0, 8, shows="screenshare"))
    assert isinstance(seen, Picture)
    assert (seen.person.number, seen.shows) == (8, "screenshare")
    assert seen.png.startswith(b"\x89PNG")
    assert parse(joined(7, 0.0)) == Other("participant_events.join")


def changed(**changes: object) -> str:
    said = json.loads(sound(SAMPLES, 1.0))
    for path, value in changes.items():
        inner = said["data"]
        *way, last = path.split("__")
        for step in way:
            inner = inner[step]
        inner[last] = value
    return json.dumps(said)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"event": []}', "[" * 30_000, '{"event": "audio_separate_raw.data"}',
        changed(data=None), changed(bot=[]), changed(bot={"id": 5}), changed(bot={"id": "b" * 201}),
        changed(data__participant={"id": -1}), changed(data__participant={"id": True}),
        changed(data__participant={"id": "7"}), changed(data__timestamp={"relative": -1}),
        changed(data__timestamp={"relative": float("inf")}), changed(data__timestamp={}),
        changed(data__timestamp={"relative": 1e9}), changed(data__buffer=None),
        changed(data__buffer="AAA"), changed(data__buffer="AA=="), changed(data__buffer="!!!!"),
        changed(data__buffer="A" * 500_000),
        picture(1, 0.0, shows="nothing"),
    ],
)  # fmt: skip
def test_what_the_documents_do_not_say_is_refused(text: str) -> None:
    with pytest.raises(BadMessage) as caught:
        parse(text)
    assert len(str(caught.value)) < 60


@pytest.mark.parametrize(
    ("name", "shown"),
    [(None, ""), (5, ""), ("A\x00n\nn", "Ann"), ("x" * 9_000, "x" * 40), ("  Ann ", "Ann")],
)
def test_names_are_cut_to_what_can_be_shown(name: object, shown: str) -> None:
    heard = parse(changed(data__participant={"id": 1, "name": name}))
    assert isinstance(heard, Sound)
    assert heard.person.name == shown


@given(JSON, st.sampled_from(["audio_separate_raw.data", "video_separate_png.data"]))
def test_nothing_but_bad_message_comes_of_anything(said: object, event: str) -> None:
    for data in (said, {"data": said, "bot": {"id": "b"}}):
        try:
            parse(json.dumps({"event": event, "data": data}))
        except BadMessage:
            continue

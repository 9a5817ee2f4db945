"""Placeholders and JSON pointers: what can be said in a request template, and what cannot."""

from __future__ import annotations

import base64
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import Json
from streammon.detectors.remote_template import Media, Missing, Pointer, Template, Vocabulary

WORDS = Vocabulary(("text", "stream"), "audio.wav")
WITH_ANSWERS = Vocabulary(("text", "stream"), "audio.wav", answers=True)
WAV = Media(b"\x00\xffRIFF", "audio/wav", "window.wav")

# The document and the pointers of RFC 6901, section 5.
DOCUMENT: Json = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}
POINTERS: dict[str, Json] = {
    "": DOCUMENT,
    "/foo": ["bar", "baz"],
    "/foo/0": "bar",
    "/": 0,
    "/a~1b": 1,
    "/c%d": 2,
    "/e^f": 3,
    "/g|h": 4,
    "/i\\j": 5,
    '/k"l': 6,
    "/ ": 7,
    "/m~0n": 8,
}


@pytest.mark.parametrize("pointer", POINTERS)
def test_pointers_find_what_the_standard_says(pointer: str) -> None:
    assert Pointer.of(pointer).find(DOCUMENT) == POINTERS[pointer]


@pytest.mark.parametrize(
    "pointer",
    ["/bar", "/foo/2", "/foo/-", "/foo/-1", "/foo/00", "/foo/1e0", "/foo/x", "/foo/0/0", "/ /0",
     "/foo/99999999999999999999"],
)  # fmt: skip
def test_where_there_is_nothing_the_place_is_named(pointer: str) -> None:
    with pytest.raises(Missing, match="nothing at"):
        Pointer.of(pointer).find(DOCUMENT)


@pytest.mark.parametrize("text", ["foo", "foo/0", "#/foo", "/~", "/~2", "/a~"])
def test_what_is_no_pointer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no JSON pointer"):
        Pointer.of(text)


KEYS = st.text(max_size=5)


@given(st.lists(KEYS, max_size=5), st.integers())
def test_any_place_in_an_object_can_be_pointed_at(keys: list[str], value: int) -> None:
    document: Json = value
    for key in reversed(keys):
        document = {key: document}
    written = "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)
    assert Pointer.of(written).find(document) == value


def test_placeholders_are_filled_in_once() -> None:
    template = Template.of("{{stream}}: {{ text }}!", WORDS)
    assert template.text({"stream": "{{text}}", "text": "{{stream}}"}) == "{{text}}: {{stream}}!"


@given(st.binary(max_size=50))
def test_a_file_survives_base64(data: bytes) -> None:
    media = Media(data, "audio/wav", "w.wav")
    text = Template.of("{{audio.wav|base64}}", WORDS).text({"audio.wav": media})
    assert base64.b64decode(text, validate=True) == data
    url = Template.of("{{audio.wav|data_url}}", WORDS).text({"audio.wav": media})
    assert url == f"data:audio/wav;base64,{text}"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_filled_into_a_path_stays_one_segment_of_it(stream: str) -> None:
    template = Template.of("/a/{{stream}}/b", WORDS)
    if stream in {"", ".", ".."}:
        with pytest.raises(Missing):
            template.text({"stream": stream}, in_path=True)
        return
    path = template.text({"stream": stream}, in_path=True)
    assert path.isascii()
    _, before, segment, after = path.split("/")
    assert (before, unquote(segment), after) == ("a", stream, "b")
    assert not set(segment) & set("?# ")


UNKNOWN = {
    "{{secret}}": "unknown placeholder 'secret'; there are: audio.wav, text, stream",
    "{{text|upper}}": "unknown filter 'upper'; there are: base64, data_url",
    "{{text.__class__}}": "unknown placeholder",
    "{{}}": "unknown placeholder ''",
    "{{ text": "stands alone",
    "text }}": "stands alone",
    "{{{{text}}}}": "stands alone",
    "{{answer:/id}}": "unknown placeholder 'answer:/id'",
    "{{audio.wav}}": r"audio.wav is no text: write \{\{audio.wav\|base64\}\}",
    "a {{audio.wav}}": "audio.wav is no text",
}


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_cannot_be_filled_in_is_refused_and_what_can_is_listed(text: str) -> None:
    with pytest.raises(ValueError, match=UNKNOWN[text]):
        Template.of(text, WORDS)


def test_a_file_may_stand_alone_where_files_may_stand() -> None:
    assert Template.of("{{audio.wav}}", WORDS, alone=True).value({"audio.wav": WAV}) is WAV
    with pytest.raises(ValueError, match="is no text"):
        Template.of("a {{audio.wav}}", WORDS, alone=True)


def test_a_place_of_the_answer_is_filled_in() -> None:
    template = Template.of("/r/{{answer:/item/0/id}}", WITH_ANSWERS)
    assert template.text({}, {"item": [{"id": "x y"}]}, in_path=True) == "/r/x%20y"
    assert template.text({}, {"item": [{"id": 12}]}, in_path=True) == "/r/12"
    with pytest.raises(Missing, match="nothing at /item/0/id"):
        template.text({}, {"item": []}, in_path=True)


def test_neither_a_template_nor_its_errors_show_the_text_around() -> None:
    key = "Bearer s3cret"
    assert "s3cret" not in repr(Template.of(key, WORDS))
    with pytest.raises(ValueError, match="unknown") as unknown:
        Template.of(f"{key} {{{{nothing}}}}", WORDS)
    assert "s3cret" not in str(unknown.value)

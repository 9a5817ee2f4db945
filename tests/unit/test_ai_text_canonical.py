"""Texts in canonical form: masked, straightened, bounded, whatever they hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.detectors.ai_text_canonical import MOST_CHARACTERS, canonical, read, visible


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("see https://example.org/a?b=1 now", "see <url> now"),
        ("twitch.tv/someone is live", "<url> is live"),
        ("ask me@example.org or @some_one", "ask <url> or <user>"),
        ("it\u2019s \u201cfine\u201d \u2013 really", 'it\'s "fine" - really'),
        ("an em dash — stays", "an em dash — stays"),
        ("**bold** and `code` and __this__", "bold and code and this"),
        ("# Title\n- one\n- two\n1. three", "Title one two three"),
        ("fine<br /><br />film", "fine film"),
        ("in 2024 I had 3.5", "in 0000 I had 0.0"),
        ("<:pog:12345> nice", ":emote: nice"),
        ("  many   blanks\t\n here ", "many blanks here"),
        ("\uff46\uff55\uff4c\uff4c width, zero​width", "full width, zerowidth"),
        ("snake_case stays", "snake_case stays"),
        ("KEEP Case", "KEEP Case"),
    ],
)
def test_what_says_where_a_text_comes_from_is_masked(text: str, wanted: str) -> None:
    assert read(text).text == wanted


def test_only_what_can_be_seen_counts_as_typed() -> None:
    assert read("a​‍b⁠c").typed == 3
    assert read("a" + " " * 500 + "b").typed == 4
    assert read("a\n\nb").typed == 4


def test_a_megabyte_is_read_no_further_than_its_last_part() -> None:
    reading = read("ab " * 350_000 + "the end")
    assert reading.typed == MOST_CHARACTERS
    assert reading.text.endswith("the end")


@pytest.mark.parametrize(
    "text", ["\ud800" * 600, "‮" * 1_000_000, "👩‍👩‍👧" * 300, "ﷺ" * 5_000, "a." * 500_000,
             "<" * 400_000, "@" * 400_000, "_" * 400_000, "http://" * 100_000, "`" * 100_000]
)  # fmt: skip
@pytest.mark.timeout(10)
def test_hostile_texts_are_read_in_bounded_time(text: str) -> None:
    reading = read(text)
    assert len(reading.text) <= 2 * MOST_CHARACTERS
    reading.text.encode()


@given(st.text(alphabet=st.characters(codec=None), max_size=300))
def test_any_text_has_one_line_of_it_that_can_be_encoded(text: str) -> None:
    line = canonical(visible(text))
    line.encode()
    assert line == " ".join(line.split())

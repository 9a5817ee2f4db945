from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.detectors.skeleton import MOST_CHARACTERS, Skeletons, look_alikes

SKELETONS = Skeletons()


def plain(text: str) -> str:
    return SKELETONS.of(text).text


def tricks(text: str) -> tuple[str, ...]:
    return SKELETONS.of(text).tricks


@pytest.mark.parametrize(
    ("disguised", "trick"),
    [
        ("fr\u0435\u0435 gift c\u0430rds", "look_alike"),
        ("fr\u200bee gi\u2060ft cards", "invisible"),
        ("free\u00ad gi\u00adft cards", "invisible"),
        ("fr\u202eee gift cards", "invisible"),
        ("fr\U000e0041ee gift cards", "invisible"),
        ("\uff46\uff52\uff45\uff45 gift cards", "styled"),
        ("\U0001d41f\U0001d42b\U0001d41e\U0001d41e gift cards", "styled"),
        ("f\u0335\u0321\u0322r\u0336ee gift cards", "marks"),
    ],
)
def test_a_disguise_comes_off_and_is_named(disguised: str, trick: str) -> None:
    assert plain(disguised) == "free gift cards"
    assert trick in tricks(disguised)


@pytest.mark.parametrize(
    "honest",
    [
        "free gift cards",
        "Привет, как дела",
        "Καλημέρα σας",
        "café déjà vu, naïve",
        "s\u0131cak bir gün",
        "Tiếng Việt rất đẹp",
        "👨‍👩‍👧 family ❤️",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "again\U000e0000",
        "日本語のチャット",
        "שלום\u200f hello",
    ],
)
def test_real_writing_wears_no_disguise(honest: str) -> None:
    assert tricks(honest) == ()
    assert plain(honest)


def test_case_punctuation_spaces_and_long_repeats_do_not_count() -> None:
    assert plain("  FREE!!!   Gift-cards... ") == "free gift cards"
    assert plain("sooooooo goooood") == "soo good"


def test_a_line_of_signs_keeps_its_signs() -> None:
    assert plain("?!") == "?!"
    assert plain("👏 👏 👏 👏") == "👏👏"
    assert plain("\u200b") == ""


def test_the_table_leads_to_latin_letters_and_digits_only() -> None:
    table = look_alikes()
    assert len(table) > 500
    assert {table["\u0430"], table["\u0421"], table["\u03bf"]} == {"a", "c", "o"}
    assert all(target.isascii() and target.isalnum() for target in table.values())
    assert not any(letter.isascii() for letter in table)


@given(st.text(max_size=200))
def test_a_skeleton_is_its_own_skeleton_and_hides_nothing_invisible(text: str) -> None:
    once = SKELETONS.of(text)
    assert "\u200b" not in once.text
    assert SKELETONS.of(text) == once
    assert len(once.text) <= 20 * MOST_CHARACTERS


@given(st.text(alphabet="abcdefghij klmnop", min_size=1, max_size=60), st.data())
def test_zero_width_letters_anywhere_change_nothing(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    assert plain(text[:at] + "\u200b" + text[at:]) == plain(text)

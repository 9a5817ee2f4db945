"""Text as the `ai_text` model reads it: what says who wrote it stays, what says where goes.

Links, mentions, digits, markup and typographic quotes would tell one collection or program from
another, so they are masked or straightened, in training as at run time. Letters keep their case.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from streammon.detectors.skeleton import INVISIBLE

MOST_CHARACTERS = 4_000
"""Of one text, more are not read."""

_SPACED = 2
"""A longer run of blanks counts as so many characters typed."""
_controls = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_invisible = re.compile(f"[{INVISIBLE}]+")
_blanks = re.compile(r"\s{3,}")
_markup = re.compile(r"</?[a-zA-Z]{1,10}[1-6]?(?:\s[^<>;]{0,80})?/?>")
_custom_emote = re.compile(r"<a?:(\w{2,32}):\d{1,20}>")
_link = re.compile(
    r"(?:https?://|www\.)\S{1,2000}|\b[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}"
    r"\.(?:com|org|net|io|gg|tv|ly|co|edu|gov|me|dev)\b(?:/\S{0,2000})?",
    re.IGNORECASE,
)
_mail = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
_mention = re.compile(r"(?<!\w)@[\w.-]{1,40}")
_fences = re.compile(r"`{1,3}|\*{1,3}|~~|(?<!\w)_{1,3}(?=\w)|(?<=\w)_{1,3}(?!\w)")
_line_marks = re.compile(r"^[ \t]*(?:#{1,6}|>+|[-+•]|\d{1,3}[.)])[ \t]+", re.MULTILINE)
_FENCES = frozenset("`*~_")
_digit = re.compile(r"\d")
_space = re.compile(r"\s+")
_quotes = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2013\u2010\u2011\u2212", "-"),
    }
)
"""Curved and low quotes straight, short dashes as hyphens. The long dash stays: it is a habit."""
LINK, MENTION, EMOTE = "<url>", "<user>", ":emote:"


def visible(text: str) -> str:
    """The text without what cannot be seen: at most its last `MOST_CHARACTERS` characters.

    Never fails: unpaired surrogates become question marks. Long runs of blanks are shortened, so
    that the length is of what somebody typed.
    """
    text = text[-4 * MOST_CHARACTERS :].encode("utf-8", "replace").decode()
    text = _controls.sub(" ", _invisible.sub("", unicodedata.normalize("NFKC", text)))
    return _blanks.sub(lambda run: run.group()[:_SPACED], text)[-MOST_CHARACTERS:]


def canonical(text: str) -> str:
    """What the model reads of a `visible` text: one line, masked and straightened."""
    # Most chat holds nothing of this, and to look for a character is cheap.
    if "<" in text:
        text = _markup.sub(" ", _custom_emote.sub(f" {EMOTE} ", text))
    if "@" in text:
        text = _mail.sub(LINK, text)
    if "." in text or "://" in text:
        text = _link.sub(LINK, text)
    if "@" in text:
        text = _mention.sub(MENTION, text)
    text = _line_marks.sub("", text)
    if not _FENCES.isdisjoint(text):
        text = _fences.sub("", text)
    if not text.isascii():
        text = text.translate(_quotes)
    return _space.sub(" ", _digit.sub("0", text)).strip()


@dataclass(frozen=True, slots=True)
class Reading:
    """A text and what the model is given of it."""

    typed: int
    """Characters that can be seen."""
    text: str
    """In canonical form."""


def read(text: str) -> Reading:
    """Of any string at all, in time that grows with at most `4 * MOST_CHARACTERS` of it."""
    seen = visible(text)
    return Reading(len(seen), canonical(seen))

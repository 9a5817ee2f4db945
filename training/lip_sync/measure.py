"""The shipped `lip_sync`, from decoded clips to results, on sound in step and shifted.

    python -m training.lip_sync.measure --data FOLDER [--group REGEX] [--least-speech 6]

Every clip is judged as it is and with its sound moved (what falls off one end comes in at the
other). An answer is the last confidence of a clip at one shift. Its weights were fitted to clips:
on those that they were fitted to, figures are flattering; `fit` has those of clips left out.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from streammon.core.types import AudioChunk, DetectionResult, Item, StreamId, Window
from streammon.detectors.lip_sync import LipSync, LipSyncConfig
from streammon.ingest.av_url import AvUrlConfig
from streammon.pipelines.streams import Look, Stream
from training.lip_sync.clips import clips_in, items_of
from training.lip_sync.fit import interval

SHIFTS_MS = (-800, -400, -320, -240, -200, 0, 200, 240, 320, 400, 800)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was last said of one clip at one shift; without a confidence, why."""

    group: str
    shift_ms: int
    confidence: float | None
    offset_ms: float
    abstained: str


def shifted(items: Sequence[Item], shift_ms: int) -> Iterator[Item]:
    sound = [item for item in items if isinstance(item, AudioChunk)]
    samples = round(shift_ms / 1000 * sound[0].rate_hz)
    pcm, at = np.roll(np.concatenate([item.pcm for item in sound]), samples), 0
    for item in items:
        if isinstance(item, AudioChunk):
            yield replace(item, pcm=pcm[at : at + len(item.pcm)])
            at += len(item.pcm)
        else:
            yield item


def judged(path: Path, items: Iterator[Item], detector: LipSync) -> list[DetectionResult]:
    windows: list[Window] = []
    looks = [Look("lips", modality, spec) for modality, spec in detector.inputs.items()]
    source = AvUrlConfig(type="av_url", url=str(path)).build(StreamId(path.stem))
    stream = Stream(source, looks, submit=partial(_keep, windows))
    for item in items:
        stream.take(item)
    stream.finish()
    return [result for window in windows for result in detector.score([window])]


def _keep(windows: list[Window], detector: str, window: Window) -> None:
    windows.append(window)


def answer(found: Sequence[DetectionResult], group: str, shift_ms: int) -> Answer:
    said = [one for one in found if one.confidence is not None]
    why = [one.abstained or "" for one in found if one.confidence is None]
    why = [one.partition(":")[0] for one in why if not one.startswith("waits")]
    if not said:
        return Answer(group, shift_ms, None, np.nan, Counter(why).most_common(1)[0][0])
    offset_ms = float(str(said[-1].details["offset_ms"]))
    return Answer(group, shift_ms, said[-1].confidence, offset_ms, "")


def report(answers: Sequence[Answer]) -> None:
    print("shift ms  clips  judged  flagged at 0.8  median offset ms")
    for shift_ms in SHIFTS_MS:
        some = [one for one in answers if one.shift_ms == shift_ms]
        sure = [one for one in some if one.confidence is not None]
        flagged = sum((one.confidence or 0.0) >= 0.8 for one in sure)
        offset = float(np.median([one.offset_ms for one in sure])) if sure else np.nan
        print(f"{shift_ms:8d}  {len(some):5d}  {len(sure):6d}  {flagged:14d}  {offset:16.0f}")
    sure = [one for one in answers if one.confidence is not None]
    truth = np.array([one.shift_ms != 0 for one in sure])
    scores = np.array([one.confidence for one in sure], np.float64)
    if 0 < truth.sum() < len(truth):
        area = float(np.mean(scores[truth][:, None] > scores[~truth]))
        area += float(np.mean(scores[truth][:, None] == scores[~truth])) / 2
        low, high = interval([one.group for one in sure], truth, scores)
        print(f"AUC, shifted against in step, of those judged: {area:.3f} [{low:.3f}, {high:.3f}]")
    print("abstained:", dict(Counter(one.abstained for one in answers if one.abstained)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--group", default="")
    parser.add_argument("--least-speech", type=float, default=6.0)
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    answers = []
    for path in clips_in(arguments.data):
        alike = re.search(arguments.group, path.stem) if arguments.group else None
        items = items_of(path, scale=arguments.scale)
        for shift_ms in SHIFTS_MS:
            detector = LipSync("lips", LipSyncConfig(least_speech_s=arguments.least_speech))
            detector.load("cpu")
            found = judged(path, shifted(items, shift_ms), detector)
            answers.append(answer(found, alike.group() if alike else path.stem, shift_ms))
    report(answers)


if __name__ == "__main__":
    main()

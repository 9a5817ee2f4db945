"""How well `av_sync` tells sound that was shifted from sound that was not, on clips of talkers.

    python -m training.av_sync.measure FOLDER [--memory 30]

Every clip (*.mp4, *.mkv, *.webm) is scored as it is and with its sound moved by known amounts.
Prints, per shift: windows scored, abstentions, how many count as out of step, and over all
shifts that BT.1359 calls noticeable the AUC against the clips as they are. In step is what the
clips are taken to be: a folder of clips that are not gives figures that mean nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from streammon.core.types import AudioChunk, DetectionResult, Item, StreamId, Window
from streammon.detectors.av_sync import WINDOW_S, AvSync, AvSyncConfig
from streammon.ingest.av_url import AvUrlConfig
from streammon.pipelines.streams import Look, Stream

SHIFTS_MS = (-400, -320, -240, -160, 0, 160, 240, 320, 400)


class Everything:
    """A `Demand` for each frame and all sound."""

    frame_interval_s: float | None = 0.001
    audio = True


def shifted(items: Sequence[Item], shift_s: float) -> Iterator[Item]:
    """The items with the sound later by so much; what falls off one end comes in at the other."""
    sound = [item for item in items if isinstance(item, AudioChunk)]
    rate_hz = sound[0].rate_hz
    pcm = np.roll(np.concatenate([item.pcm for item in sound]), round(shift_s * rate_hz))
    at = 0
    for item in items:
        if isinstance(item, AudioChunk):
            yield replace(item, pcm=pcm[at : at + len(item.pcm)])
            at += len(item.pcm)
        else:
            yield item


def results(clip: Path, memory_s: float) -> dict[int, list[DetectionResult]]:
    """By shift in ms: what was said of each pair of windows."""
    source = AvUrlConfig(type="av_url", url=str(clip)).build(StreamId(clip.stem))
    items = list(source.items(Everything()))
    said: dict[int, list[DetectionResult]] = {}
    for shift_ms in SHIFTS_MS:
        detector = AvSync("av_sync", AvSyncConfig(memory_s=memory_s))
        windows: list[tuple[str, Window]] = []
        looks = [Look("av_sync", modality, spec) for modality, spec in detector.inputs.items()]
        stream = Stream(source, looks, submit=partial(_keep, windows))
        for item in shifted(items, shift_ms / 1000):
            stream.take(item)
        stream.finish()
        each = [result for _, window in windows for result in detector.score([window])]
        said[shift_ms] = [
            result for result in each if not (result.abstained or "").startswith("waits")
        ]
    return said


def _keep(windows: list[tuple[str, Window]], detector: str, window: Window) -> None:
    windows.append((detector, window))


def area(negative: Sequence[float], positive: Sequence[float]) -> float:
    """Area under the ROC curve: how often a positive lies above a negative; ties count half."""
    if not negative or not positive:
        return float("nan")
    above = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    return sum(above) / len(above)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--memory", type=float, default=30.0)
    parser.add_argument("--match", default="*", help="only clips whose name matches")
    arguments = parser.parse_args()
    clips = sorted(
        path
        for path in arguments.folder.glob(arguments.match)
        if path.suffix in {".mp4", ".mkv", ".webm"}
    )
    if not clips:
        raise SystemExit(f"no clips in {arguments.folder}")
    said: dict[int, list[DetectionResult]] = {shift: [] for shift in SHIFTS_MS}
    for clip in clips:
        for shift_ms, found in results(clip, arguments.memory).items():
            said[shift_ms] += found
    print(f"{len(clips)} clips, windows of {WINDOW_S:g} s, memory {arguments.memory:g} s")
    print("shift ms  pairs  scored  out of step (0.5)  (0.8)  median offset ms")
    scored: dict[int, list[float]] = {}
    for shift_ms, found in said.items():
        sure = scored[shift_ms] = [one.confidence for one in found if one.confidence is not None]
        offsets = [
            float(str(one.details["offset_ms"])) for one in found if one.confidence is not None
        ]
        print(
            f"{shift_ms:8d}  {len(found):5d}  {len(sure):6d}  {sum(s >= 0.5 for s in sure):17d}"
            f"  {sum(s >= 0.8 for s in sure):5d}  {np.median(offsets or [np.nan]):16.0f}"
        )
    moved = [one for shift_ms, each in scored.items() if abs(shift_ms) >= 240 for one in each]
    print(f"AUC of 240 ms and more against none, of those scored: {area(scored[0], moved):.3f}")
    pairs = sum(len(found) for found in said.values())
    silent = pairs - sum(map(len, scored.values()))
    print(f"abstained: {silent} of {pairs} pairs")


if __name__ == "__main__":
    main()

"""Windows of the bundled recordings, cut as a detector wants them and dealt out to many streams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import streammon
from streammon.core.ports import Detector, Recording
from streammon.core.types import Item, Modality, StreamId, Window
from streammon.ingest.av_url import AvUrlConfig
from streammon.ingest.chat.jsonl import ChatJsonlConfig
from streammon.pipelines.examine import FixedDemand
from streammon.pipelines.streams import Look, Stream
from tests.fakes import ScriptedSource

DEMO = Path(streammon.__file__).with_name("demo")
STRIDE = 7
"""How many windows further into the recording each stream begins."""


def recorded(name: str, detector: Detector, *, most: int | None = None) -> Reel:
    """What `detector` wants of a bundled recording: the first `most` windows of each modality."""
    path = DEMO / name
    source = (
        ChatJsonlConfig(type="chat_jsonl", path=str(path), pace="fast").build(StreamId(name))
        if path.suffix == ".jsonl"
        else AvUrlConfig(type="av_url", url=str(path)).build(StreamId(name))
    )
    assert isinstance(source, Recording)
    looks = [
        Look(name, modality, spec)
        for modality, spec in detector.inputs.items()
        if modality in source.modalities
    ]
    intervals = [look.spec.frame_interval_s for look in looks if look.spec.frame_interval_s]
    cuts: dict[Modality, list[Window]] = {look.modality: [] for look in looks}
    stream = Stream(source, looks, submit=lambda _, window: cuts[window.modality].append(window))
    demand = FixedDemand(min(intervals, default=None), audio=Modality.AUDIO in cuts)
    for item in source.items(demand):
        stream.take(item)
        if most is not None and all(len(found) >= most for found in cuts.values()):
            break
    return Reel({modality: tuple(found[:most]) for modality, found in cuts.items()})


def of_items(items: Iterable[Item], detector: Detector) -> Reel:
    """What `detector` wants of these items of one stream."""
    looks = [Look(detector.name, modality, spec) for modality, spec in detector.inputs.items()]
    source = ScriptedSource("given", [], modalities=frozenset(detector.inputs))
    cuts: dict[Modality, list[Window]] = {look.modality: [] for look in looks}
    stream = Stream(source, looks, submit=lambda _, window: cuts[window.modality].append(window))
    for item in items:
        stream.take(item)
    return Reel({modality: tuple(found) for modality, found in cuts.items()})


@dataclass(frozen=True, slots=True)
class Reel:
    """Windows in the order in which they were recorded."""

    cuts: Mapping[Modality, Sequence[Window]]

    def judged_by(self, detector: Detector) -> Reel:
        """Only those windows that `detector`, which remembers nothing, does not refuse."""
        return Reel(
            {
                modality: tuple(
                    cut for cut in cuts for said in detector.score([cut]) if not said.abstained
                )
                for modality, cuts in self.cuts.items()
            }
        )

    def deal(self, modality: Modality, count: int, turn: int) -> list[Window]:
        """A window for each of `count` streams, which begin apart; time goes on by turn."""
        cuts = self.cuts[modality]
        hop_s = cuts[1].start_s - cuts[0].start_s if len(cuts) > 1 else cuts[0].end_s
        return [
            moved(cuts[(STRIDE * at + turn) % len(cuts)], StreamId(f"s{at}"), turn * hop_s)
            for at in range(count)
        ]


def moved(window: Window, stream: StreamId, start_s: float) -> Window:
    """The same content as a window of this stream that begins at `start_s`."""
    by_s = start_s - window.start_s
    items = tuple(
        replace(item, stream=stream, media_s=item.media_s + by_s) for item in window.items
    )
    end_s = window.end_s + by_s
    return replace(window, stream=stream, start_s=start_s, end_s=end_s, items=items)

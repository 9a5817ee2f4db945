"""A transcript against the sound it is of: two streams, and one detector that sees both.

The chat stream that a config names as the transcript of a sound stream is kept in memory and
answered with an abstention that says so; each window of the sound is then compared with the lines
that came about the same time on the monitor's clock, late enough for slow captions to have come.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field, PositiveFloat, model_validator

from streammon.core.types import (
    ChatMessage,
    DetectionResult,
    Json,
    Modality,
    StreamId,
    Window,
    WindowSpec,
)
from streammon.detectors.comparison import Verdict, judged, speech_in
from streammon.detectors.finding import Finding
from streammon.detectors.spoken_words import Heard, Said, compare, words_in
from streammon.registry import AdapterConfig

KIND = "transcript_mismatch"
MODEL = "transcript-1"
WINDOW_S = 2.0
MOST_LINES = 1000
"""Lines that are kept of one transcript; older ones give way."""
NO_SPEECH = ("no speech: silence", "no speech: sound without voice", "level too low to judge")
"""What `voice_activity` says of sound that nobody speaks in."""


class TranscriptConfig(AdapterConfig):
    """Words where nobody speaks, speech without words, more words than a mouth can form."""

    type: Literal["transcript"] = "transcript"
    transcripts: Mapping[str, str] = Field({}, max_length=256)
    """By sound stream: the text stream that is its transcript. `{call: captions}`."""
    slack_s: PositiveFloat = Field(4.0, le=30.0)
    """How far before or after its words a line may come."""
    stretch_s: float = Field(10.0, ge=WINDOW_S, le=60.0)
    """How much is compared at a time."""

    @model_validator(mode="after")
    def each_text_is_of_one_sound(self) -> TranscriptConfig:
        texts = list(self.transcripts.values())
        if twice := sorted({text for text in texts if texts.count(text) > 1}):
            raise ValueError(f"transcripts: {twice[0]!r} cannot be the transcript of two streams")
        return self

    @property
    def streams(self) -> tuple[tuple[str, str], ...]:
        """The streams that it names, each after the setting that names it."""
        return tuple(
            pair
            for one, text in self.transcripts.items()
            for pair in (("transcripts", one), (f"transcripts.{one}", text))
        )

    def build(self, name: str) -> Transcript:
        return Transcript(name, self)


@dataclass(slots=True)
class _Call:
    """What was lately heard and said of one sound stream."""

    heard: deque[Heard] = field(default_factory=deque)
    said: OrderedDict[tuple[int, str, int], Said] = field(default_factory=OrderedDict)
    """By epoch, id and number, so that overlapping windows count a line once."""


class Transcript:
    """A `Detector`: verdicts on windows of sound, from what it remembers of windows of text."""

    kind = KIND
    on_device = False
    max_batch = 64
    inputs: Mapping[Modality, WindowSpec] = {
        Modality.AUDIO: WindowSpec(WINDOW_S, 0.0),
        Modality.TEXT: WindowSpec(WINDOW_S, 0.0),
    }

    def __init__(self, name: str, settings: TranscriptConfig) -> None:
        self.name = name
        self._settings = settings
        self._calls = {StreamId(sound): _Call() for sound in settings.transcripts}
        self._sound_of = {
            StreamId(text): StreamId(sound) for sound, text in settings.transcripts.items()
        }

    def load(self, device: str) -> None:
        """Nothing to load; `device` is always the CPU."""

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return judged(
            batch,
            self._verdict,
            detector=self.name,
            kind=KIND,
            model_used=MODEL,
            threshold=0.5,
        )

    def _verdict(self, window: Window) -> Verdict:
        audio = window.modality is Modality.AUDIO
        found = self._hear(window) if audio else self._read(window)
        if isinstance(found, str):
            return Verdict(found)
        details: dict[str, Json] = {"calibrated": False, "cause": found.cause, **found.details}
        if found.cause is not None:
            details["inconsistencies"] = [_in_words(found)]
        return Verdict(None, round(found.confidence, 4), details)

    def _read(self, window: Window) -> str:
        """Keep the lines; says what they are for."""
        sound = self._sound_of.get(window.stream)
        if sound is None:
            return "this text is not configured as a transcript"
        call = self._calls[sound]
        for item in window.items:
            if isinstance(item, ChatMessage):
                key = (item.epoch, item.message_id, item.seq)
                call.said.setdefault(key, Said(item.captured_ns / 1e9, words_in(item.text)))
        while len(call.said) > MOST_LINES:
            call.said.popitem(last=False)
        return f"kept as the transcript of {sound}: verdicts are given there"

    def _hear(self, window: Window) -> Finding | str:
        """Note how much of it is speech; compare the stretch whose lines must have come by now."""
        settings = self._settings
        call = self._calls.get(window.stream)
        if call is None:
            return "no transcript is configured for this sound"
        end_s = window.captured_ns / 1e9
        start_s = end_s - (window.end_s - window.start_s)
        if call.heard and end_s <= call.heard[-1].end_s:
            call.heard.clear()  # the clock went back: another recording
            call.said.clear()
        call.heard.append(Heard(start_s, end_s, _speech_s(window)))
        until_s = end_s - settings.slack_s - WINDOW_S  # text windows come at their end
        from_s = until_s - settings.stretch_s
        while call.heard[0].end_s <= from_s - settings.slack_s:
            call.heard.popleft()
        if call.heard[0].start_s > from_s:
            return "not enough of the sound has been heard yet"
        if not call.said:
            return "no line of the transcript has come yet"
        holes = zip(call.heard, list(call.heard)[1:], strict=False)
        if any(later.start_s - earlier.end_s > WINDOW_S / 2 for earlier, later in holes):
            return "parts of the sound were not heard"
        return compare(
            call.heard,
            list(call.said.values()),
            start_s=from_s,
            end_s=until_s,
            slack_s=settings.slack_s,
        )


def _speech_s(window: Window) -> float | None:
    """How much of the window is speech; `None` when that cannot be told."""
    _, activity = speech_in(window, least_s=WINDOW_S / 2, least_speech_s=0.1)
    if activity.reason is None or activity.reason == "too little speech":
        return activity.speech_s
    return 0.0 if activity.reason in NO_SPEECH else None


def _in_words(found: Finding) -> str:
    words, speech_s = found.details["words"], found.details["speech_s"]
    said: Mapping[str | None, str] = {
        "words_without_speech": f"the transcript has {words} words where nobody speaks",
        "speech_without_words": f"{speech_s} s of speech and not a word of it in the transcript",
        "impossible_rate": f"{words} words in {speech_s} s of speech: nobody speaks so fast",
    }
    return said[found.cause]

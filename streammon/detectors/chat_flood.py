"""Finds floods of chat: many accounts that post one text, plain or in disguise, in a short time.

No training and no language model: it looks at who says the same, not at what is said, and so it
works in any language. It cannot see a flood of texts that have nothing in common (an LLM's
paraphrases), one account that floods alone, fewer than three accounts, or a slow campaign whose
lines lie further apart than it looks back. One text, word for word, from accounts that are new here
counts only as far as most who write here are not new, no crowd arrives with them that writes
something else, and the chat has been heard for a minute: until then a plain flood and copypasta of
viewers who were silent so far are the same. Accounts that are known to talk need disguises or two
other signs. Lines with less than twenty characters of different words count only with disguises
or dogged repetition. Its card: `models/chat_flood.md`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field, PositiveInt

from streammon.core.ports import Detector
from streammon.core.types import (
    ChatMessage,
    DetectionResult,
    Json,
    Modality,
    Window,
    WindowSpec,
)
from streammon.detectors.chat_authors import named_authors
from streammon.detectors.chat_groups import ChatMemory, Group, Limits, strongest
from streammon.detectors.finding import LEAST, MOST, UNREMARKABLE
from streammon.detectors.skeleton import Skeletons
from streammon.detectors.stream_memory import StreamMemory
from streammon.registry import AdapterConfig

KIND = "chat_flood"
MODEL = "chat-flood-3"
WINDOW_S, HOP_S = 2.0, 1.0
MOST_SHOWN = 3
SAMPLES_SHOWN = 5
LEAST_SHOWN = 0.05
LEAST_NAMED = 0.5
"""From this confidence on a group's accounts are named, for those who moderate."""


class ChatFloodConfig(AdapterConfig):
    """One text, plain or in disguise, from many accounts in a short time."""

    type: Literal["chat_flood"] = "chat_flood"
    look_back_s: float = Field(30.0, ge=5.0, le=300.0)
    """For how long a message counts towards its group."""
    least_messages: PositiveInt = 5
    """With fewer in the look-back it abstains."""
    alike: float = Field(80.0, ge=60.0, le=100.0)
    """Similarity, in percent, from which on two long lines are variants of one text."""
    show_text: bool = False
    """Put a sample of each flagged group's text into the details. Chat is personal data."""
    most_leaders: int = Field(1_000, ge=10, le=10_000)
    """With how many recent different texts a new one is compared."""
    most_messages: int = Field(10_000, ge=100, le=100_000)
    """How many messages count at most; in a greater flood the newest."""
    most_lines: int = Field(50_000, ge=1_000, le=1_000_000)
    most_accounts: int = Field(50_000, ge=1_000, le=1_000_000)
    most_streams: PositiveInt = 64

    def build(self, name: str) -> Detector:
        return ChatFlood(name, self)


class ChatFlood:
    """Satisfies `ports.Detector`."""

    kind = KIND
    on_device = False
    max_batch = 16

    def __init__(self, name: str, settings: ChatFloodConfig) -> None:
        self.name = name
        self.inputs: Mapping[Modality, WindowSpec] = {
            Modality.TEXT: WindowSpec(length=WINDOW_S, overlap=WINDOW_S - HOP_S)
        }
        self._settings = settings
        limits = Limits(
            look_back_s=settings.look_back_s,
            messages=settings.most_messages,
            alike=settings.alike,
            leaders=settings.most_leaders,
            skeletons=settings.most_lines,
            accounts=settings.most_accounts,
        )
        skeletons = Skeletons()
        self._memories: StreamMemory[ChatMemory] = StreamMemory(
            lambda: ChatMemory(skeletons, limits), most_streams=settings.most_streams
        )

    def load(self, device: str) -> None:
        """Nothing to load; `device` is always the CPU."""

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return [self._score(window) for window in batch]

    def _score(self, window: Window) -> DetectionResult:
        started_s = time.perf_counter()
        messages = [item for item in window.items if isinstance(item, ChatMessage)]
        memory = self._memories.of(window)
        memory.hear(messages, now_s=window.end_s)
        few = memory.recent < self._settings.least_messages
        weighed = [] if few else strongest(memory, now_s=window.end_s)
        confidence = max(UNREMARKABLE, weighed[0][0]) if weighed else UNREMARKABLE
        return DetectionResult.of(
            window,
            detector=self.name,
            kind=KIND,
            model_used=MODEL,
            confidence=None if few else round(min(MOST, max(LEAST, confidence)), 4),
            abstained=f"fewer than {self._settings.least_messages} messages" if few else None,
            details={} if few else self._details(memory, weighed),
            processing_time_s=time.perf_counter() - started_s,
        )

    def _details(
        self, memory: ChatMemory, weighed: Sequence[tuple[float, Group]]
    ) -> dict[str, Json]:
        shown = [pair for pair in weighed if pair[0] >= LEAST_SHOWN][:MOST_SHOWN]
        return {
            "messages": memory.recent,
            "accounts": memory.authors(),
            "groups": [self._group(weight, group) for weight, group in shown],
        }

    def _group(self, weight: float, group: Group) -> dict[str, Json]:
        """What people are told of a group: without its text unless the settings allow it."""
        told: dict[str, Json] = {
            "confidence": round(weight, 4),
            "size": len(group.messages),
            "accounts": len(group.accounts),
            "wordings": len(group.wordings),
            "disguised": group.disguised,
            "tricks": dict(sorted(group.tricks.items())),
            "first_s": round(group.start_s, 3),
            "last_s": round(group.end_s, 3),
            "message_ids": [message.message_id for message in group.messages[:SAMPLES_SHOWN]],
        }
        if weight >= LEAST_NAMED:
            told["authors"] = named_authors(group.messages)
        if self._settings.show_text:
            told["text"] = group.messages[0].text[:200]
        return told

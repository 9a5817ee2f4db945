"""How many chat messages a second one core carries, and how long a flood of bots stays unseen.

`messages_per_s` is what fits into one second of processor time, all threads counted: a chat of
5,000 messages a second is read line by line in Twitch's dialect of IRC, checked, hashed and
de-duplicated, cut into windows, and every window is scored by `chat_flood` and `ai_text` as
`streammon run chat_moderation` sets them up; results go through the rules, and each alert through
the moderation sink in dry run. Nothing is skipped: no window is replaced by a newer one, as a live
monitor would do that cannot keep up.

`flood_to_incident_*` is measured on whole live monitors in real time: chats of 50 messages a
second, which have been read for 70 s, and then a flood of another 50 a second from 25 accounts that
nobody has seen before, half of its lines in disguise. From the arrival of its first message to the
arrival of the alert at a sink. What people say is made up of common words in no order: real chats
repeat themselves more, and a flood without disguises takes longer (`models/chat_flood.md`).
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core is what is measured

import numpy as np

from benchmarks.report import parse_args, write
from streammon.alerts.incidents import IncidentBook
from streammon.config import MonitorConfig, OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.ports import Sink, SourceContext, StoredAlert
from streammon.core.types import (
    Alert,
    AlertState,
    ChatMessage,
    Item,
    Modality,
    Outgoing,
    StreamId,
    Window,
)
from streammon.ingest.chat.author_ids import AuthorIds
from streammon.ingest.chat.book import Book
from streammon.ingest.chat.intake import Bounds, Intake
from streammon.ingest.chat.irc import speech
from streammon.ingest.chat.irc.line import parse
from streammon.ingest.chat.said import Said
from streammon.pipelines import building, presets
from streammon.pipelines.monitor import Monitor
from streammon.pipelines.streams import Look, Stream
from streammon.sinks.outbox import Outbox
from streammon.sinks.websocket_hub import Hub
from streammon.sinks.wire import WallClock, dumps, to_wire
from streammon.telemetry.metrics import Metrics

RATE_PER_S = 5_000
CHAT = StreamId("chat")
NOW_UNIX_S = 1_800_000_000.0
TALK_PER_S, FLOOD_PER_S = 50, 50
FLOODERS, HISTORY_S, FLOOD_S = 25, 70.0, 8.0
AT_ONCE = 5
"""Monitors that run beside each other: 500 messages a second in all."""
ACCOUNTS = 30_000
"""At 5,000 messages a second each of them writes one in six seconds: faster than people do."""
VOCABULARY = re.findall(
    r"\w+",
    "the a to and of in it is you that this was for on are with they be at have from not what all "
    "we when your can said there use an each which she do how their if will up other about out "
    "many then them these so some her would make like him into time has look two more write go "
    "see number no way could people my than first water been call who oil its now find long down "
    "day did get come made may part game play team stream chat win lose best worst clip again "
    "really never always maybe tonight tomorrow friend music score goal round match hero level",
)
CALL = "free skins for all viewers only today at bigwinnings dot example"
LOOKS_LIKE = str.maketrans("aeopc", "аеорс")  # noqa: RUF001 - Cyrillic, as spammers do
TAGS = (
    "@badge-info=;badges=subscriber/12;client-nonce=8f;color=#0D4200;display-name={who};emotes=;"
    "first-msg=0;flags=;id={id};mod=0;returning-chatter=0;room-id=1337;subscriber=1;"
    "tmi-sent-ts={ms};turbo=0;user-id={who};user-type= :{who}!{who}@{who}.tmi.twitch.tv "
    "PRIVMSG #channel :{text}\r\n"
)


def words(rng: random.Random) -> str:
    """A line of common English words in no order: a language model's detector looks at it."""
    return " ".join(rng.choices(VOCABULARY, k=rng.randint(2, 13)))


def flood_line(rng: random.Random) -> str:
    """One text, in half of the lines with look-alikes, something invisible or a tail."""
    if rng.random() < 0.5:
        return CALL
    disguises = (
        CALL.translate(LOOKS_LIKE),
        "\u200b".join(CALL),
        f"{CALL} {rng.randrange(10**6):06d}",
        CALL.upper(),
    )
    return rng.choice(disguises)


# --- what one core carries -------------------------------------------------------------------


def lines_of(seconds: int, rng: random.Random) -> list[bytes]:
    """A chat of `RATE_PER_S` from `ACCOUNTS`; 2 % are a flood."""
    made = []
    for number in range(seconds * RATE_PER_S):
        floods = rng.random() < 0.02
        who = f"f{rng.randrange(FLOODERS)}" if floods else f"u{rng.randrange(ACCOUNTS)}"
        text = flood_line(rng) if floods else words(rng)
        sent_ms = round((NOW_UNIX_S + number / RATE_PER_S) * 1e3)
        made.append(TAGS.format(who=who, id=uuid.UUID(int=number), ms=sent_ms, text=text).encode())
    return made


class Core:
    """Everything between a message and an alert, called on one thread."""

    def __init__(self, config: MonitorConfig) -> None:
        self.detectors = building.build_detectors(config)
        self.windows = dict.fromkeys(self.detectors, 0)
        self.abstained = dict.fromkeys(self.detectors, 0)
        self.scoring_s = 0.0
        self.alerts: list[Alert] = []
        self._book = IncidentBook(config.alerts, building.build_rules(config), origin="benchmark")
        looks = []
        for name, detector in self.detectors.items():
            detector.load("cpu")
            looks.append(Look(name, Modality.TEXT, detector.inputs[Modality.TEXT]))
        self._stream = Stream(_Named(), looks, submit=self._score)

    def take(self, message: ChatMessage) -> None:
        self._stream.take(message)

    def _score(self, name: str, window: Window) -> None:
        began_s = time.process_time()
        for result in self.detectors[name].score([window]):
            self.alerts += self._book.judge(result)
            self.windows[name] += 1
            self.abstained[name] += result.abstained is not None
        self.scoring_s += time.process_time() - began_s


class _Named:
    """A source that is only asked what it is called."""

    stream = CHAT
    modalities = frozenset({Modality.TEXT})

    def open(self, context: SourceContext) -> Any:
        raise AssertionError("nothing is read here")


def read_all(lines: Sequence[bytes]) -> Iterator[ChatMessage]:
    """The messages of the lines, as the IRC source makes them, `RATE_PER_S` apart."""
    intake = Intake(CHAT, bounds=Bounds(most_per_s=2.0 * RATE_PER_S), book=Book())
    intake.begin_epoch(AuthorIds(bytes(32), platform="twitch"))
    for number, raw in enumerate(lines):
        said = speech.twitch(parse(raw))
        assert said is not None
        message = intake.take(said, now_ns=round(number * 1e9 / RATE_PER_S))
        assert isinstance(message, ChatMessage)
        yield message


async def throughput(seconds: int, folder: Path) -> tuple[float, dict[str, Any]]:
    """Messages per second of processor time, and where it went."""
    lines = lines_of(seconds, random.Random(1))
    config = presets.load("chat_moderation", changes={"sources": None})
    warm, core = Core(config), Core(config)
    for message in read_all(lines[: RATE_PER_S // 5]):
        warm.take(message)
    began_s = time.process_time()
    messages = list(read_all(lines))
    read_s = time.process_time() - began_s
    for message in messages:
        core.take(message)
    all_s = time.process_time() - began_s
    hooks_s, decisions = await hooks(core.alerts, config, folder)
    return len(lines) / (all_s + hooks_s), {
        "messages": len(lines),
        "windows": core.windows,
        "windows_abstained_from": core.abstained,
        "alerts": len(core.alerts),
        "moderation_decisions": decisions,
        "microseconds_per_message": {
            "read_and_hash": round(1e6 * read_s / len(lines), 1),
            "windows": round(1e6 * (all_s - read_s - core.scoring_s) / len(lines), 1),
            "signals_and_rules": round(1e6 * core.scoring_s / len(lines), 1),
            "moderation_hooks": round(1e6 * hooks_s / len(lines), 1),
        },
    }


async def hooks(alerts: Sequence[Alert], config: MonitorConfig, folder: Path) -> tuple[float, int]:
    """Processor time of the moderation sink for these alerts, and how much it decided."""
    settings: Any = config.sinks["moderation"]
    sink = settings.model_copy(update={"path": folder / "moderation.db", "out": ""}).build("m")
    wall = WallClock(MonotonicClock())
    rows = [
        StoredAlert(seq, alert.alert_id, alert.stream, dumps(to_wire(alert, wall=wall)))
        for seq, alert in enumerate(alerts)
    ]
    async with sink:
        began_s = time.process_time()
        for row in rows:
            await sink.deliver_alerts([row])
        spent_s = time.process_time() - began_s
        decisions = len(await sink.desk.recent(10_000))
    return spent_s, decisions


# --- how long a flood stays unseen -----------------------------------------------------------


class FloodedChat:
    """A live chat that has been read for a while, and into which a flood comes."""

    modalities = frozenset({Modality.TEXT})
    real_time = True

    def __init__(self, number: int, *, flood_after_s: float) -> None:
        self.stream = StreamId(f"chat{number}")
        self.flood_began_ns: int | None = None
        self.seen_ns: int | None = None
        """When its flood's alert arrived; then it ends."""
        self._rng = random.Random(number)
        self._flood_after_s = flood_after_s

    @asynccontextmanager
    async def open(self, context: SourceContext) -> AsyncGenerator[AsyncIterator[Item]]:
        yield self._items(context)

    async def _items(self, context: SourceContext) -> AsyncGenerator[Item]:
        rng, now_ns = self._rng, context.clock.now_ns
        intake = Intake(self.stream, bounds=Bounds(), book=Book(), clock="sent")
        intake.begin_epoch(AuthorIds(bytes(32), platform="benchmark"))

        def message(who: str, text: str, *, ago_s: float = 0.0) -> ChatMessage:
            said = Said(who, text, sent_unix_s=time.time() - ago_s)
            taken = intake.take(said, now_ns=now_ns())
            assert isinstance(taken, ChatMessage)
            return taken

        def talk(ago_s: float = 0.0) -> ChatMessage:
            return message(f"p{rng.randrange(300)}", words(rng), ago_s=ago_s)

        for number in range(round(HISTORY_S * TALK_PER_S)):
            yield talk(HISTORY_S - number / TALK_PER_S)
            if number % 100 == 0:
                await asyncio.sleep(0)
        began_s = time.monotonic()
        at_s = 0.0
        while at_s < self._flood_after_s + FLOOD_S and self.seen_ns is None:
            yield talk()
            if at_s >= self._flood_after_s:
                flooder = f"f{rng.randrange(FLOODERS)}-{self.stream}"
                flood = message(flooder, flood_line(rng))
                self.flood_began_ns = self.flood_began_ns or flood.captured_ns
                yield flood
            at_s += 1 / TALK_PER_S
            await asyncio.sleep(max(0.0, began_s + at_s - time.monotonic()))


class Heard:
    """A sink that notes when each flood's incident reaches it."""

    name = "heard"

    def __init__(self, chats: Sequence[FloodedChat]) -> None:
        self._chats = {chat.stream: chat for chat in chats}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def wants(self, item: Outgoing) -> bool:
        return isinstance(item, Alert) and item.kind == "chat_flood"

    async def deliver(self, item: Outgoing) -> None:
        if isinstance(item, Alert) and item.state is AlertState.OPENED:
            self._chats[item.stream].seen_ns = time.monotonic_ns()


async def floods(first: int, count: int) -> list[float | None]:
    """Seconds from each flood's first message to its alert; `None`: none, or before the flood."""
    config = presets.load("chat_moderation", changes={"sources": None, "sinks": None})
    rng = random.Random(first)
    chats = [FloodedChat(first + n, flood_after_s=rng.uniform(5.0, 7.0)) for n in range(count)]
    sinks: tuple[Sink, ...] = (Heard(chats),)
    parts = building.Parts(
        tuple(chats), building.build_detectors(config), building.build_rules(config), sinks
    )
    clock, metrics = MonotonicClock(), Metrics()
    wall = WallClock(clock)
    async with Outbox(OutboxConfig(), ":memory:", clock=clock) as outbox:
        hub = Hub(outbox, wall=wall, max_clients=1, hello=dict)
        monitor = Monitor(
            config,
            parts,
            clock=clock,
            outbox=outbox,
            hub=hub,
            metrics=metrics,
            wall=wall,
            origin=uuid.uuid4().hex,
        )
        await asyncio.wait_for(monitor.run(asyncio.Event()), 120)
    return [_delay_s(chat) for chat in chats]


def _delay_s(chat: FloodedChat) -> float | None:
    if chat.seen_ns is None or chat.flood_began_ns is None or chat.seen_ns < chat.flood_began_ns:
        return None
    return (chat.seen_ns - chat.flood_began_ns) / 1e9


def main() -> None:
    args = parse_args(__doc__ or "")
    with tempfile.TemporaryDirectory() as folder:
        per_s, details = asyncio.run(throughput(6 if args.quick else 60, Path(folder)))
    trials = [
        delay_s
        for number in range(2 if args.quick else 12)
        for delay_s in asyncio.run(floods(AT_ONCE * number, AT_ONCE))
    ]
    seen = [each for each in trials if each is not None]
    details |= {
        "floods": len(trials),
        "floods_missed_or_early": len(trials) - len(seen),
        "flood_to_incident_s": [round(each, 2) for each in seen],
    }
    print(f"{len(seen)} of {len(trials)} floods seen; targets: 5000 messages/s, p95 5 s")
    p50, p95 = np.percentile(seen, [50, 95]).tolist() if seen else (float("inf"), float("inf"))
    figures = {
        "messages_per_s": per_s,
        "flood_to_incident_p50_s": p50,
        "flood_to_incident_p95_s": p95,
    }
    write(figures, details, args)


if __name__ == "__main__":
    main()

"""A monitor that moderates: on a real IRC server, for a bot that pipes chat, for one it asks."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.answering import Answer, answering
from tests.e2e.program import Program, streammon
from tests.loopback.irc_server import IrcServer, Person, needs_ngircd, person

SPAM = "free gems for everyone who visits the page in my profile before midnight"
LOOKALIKES = {"e": "\u0435", "o": "\u043e", "a": "\u0430", "p": "\u0440", "i": "\u0456"}
BOTS = 6
STARTED_S, FLOODED_S = 40.0, 45.0


def disguised(number: int) -> str:
    """The same to a reader, never the same bytes."""
    letters = list(SPAM)
    for at in range(number % 5, len(letters), 5):
        letters[at] = LOOKALIKES.get(letters[at], letters[at])
    return "".join(letters)


def irc_monitor(folder: Path, server: IrcServer, channel: str, *, dry_run: bool) -> Path:
    folder.mkdir()
    document = {
        "name": f"irc-{channel.strip('#')}",
        "sources": {
            "irc": {
                "type": "irc", "host": "127.0.0.1", "port": server.port, "tls": False,
                "channels": [channel], "nick": f"keeper-{channel.strip('#')}",
            }
        },
        "detectors": {"chat_flood": {}},
        "alerts": {"update_every_s": 1.0},
        "sinks": {
            "moderation": {
                "dry_run": dry_run, "most_share": 1.0, "out": str(folder / "actions.jsonl"),
                "policy": {"chat_flood": [{"at": "info", "do": "ban"}]},
            }
        },
        "server": {"port": 0, "detect": False},
    }  # fmt: skip
    path = folder / "monitor.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def actions(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [json.loads(line) for line in whole]


async def cut_off(someone: Person, channel: str) -> bool:
    """Whether this one is thrown out of the channel soon."""
    try:
        await someone.hears(f"KICK {channel} {someone.nick}", within_s=FLOODED_S)
    except TimeoutError:
        return False
    return True


async def rehearsal(path: Path) -> list[dict[str, Any]]:
    """What would have been done, once all bots are among it."""
    async with asyncio.timeout(FLOODED_S):
        while True:
            found = await asyncio.to_thread(actions, path)
            if len([each for each in found if each["state"] == "would"]) >= BOTS:
                return found
            await asyncio.sleep(0.1)


async def flood(bots: list[Person], fan: Person, channels: tuple[str, ...]) -> None:
    """Everybody posts the text, in disguise, in all channels, until cancelled."""
    number = 0
    while True:
        for someone in (*bots, fan):
            for channel in channels:
                someone.send(f"PRIVMSG {channel} :{disguised(number)}")
            number += 1
            await asyncio.sleep(0.12)


@needs_ngircd
@pytest.mark.timeout(240)
async def test_bots_are_banned_from_a_real_channel_and_a_rehearsal_bans_nobody(
    tmp_path: Path,
) -> None:
    server = IrcServer(tmp_path / "irc")
    live, dry = tmp_path / "live", tmp_path / "dry"
    configs = [
        irc_monitor(live, server, "#live", dry_run=False),
        irc_monitor(dry, server, "#dry", dry_run=True),
    ]
    try:
        async with AsyncExitStack() as stack:
            owners = {
                channel: await stack.enter_async_context(
                    person(server, f"own-{channel}", f"#{channel}")
                )
                for channel in ("live", "dry")
            }
            programs = [
                stack.enter_context(streammon(config.parent, "run", str(config), "--quiet"))
                for config in configs
            ]
            for channel, owner in owners.items():
                await owner.hears(f"JOIN :#{channel}", within_s=STARTED_S)
                owner.send(f"MODE #{channel} +o keeper-{channel}")
            bots = [
                await stack.enter_async_context(person(server, f"bot{n}", "#live", "#dry"))
                for n in range(BOTS)
            ]
            fan = await stack.enter_async_context(person(server, "fan", "#live", "#dry"))
            for channel, owner in owners.items():
                owner.send(f"MODE #{channel} +v fan")
                await fan.hears(f"MODE #{channel} +v fan")
            flooding = asyncio.create_task(flood(bots, fan, ("#live", "#dry")))
            try:
                gone = await asyncio.gather(*(cut_off(bot, "#live") for bot in bots))
                rehearsed = await rehearsal(dry / "actions.jsonl")
            finally:
                flooding.cancel()
            assert gone == [True] * BOTS
            bots[0].send("JOIN #live")
            await bots[0].hears(" 474 ")  # banned
            fan.send("NAMES #live").send("NAMES #dry")
            left = await fan.hears(" 353 fan = #live")
            assert sorted(left.partition(" :")[2].split()) == ["+fan", "@keeper-live", "@own-live"]
            still = await fan.hears(" 353 fan = #dry")
            assert all(f"bot{n}" in still for n in range(BOTS))
            for program in programs:
                assert await asyncio.to_thread(program.stop) == 0, program.tail()
    finally:
        server.kill()
    done = [each for each in actions(live / "actions.jsonl") if each["state"] == "done"]
    assert len({each["author_id"] for each in done}) == BOTS
    assert {each["action"] for each in done} == {"ban"}
    spared = [each for each in actions(live / "actions.jsonl") if each["state"] == "spared"]
    assert {each["cause"] for each in spared} == {"the author is vip there"}
    assert {each["state"] for each in rehearsed} <= {"would", "spared"}
    assert len([each for each in rehearsed if each["state"] == "would"]) == BOTS
    assert "bot0" not in (live / "actions.jsonl").read_text()


def pour(program: Program, *, until: Callable[[], bool]) -> None:
    """A bot's chat as it happens, flooded, until what it leads to is there."""
    stdin = program.process.stdin
    assert stdin is not None
    number, give_up_s = 0, time.monotonic() + STARTED_S + FLOODED_S
    while not until():
        assert time.monotonic() < give_up_s, program.tail()
        line = {
            "author_id": f"bot-{number % BOTS}",
            "message_id": f"m{number}",
            "text": disguised(number),
            "roles": ["moderator"] if number % BOTS == 0 else [],
        }
        stdin.write(json.dumps(line) + "\n")
        stdin.flush()
        number += 1
        time.sleep(0.15)


@pytest.mark.timeout(120)
def test_a_bot_that_pipes_its_chat_is_told_what_to_do_and_asked_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "actions.jsonl"
    monkeypatch.setenv("STREAMMON_ACTIONS", str(out))
    command = ("run", "chat_moderation", "--quiet", "--port", "0")
    with streammon(tmp_path, *command, stdin=subprocess.PIPE) as program:
        pour(program, until=lambda: {"would", "spared"} <= {one["state"] for one in actions(out)})
        assert program.process.stdin is not None
        program.process.stdin.close()
        assert program.process.wait(30) == 0, program.tail()
    assert len([line for line in program.said if line.startswith("moderate: http://")]) == 1
    told = actions(out)
    assert {each["dry_run"] for each in told} == {True}
    deletes = [each for each in told if (each["action"], each["state"]) == ("delete", "would")]
    assert deletes
    assert all(each["message_ids"][0].startswith("m") for each in deletes)
    assert {each["cause"] for each in told if each["state"] == "spared"} == {
        "the author is moderator there"
    }
    assert "bot-" not in out.read_text()
    assert SPAM not in out.read_text()
    listing = subprocess.run(
        [sys.executable, "-m", "streammon", "moderation", "list", "--all", "--json", "--file",
         str(tmp_path / "state" / "streammon" / "moderation.db")],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    known = {json.loads(line)["decision_id"] for line in listing.stdout.splitlines()}
    assert known == {each["decision_id"] for each in told}


@pytest.mark.timeout(120)
def test_a_bot_s_hook_confirms_what_the_bot_then_does(tmp_path: Path) -> None:
    with answering(lambda asked: Answer(b'{"decision": "confirm"}')) as bot:
        document = {
            "name": "hooked",
            "sources": {"chat": {"type": "chat_jsonl", "path": "-"}},
            "detectors": {"chat_flood": {}},
            "sinks": {
                "moderation": {
                    "dry_run": False, "hook": {"url": bot.url},
                    "out": str(tmp_path / "actions.jsonl"),
                    "policy": {"chat_flood": [{"at": "info", "do": "delete"}]},
                }
            },
            "server": {"enabled": False},
        }  # fmt: skip
        config = tmp_path / "hooked.yaml"
        config.write_text(yaml.safe_dump(document))
        with streammon(tmp_path, "run", str(config), "--quiet", stdin=subprocess.PIPE) as program:
            out = tmp_path / "actions.jsonl"
            pour(program, until=lambda: "handed_over" in {one["state"] for one in actions(out)})
        asked = [question.json()["data"] for question in bot.asked]
    assert asked
    assert all(each["message_ids"] and each["action"] == "delete" for each in asked)
    over = [each for each in actions(out) if each["state"] == "handed_over"]
    assert {each["decision_id"] for each in over} <= {each["decision_id"] for each in asked}
    assert over

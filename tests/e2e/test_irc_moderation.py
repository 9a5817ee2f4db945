"""A flood in a channel of a real IRC server: seen, judged, and muted by the monitor's own bot."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.program import streammon
from tests.loopback.irc_server import IrcServer, Person, needs_ngircd, person

pytestmark = needs_ngircd

NOTICED_S = 45.0
SPAM = "win a free game console now at free-consoles.example just write me"


def a_config(folder: Path, server: IrcServer) -> Path:
    moderation = {
        "dry_run": False,
        "path": str(folder / "moderation.db"),
        "policy": {"chat_flood": [{"at": "info", "do": ["timeout"], "timeout_s": 60.0}]},
        "most_share": 1.0,
    }
    config: dict[str, Any] = {
        "name": "lounge",
        "sources": {
            "lounge": {
                "type": "irc",
                "host": "127.0.0.1",
                "port": server.port,
                "tls": False,
                "channels": ["#lounge"],
                "nick": "keeper",
                "author_key_file": str(folder / "authors.key"),
            }
        },
        "detectors": {"chat_flood": {}},
        "rules": {"default": {"type": "cusum"}},
        "alerts": {"hold_s": 0.0},
        "sinks": {"moderation": moderation},
        "server": {"enabled": False},
    }
    path = folder / "lounge.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


async def flood(bots: Sequence[Person]) -> None:
    """Nearly the same from each, again and again, until cancelled."""
    for number in itertools.count():
        for at, bot in enumerate(bots):
            bot.send(f"PRIVMSG #lounge :{SPAM} {number}{at}")
        await asyncio.sleep(0.5)


async def muted(owner: Person, names: Sequence[str]) -> set[str]:
    """The masks on the channel's list, once there are as many."""
    masks: set[str] = set()
    while len(masks) < len(names):
        line = await owner.hears("MODE #lounge +b", within_s=NOTICED_S)
        masks.add(line.split()[-1])
    return masks


@pytest.mark.timeout(120)
async def test_those_who_flood_are_muted_and_whoever_runs_the_channel_is_spared(
    tmp_path: Path,
) -> None:
    server = IrcServer(tmp_path / "ngircd")
    try:
        async with AsyncExitStack() as stack:
            owner = await stack.enter_async_context(person(server, "owner", "#lounge"))
            names = [f"bot{number}" for number in range(4)]
            bots = [
                await stack.enter_async_context(person(server, name, "#lounge")) for name in names
            ]
            with streammon(tmp_path, "run", str(a_config(tmp_path, server))) as program:
                await asyncio.to_thread(
                    program.wait_for_line, type="health", stream="lounge", state="up"
                )
                owner.send("MODE #lounge +o keeper").send(f"PRIVMSG #lounge :{SPAM}")
                flooding = asyncio.create_task(flood(bots))
                try:
                    masks = await muted(owner, names)
                finally:
                    flooding.cancel()
                assert {mask.partition("@")[0] for mask in masks} == {
                    f"*!~{name}" for name in names
                }
                assert await asyncio.to_thread(program.stop) == 0
    finally:
        server.kill()

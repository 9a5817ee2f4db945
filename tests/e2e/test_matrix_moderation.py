"""A flood in a room of a real Matrix homeserver: seen, judged, and cleared away."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.program import Program, streammon
from tests.loopback.synapse import SERVER_NAME, Person, Synapse, needs_synapse

pytestmark = needs_synapse

FLOOD_S = 60.0
ROUND_S = 0.4
SPAM = "win a free game console now at free-consoles.example just write me"


def a_config(folder: Path, server: Synapse, watcher: Person) -> Path:
    source = {
        "type": "matrix",
        "homeserver": server.url,
        "token": "${MATRIX_TOKEN}",
        "rooms": [f"#lobby:{SERVER_NAME}"],
        "author_key_file": str(folder / "authors.key"),
    }
    ladder = [{"at": "info", "do": ["delete", "ban"]}]
    moderation = {
        "dry_run": False,
        "path": str(folder / "moderation.db"),
        "policy": {"chat_flood": ladder},
        "most_share": 1.0,
    }
    config: dict[str, Any] = {
        "name": "lobby",
        "sources": {"lobby": source},
        "detectors": {"chat_flood": {}},
        "rules": {"default": {"type": "cusum"}},
        "alerts": {"hold_s": 0.0},
        "sinks": {"moderation": moderation},
        "server": {"enabled": False},
    }
    path = folder / "lobby.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.timeout(180)  # a homeserver, a monitor and a flood, on cores that others use too
def test_a_flood_is_deleted_and_its_senders_banned_but_no_moderator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "synapse").mkdir()
    server = Synapse(tmp_path / "synapse")
    try:
        owner, watcher = server.register("owner"), server.register("watcher")
        room = owner.create_room("lobby")
        watcher.join(room)
        owner.give_power(room, {watcher.user_id: 100})
        bots = [server.register(f"bot{number}") for number in range(4)]
        for bot in bots:
            bot.join(room)
        monkeypatch.setenv("MATRIX_TOKEN", watcher.token)
        config = a_config(tmp_path, server, watcher)
        with streammon(tmp_path, "run", str(config)) as program:
            program.wait_for_line(type="health", stream="lobby", state="up")
            mine = owner.say(room, SPAM)
            spam = flood(program, bots, room)
            program.wait_for(lambda: {state(owner, room, bot) for bot in bots} == {"ban"})
            program.wait_for(lambda: len(deleted(owner, room, spam)) >= len(bots))
            assert state(owner, room, owner) == "join"
            assert owner.body_of(room, mine) == SPAM, "who runs the room is spared"
            assert program.stop() == 0
    finally:
        server.close()


def flood(program: Program, bots: list[Person], room: str) -> list[str]:
    """Nearly the same from each, until it is noticed or one is banned; the messages' ids."""
    spam: list[str] = []
    until_s = time.monotonic() + FLOOD_S
    while time.monotonic() < until_s:
        said = [bot.say_if_let(room, f"{SPAM} {len(spam)}{at}") for at, bot in enumerate(bots)]
        spam += [event for event in said if event is not None]
        if None in said or any(line["type"] == "alert" for line in program.lines()):
            return spam
        time.sleep(ROUND_S)
    raise AssertionError(f"not noticed within {FLOOD_S:g} s: {program.tail()}")


def deleted(owner: Person, room: str, events: list[str]) -> list[str]:
    return [event for event in events if owner.body_of(room, event) is None]


def state(owner: Person, room: str, person: Person) -> str:
    return owner.membership(room, person.user_id)

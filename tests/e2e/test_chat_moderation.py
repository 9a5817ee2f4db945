"""`chat_moderation` on recorded chats: what `ai_text` may open there, and what it may not."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from streammon import cli
from tests.ai_texts import ASSISTANT, VIEWERS

DEMO = Path(str(files("streammon.demo")))


def alerts(chat: Path, out: Path) -> list[dict[str, Any]]:
    command = ["replay", str(chat), "--pipeline", "chat_moderation", "--json", str(out)]
    assert cli.main(command) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    return [line for line in lines if line["type"] == "alert"]


def recorded(path: Path, said: list[tuple[str, str]]) -> Path:
    """One message every two seconds."""
    rows = [
        json.dumps({"captured_s": 2.0 * at, "author_id": author, "text": text})
        for at, (author, text) in enumerate(said)
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


def talk(*, bot: bool, rounds: int) -> list[tuple[str, str]]:
    """Viewers who say a line each, and one more account among them that may be a machine."""
    viewers = VIEWERS.split("\n")
    said: list[tuple[str, str]] = []
    for number in range(rounds):
        at = 100 * number % (len(ASSISTANT) - 100)
        own = ASSISTANT[at : at + 100] if bot else viewers[number % len(viewers)]
        said.append(("one-more", own))
        said += [(f"viewer-{n}", viewers[(3 * number + n) % len(viewers)]) for n in range(3)]
    return said


@pytest.mark.parametrize(
    ("name", "kinds"), [("chat_clean.jsonl", set()), ("chat_flood.jsonl", {"chat_flood"})]
)
def test_the_demo_s_chats_get_what_they_deserve(name: str, kinds: set[str], tmp_path: Path) -> None:
    assert {alert["kind"] for alert in alerts(DEMO / name, tmp_path / "out")} == kinds


def test_an_account_that_writes_like_an_assistant_is_shown_but_never_critical(
    tmp_path: Path,
) -> None:
    chat = recorded(tmp_path / "bot.jsonl", talk(bot=True, rounds=150))
    found = [one for one in alerts(chat, tmp_path / "out") if one["kind"] == "ai_text"]
    assert found
    assert found[0]["state"] == "opened"
    assert {one["severity"] for one in found} <= {"info", "warning"}
    assert "one-more" not in json.dumps(found)


def test_the_same_chat_without_it_opens_nothing(tmp_path: Path) -> None:
    chat = recorded(tmp_path / "people.jsonl", talk(bot=False, rounds=150))
    assert not [one for one in alerts(chat, tmp_path / "out") if one["kind"] == "ai_text"]

"""What docs/chat.md shows is accepted, and what it says of each platform is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streammon.config import load_config
from streammon.core.moderation import AuthorBook, ChatActor, ModerationAction
from streammon.core.types import StreamId
from streammon.ingest.chat.feed import ChatConfig
from streammon.registry import SOURCES, adapter_class

PAGE = Path(__file__).parents[2] / "docs" / "chat.md"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S)
TOKENS = {name for example in EXAMPLES for name in re.findall(r"\$\{(\w+)\}", example)}


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_each_example_is_accepted_and_shows_no_token(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in TOKENS:
        monkeypatch.setenv(name, f"secret-{name}")
    path = tmp_path / "chat.yaml"
    path.write_text(EXAMPLES[number])
    config = load_config(path)
    for name, source in config.sources.items():
        assert isinstance(source, ChatConfig)
        built = source.build(StreamId(name))  # type: ignore[attr-defined]
        assert isinstance(built, AuthorBook)
        assert not isinstance(built, ChatActor) or built.actions <= frozenset(ModerationAction)
    shown = f"{config!r} {config.model_dump(mode='json')}"
    secrets = [name for name in TOKENS if not name.endswith("CLIENT_ID")]
    assert not [name for name in secrets if f"secret-{name}" in shown]


@pytest.mark.parametrize("platform", ["irc", "matrix", "twitch", "discord", "slack"])
def test_each_platform_has_its_row_and_its_section(platform: str) -> None:
    page = PAGE.read_text()
    assert f"| `{platform}` |" in page
    assert f"\n## {platform.title()}\n" in page or f"\n## {platform.upper()}\n" in page
    assert adapter_class(SOURCES, platform).__doc__

"""What the documents say is so: examples run, links lead somewhere, commands exist."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from streammon import __version__
from streammon.config import load_config
from streammon.core.ports import Recording
from streammon.core.types import AudioChunk, StreamId
from streammon.registry import SOURCES, adapter_class
from tests.contract.source_laws import LAWS, SourceCase, a_recording_reads_the_same_each_time
from tests.fakes import WantAll
from tests.packages import installed

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GUIDE = ROOT / "docs" / "adding-an-adapter.md"

Scenario = Callable[[], Coroutine[None, None, None]]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# --- the guide's example ---------------------------------------------------------------------


@pytest.fixture
def tone_package(tmp_path: Path) -> Iterator[None]:
    """The guide's file and its line, as a package that is really installed."""
    (declared,) = blocks(GUIDE, "toml")
    groups = tomllib.loads(declared)["project"]["entry-points"]
    with installed(
        tmp_path, "streammon_tone", source=blocks(GUIDE, "python")[0], entry_points=groups
    ):
        yield


@pytest.mark.usefixtures("tone_package")
def test_the_guides_source_is_used_through_its_config(tmp_path: Path) -> None:
    path = tmp_path / "tuning.yaml"
    path.write_text(blocks(GUIDE, "yaml")[0])
    config: Any = load_config(path).sources["fork"]
    source = config.build("fork")
    assert isinstance(source, Recording)
    chunks = [item for item in source.items(WantAll()) if isinstance(item, AudioChunk)]
    assert [chunk.seq for chunk in chunks] == list(range(20))
    assert sum(chunk.duration_s for chunk in chunks) == pytest.approx(2.0)


@pytest.mark.usefixtures("tone_package")
async def test_the_guides_test_passes() -> None:
    scope: dict[str, Any] = {}
    exec(compile(blocks(GUIDE, "python")[1], "adding-an-adapter.md", "exec"), scope)
    scenarios: list[Scenario] = [value for name, value in scope.items() if name[:5] == "test_"]
    assert scenarios
    for scenario in scenarios:
        await scenario()


@pytest.mark.usefixtures("tone_package")
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
async def test_the_guides_source_keeps_every_sources_promises(law: Any) -> None:
    settings: Any = adapter_class(SOURCES, "tone").model_validate({"type": "tone"})
    if law is a_recording_reads_the_same_each_time:  # it has to end
        settings = settings.model_copy(update={"duration_s": 2.0})
    await law(SourceCase(lambda: settings.build(StreamId("fork"))))


# --- every page ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r'src="([^"]+)"', prose)
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # it also names what is gone
    folders = "streammon|sinks|pipelines|tests|benchmarks|training|docs"
    named = re.findall(rf"`((?:{folders})/[\w./-]+\.\w+)(?::\d+)?`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(), re.M))
    assert named - targets == set()


def test_the_newest_changes_are_those_of_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] in {"Unreleased", __version__}
    assert __version__ in versions


def test_each_decision_has_its_context_and_its_cost() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [int(record.name[:4]) for record in records]
    assert numbers == list(range(1, len(records) + 1))
    for record in records:
        headings = re.findall(r"^## (.*)", record.read_text(), re.M)
        assert headings == ["Context", "Decision", "Cost"], record.name
        assert len(record.read_text().splitlines()) <= 60, record.name


def test_the_architecture_stays_short_enough_to_be_read() -> None:
    assert len((ROOT / "docs" / "architecture.md").read_text().splitlines()) <= 200

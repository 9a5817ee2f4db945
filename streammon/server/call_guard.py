"""`/guard`: the page that watches a call, and what it must know before anything is shared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from streammon.config import MonitorConfig
from streammon.core.errors import ConfigError
from streammon.core.ports import Admitting
from streammon.ingest.webrtc.entrance import Entrance
from streammon.ingest.webrtc.tap import check_installed
from streammon.registry import AdapterConfig

PATH = "/guard"
PAGE = Path(__file__).with_name("wall") / "guard.html"
NO_DOOR = (
    "this monitor lets nobody publish a call: run `streammon run call_guard` without --source, or "
    "add to the sources of its file: `guard: {type: webrtc, admits: 4}`"
)


class GuardOut(BaseModel):
    closed_because: str = Field(description="Why no call can be watched; empty when one can.")
    alerts_kept: bool = Field(description="Whether alerts outlive the process, in a file.")
    told_to: list[str] = Field(description="Sinks that alerts go to, beside the terminal.")
    judged_elsewhere: list[str] = Field(
        description="Detectors that send what they judge to another server."
    )


class CallGuard:
    """What a monitor does with calls, as the person who shares one is told."""

    def __init__(self, config: MonitorConfig, entrances: Iterable[Admitting]) -> None:
        self._config = config
        self._open = any(isinstance(entrance, Entrance) for entrance in entrances)

    def told(self) -> GuardOut:
        """The facts for the consent text."""
        config = self._config
        return GuardOut(
            closed_because=self._closed_because(),
            alerts_kept=str(config.outbox.path) != ":memory:",
            told_to=[name for name, sink in config.sinks.items() if _tag(sink) != "console"],
            judged_elsewhere=[
                name for name, each in config.detectors.items() if _tag(each) == "remote"
            ],
        )

    def _closed_because(self) -> str:
        if self._open:
            return ""
        try:
            check_installed()
        except ConfigError as error:
            return f"{error}; then start streammon again"
        return NO_DOOR


def _tag(settings: AdapterConfig) -> str:
    """Which adapter these are the settings of."""
    return str(getattr(settings, "type", ""))


def build_guard_routes(guard: CallGuard) -> APIRouter:
    """The page, open to everyone, and its facts."""
    router = APIRouter()

    @router.get(PATH, include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE)

    @router.get("/api/guard", summary="Whether calls can be watched here, and what is kept.")
    async def told() -> GuardOut:
        return guard.told()

    return router

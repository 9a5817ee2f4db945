"""Runs one monitor with its outbox, its wall and its sinks; shared by `run` and `demo`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from streammon.config import MonitorConfig, outbox_path
from streammon.core.clock import MonotonicClock
from streammon.core.errors import ConfigError, Permanent
from streammon.core.ports import Sink
from streammon.core.types import HealthState
from streammon.flow.signals import stop_on_signals
from streammon.pipelines import building
from streammon.pipelines.building import Parts
from streammon.pipelines.detect import Panel
from streammon.pipelines.monitor import Monitor
from streammon.server.acknowledging import Acknowledging
from streammon.server.app import build_app
from streammon.server.call_guard import CallGuard
from streammon.server.challenging import Challenges
from streammon.server.chat_ingest import ChatIngest
from streammon.server.detecting import LIMITS, Detecting
from streammon.server.moderation import FindDesk
from streammon.server.serve import serving
from streammon.server.watching.audience import audience
from streammon.server.whep import Whep
from streammon.server.whip import Whip
from streammon.sinks.jsonl import STDOUT
from streammon.sinks.moderation.desk import HasDesk
from streammon.sinks.outbox import MEMORY, Outbox
from streammon.sinks.websocket_hub import Hub
from streammon.sinks.wire import WallClock
from streammon.telemetry.logs import setup_logging
from streammon.telemetry.metrics import Metrics

EXIT_OK, EXIT_ERROR, EXIT_NOT_DRAINED = 0, 1, 3
STOPPING = (
    "streammon: stopping: what is in flight has {:g} s, and a model that is being loaded is waited "
    "for; Ctrl-C again ends at once"
)
SQLITE_MARK = b"SQLite format 3\0"


def changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line lays over the configuration."""
    server: dict[str, Any] = {}
    if arguments.host is not None:
        server["host"] = arguments.host
    if arguments.port is not None:
        server["port"] = arguments.port
    if arguments.no_server:
        server["enabled"] = False
    sinks: dict[str, Any] = {}
    if arguments.out is not None:
        _check_out(arguments.out)
        sinks["out"] = {"type": "jsonl", "path": str(arguments.out)}
    if not arguments.quiet:
        sinks["console"] = {"type": "console"}
    tree: dict[str, Any] = {}
    if server:
        tree["server"] = server
    if sinks:
        tree["sinks"] = sinks
    if arguments.outbox is not None:
        _check_outbox(arguments.outbox)
        tree["outbox"] = {"path": str(arguments.outbox)}
    if arguments.device is not None:
        tree["scheduler"] = {"device": arguments.device}
    return tree


def _check_out(out: Path) -> None:
    """Raises `ConfigError` for a file that cannot be had: whoever names one needs it."""
    if str(out) == STDOUT:
        return
    if out.is_dir():
        raise ConfigError(f"--out: {out} is a folder")
    if not out.parent.is_dir():
        raise ConfigError(f"--out: there is no folder {out.parent}")
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise ConfigError(f"--out: {out} cannot be written")


def _check_outbox(path: Path) -> None:
    """Raises `ConfigError` for a file of another kind: it would be set aside as a damaged one."""
    if path.is_dir():
        raise ConfigError(f"--outbox: {path} is a folder")
    try:
        with path.open("rb") as file:
            head = file.read(len(SQLITE_MARK))
    except OSError:
        return  # there is none yet; or what opens it says why it cannot be had
    if head.strip(b"\0") and head != SQLITE_MARK:
        raise ConfigError(f"--outbox: {path} is no outbox, but a file of another kind")


def watch(
    config: MonitorConfig,
    arguments: argparse.Namespace,
    *,
    announce: Callable[[str], None],
) -> int:
    """Run until stopped, out of sources, or out of `--duration`; returns the exit code.

    Raises `Permanent` when models cannot be run at all as the configuration says.
    """
    setup_logging(arguments.log_level, as_json=arguments.log_json)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_watch(config, arguments.duration, announce))
    except ExceptionGroup as group:
        if (cause := _permanent(group)) is None:
            raise
        raise cause from group


def _permanent(error: BaseException) -> Permanent | None:
    """What a person has to mend, if that is all there is in a group of errors."""
    if not isinstance(error, BaseExceptionGroup):
        return error if isinstance(error, Permanent) else None
    found = [_permanent(each) for each in error.exceptions]
    return None if None in found else found[0]


async def _watch(
    config: MonitorConfig, duration_s: float | None, announce: Callable[[str], None]
) -> int:
    stop = asyncio.Event()
    with stop_on_signals(stop, still_here=lambda: say(STOPPING.format(config.drain_s))):
        async with _monitor(config, announce) as monitor:
            drained = await monitor.run(stop, duration_s=duration_s)
            if _say_if_nothing_worked(monitor):
                return EXIT_ERROR
    return EXIT_OK if drained else EXIT_NOT_DRAINED


def _say_if_nothing_worked(monitor: Monitor) -> bool:
    """Whether every stream failed for good; then each cause is said."""
    views = monitor.status.streams()
    failed = [view for view in views if view.health.state is HealthState.FAILED]
    if not views or len(failed) < len(views):
        return False
    for view in failed:
        say(f"streammon: {view.stream}: {view.health.cause}")
    return True


@asynccontextmanager
async def _monitor(
    config: MonitorConfig, announce: Callable[[str], None]
) -> AsyncIterator[Monitor]:
    """A monitor with its outbox open and its wall being served."""
    parts = building.build(config)
    moderating = _moderating(parts.sinks)
    clock, metrics = MonotonicClock(), Metrics()
    wall = WallClock(clock)
    async with AsyncExitStack() as stack:
        outbox = await stack.enter_async_context(_outbox(config, clock))
        hub = Hub(
            outbox,
            wall=wall,
            max_clients=config.server.max_clients,
            hello=lambda: {
                "monitor": config.name,
                "streams": list(config.sources),
                "pages": [] if moderating is None else ["moderation"],
            },
        )
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
        if config.server.enabled:
            wall_served = _served(
                config,
                parts,
                monitor,
                hub=hub,
                metrics=metrics,
                clock=clock,
                acknowledging=Acknowledging(outbox, monitor.status),
                announce=announce,
            )
            await stack.enter_async_context(wall_served)
        yield monitor


@asynccontextmanager
async def _outbox(config: MonitorConfig, clock: MonotonicClock) -> AsyncIterator[Outbox]:
    """The monitor's alerts. Raises `Permanent` where the file is another monitor's, or none."""
    async with AsyncExitStack() as stack:
        outbox = Outbox(config.outbox, outbox_path(config) or MEMORY, clock=clock)
        try:
            await stack.enter_async_context(outbox)
        except Permanent as error:
            raise Permanent(f"the outbox {error} (`--outbox FILE`, or `outbox.path`)") from error
        yield outbox


@asynccontextmanager
async def _served(
    config: MonitorConfig,
    parts: Parts,
    monitor: Monitor,
    *,
    hub: Hub,
    metrics: Metrics,
    clock: MonotonicClock,
    acknowledging: Acknowledging,
    announce: Callable[[str], None],
) -> AsyncIterator[None]:
    """The wall of a monitor and all that is asked beside it, up and announced."""
    await acknowledging.load()
    async with AsyncExitStack() as stack:
        detecting = watching = None
        if config.server.detect:
            detecting = await stack.enter_async_context(_detecting(config, metrics))
        if config.server.whep.enabled:
            watching = await stack.enter_async_context(_watching(config, monitor, clock))
        moderating = _moderating(parts.sinks)
        app = build_app(
            monitor.status,
            hub,
            metrics,
            config.server,
            detecting=detecting,
            publishing=Whip(parts.sources, parts.entrances, token=config.server.token),
            watching=watching,
            challenges=Challenges(monitor.attention, clock),
            calls=CallGuard(config, parts.entrances),
            chats=ChatIngest(parts.sources, token=config.server.token),
            moderating=moderating,
            acknowledging=acknowledging,
        )
        url = await stack.enter_async_context(serving(app, config.server))
        announce(url)
        if moderating is not None:
            say(f"moderate: {url}moderation")
        yield


@asynccontextmanager
async def _watching(
    config: MonitorConfig, monitor: Monitor, clock: MonotonicClock
) -> AsyncIterator[Whep]:
    """What shows single streams live."""
    settings, view = config.server.whep, monitor.status
    async with audience(
        view, monitor.attention, said_of=monitor.said_of, settings=settings, clock=clock
    ) as viewers:
        yield Whep(viewers, token=config.server.token)


def _moderating(sinks: Sequence[Sink]) -> FindDesk | None:
    """Where people moderate: the first sink that does it."""
    found = [sink for sink in sinks if isinstance(sink, HasDesk)]
    return (lambda: found[0].desk) if found else None


def _detecting(config: MonitorConfig, metrics: Metrics) -> Detecting:
    """What judges content that is sent here: detectors as the monitor's, of its own."""
    detectors = building.build_detectors(config)
    scheduler = config.scheduler
    panel = Panel(detectors, device=scheduler.device, limits=LIMITS, scheduler=scheduler)
    return Detecting(panel, metrics)


def say(text: str) -> None:
    """One line for people, on stderr: stdout belongs to sinks."""
    print(text, file=sys.stderr, flush=True)

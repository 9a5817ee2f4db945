"""`streammon models`: published models by name, fetched once and checked for ever."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from streammon.catalogue.entries import Entry, read_catalogue
from streammon.catalogue.pull import Progress as Report
from streammon.catalogue.pull import pull
from streammon.catalogue.store import State, Store
from streammon.commands.models_hub import Hub, pull_from_hub
from streammon.config import models_folder
from streammon.core.errors import Permanent, Retryable

_AGAIN = "streammon models pull"


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0; 1 when a model could not be fetched, or one of them is not as it should be."""
    folder = arguments.folder or models_folder()
    store = Store(folder, catalogue=read_catalogue(arguments.catalogue))
    if arguments.action == "list":
        return _list(store, as_json=arguments.json)
    if arguments.action == "info":
        return _info(store, store.entry(arguments.name), as_json=arguments.json)
    if arguments.action == "pull":
        hub = Hub.of(arguments.endpoint, arguments.token_file, arguments.revision)
        return _pull(store, [store.entry(name) for name in arguments.names], hub)
    if arguments.names:
        return _verify(store, [store.entry(name) for name in arguments.names])
    return _verify(store, _begun(store), strangers=True)


def _begun(store: Store) -> list[Entry]:
    """The models of which something is here."""
    nothing = {State.ABSENT, State.ON_HUB}
    return [entry for entry in store.catalogue.values() if store.state_of(entry) not in nothing]


def _list(store: Store, *, as_json: bool) -> int:
    entries = sorted(store.catalogue.values(), key=lambda entry: (entry.modality, entry.name))
    if as_json:
        print(json.dumps([_facts(store, entry) for entry in entries], indent=2))
        return 0
    table = Table(box=None, pad_edge=False)
    for column in ("model", "finds", "state", "hashes", "size", "licence"):
        table.add_column(column, no_wrap=column in {"model", "finds", "state"})
    for entry in entries:
        cells = (
            entry.name,
            entry.kind,
            store.state_of(entry).value,
            _hashes(store, entry),
            _size(entry),
            entry.licence.partition(" (")[0],
        )
        table.add_row(*map(escape, cells))
    console = Console()
    console.print(table)
    console.print(f"kept in {store.folder}; more: streammon models info NAME", markup=False)
    return 0


def _facts(store: Store, entry: Entry) -> dict[str, object]:
    came = [found.model_dump() for _, found in store.came(*entry.hub)] if entry.hub else []
    state = store.state_of(entry).value
    return {**entry.model_dump(), "bytes": entry.bytes, "state": state, "recorded": came}


def _hashes(store: Store, entry: Entry) -> str:
    """Who says what its files have to be: the catalogue, or what came here first."""
    if entry.files:
        return "pinned"
    days = [found.on for _, found in store.came(*entry.hub)]
    here = f"recorded here on {max(days)}" if days else "none yet"
    return "weights pinned" + (f", {here}" if days else "") if entry.hub_files else here


def _size(entry: Entry) -> str:
    return f"{entry.bytes / 1e6:.1f} MB" if entry.files else "-"


def _info(store: Store, entry: Entry, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(_facts(store, entry), indent=2))
        return 0
    rows = {
        "what for": f"{entry.kind} ({entry.modality}): {entry.summary}",
        "paper": entry.paper,
        "home": entry.home,
        "licence": entry.licence,
        "authors say": entry.reported or "no figure on record here",
        "we measured": entry.ours or "nothing yet; measure it with `streammon eval`",
        "labels": entry.labels or "as its detector says",
        "needs": f"pip install 'streammon[{entry.needs}]'" if entry.needs else "nothing more",
        "state": store.state_of(entry).value,
        "hashes": _hashes(store, entry),
    }
    for file in entry.files:
        rows[file.name] = f"{file.bytes} bytes, SHA-256 {file.sha256}\n{'':13}{file.url}"
    for known in entry.hub_files:
        stated = f"pinned at {known.revision}\n{'':13}{known.stated}"
        rows[f"{known.repository}/{known.name}"] = f"SHA-256 {known.sha256}, {stated}"
    for _, found in store.came(*entry.hub) if entry.hub else ():
        lines = [f"{one.name}: {one.bytes} bytes, SHA-256 {one.sha256}" for one in found.files]
        head = f"recorded here on {found.on}"
        rows[f"{found.repository}@{found.revision[:12]}"] = f"\n{'':13}".join([head, *lines])
    for label, text in rows.items():
        print(f"{label + ':':<12} {text}")
    print("\nin a configuration:\n\n" + _example(store, entry))
    return 0


def _example(store: Store, entry: Entry) -> str:
    """The lines of a configuration that use the model."""
    lines = ["detectors:", f"  {entry.kind}:", f"    type: {entry.detector}"]
    commits = store.commits_of(entry)
    return "\n".join(lines + [f"    {line}" for line in entry.settings(commits)])


def _pull(store: Store, entries: Sequence[Entry], hub: Hub) -> int:
    failed = 0
    errors = Console(stderr=True)
    for entry in entries:
        try:
            with _bars(errors) as report:
                places = (
                    pull_from_hub(entry, store, hub, progress=report)
                    if entry.hub
                    else pull(entry, store, progress=report)
                )
        except (Permanent, Retryable) as error:
            failed += 1
            errors.print(str(error), style="red", markup=False, soft_wrap=True)
            continue
        for place in places:
            print(f"{entry.name}: {place}")
        if entry.hub:
            print(f"{entry.name}: its lines of a configuration: streammon models info {entry.name}")
    return 1 if failed else 0


@contextmanager
def _bars(console: Console) -> Iterator[Report]:
    """A bar for each file on a terminal; nothing elsewhere."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done)

        yield report


def _verify(store: Store, entries: Sequence[Entry], *, strangers: bool = False) -> int:
    """Hash every file of these models and say of each whether it is right.

    With `strangers`, also what came from a hub and is in no catalogue.
    """
    wrong = 0
    for entry in entries:
        state = store.state_of(entry, hashing=True)
        wrong += state is not State.PRESENT
        again = state is not State.PRESENT and not (entry.hub and state is State.DAMAGED)
        advice = f"; {_AGAIN} {entry.name}" if again else ""
        print(f"{entry.name}: {state.value}{advice}")
    known = {name for entry in entries for name in entry.hub}
    came = [each for each in store.came() if strangers or each[1].repository in known]
    for folder, found in came:
        faults = found.wrong(folder, hashing=True)
        wrong += bool(faults) and found.repository not in known
        advice = f"not what came: {', '.join(faults)}; delete {folder} to fetch it again"
        said = advice if faults else f"as recorded here on {found.on}"
        print(f"{found.repository}@{found.revision[:12]}: {said}")
    if not entries and not came:
        print(f"no models in {store.folder}")
    return 1 if wrong else 0

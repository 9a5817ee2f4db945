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
from streammon.config import models_folder
from streammon.core.errors import Permanent, Retryable


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0; 1 when a model could not be fetched, or one of them is not as it should be."""
    folder = arguments.folder or models_folder()
    store = Store(folder, catalogue=read_catalogue(arguments.catalogue))
    if arguments.action == "list":
        return _list(store, as_json=arguments.json)
    if arguments.action == "info":
        return _info(store, store.entry(arguments.name), as_json=arguments.json)
    if arguments.action == "pull":
        return _pull(store, [store.entry(name) for name in arguments.names])
    entries = [store.entry(name) for name in arguments.names] or _begun(store)
    return _verify(store, entries)


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
    for column in ("model", "finds", "state", "size", "licence"):
        table.add_column(column, no_wrap=column == "model")
    for entry in entries:
        cells = (
            entry.name,
            entry.kind,
            store.state_of(entry).value,
            _size(entry),
            entry.licence.partition(" (")[0],
        )
        table.add_row(*map(escape, cells))
    console = Console()
    console.print(table)
    console.print(f"kept in {store.folder}; more: streammon models info NAME", markup=False)
    return 0


def _facts(store: Store, entry: Entry) -> dict[str, object]:
    return {**entry.model_dump(), "bytes": entry.bytes, "state": store.state_of(entry).value}


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
        "needs": f"pip install 'streammon[{entry.needs}]'" if entry.needs else "nothing more",
        "state": store.state_of(entry).value,
    }
    for file in entry.files:
        rows[file.name] = f"{file.bytes} bytes, SHA-256 {file.sha256}\n{'':13}{file.url}"
    for label, text in rows.items():
        print(f"{label + ':':<12} {text}")
    print("\nin a configuration:\n\n" + _example(entry))
    return 0


def _example(entry: Entry) -> str:
    """The lines of a configuration that use the model."""
    lines = ["detectors:", f"  {entry.kind}:", f"    type: {entry.detector}"]
    return "\n".join(lines + [f"    {line}" for line in entry.use])


def _pull(store: Store, entries: Sequence[Entry]) -> int:
    failed = 0
    errors = Console(stderr=True)
    for entry in entries:
        try:
            with _bars(errors) as report:
                places = pull(entry, store, progress=report)
        except (Permanent, Retryable) as error:
            failed += 1
            errors.print(str(error), style="red", markup=False, soft_wrap=True)
            continue
        for place in places:
            print(f"{entry.name}: {place}")
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


def _verify(store: Store, entries: Sequence[Entry]) -> int:
    """Hash every file of these models and say of each whether it is right."""
    wrong = 0
    for entry in entries:
        state = store.state_of(entry, hashing=True)
        wrong += state is not State.PRESENT
        advice = "" if state is State.PRESENT else f"; streammon models pull {entry.name}"
        print(f"{entry.name}: {state.value}{advice}")
    if not entries:
        print(f"no models in {store.folder}")
    return 1 if wrong else 0

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from streammon.core.errors import Permanent
from streammon.sinks.outbox_store import MEMORY, OutboxStore, open_store, row_bytes
from tests.outgoing import a_row


def a_store(path: Path | str = MEMORY) -> OutboxStore:
    return OutboxStore(path, power_safe=False)


def numbers(store: OutboxStore) -> list[int]:
    return [alert.seq for alert in store.after(0, 10_000)]


def test_numbers_have_no_holes_and_an_alert_has_one_number() -> None:
    store = a_store()
    with store.transaction():
        assert [store.insert(a_row(at)) for at in (0, 1, 0, 2, 1)] == [1, 2, 1, 3, 2]
    assert numbers(store) == [1, 2, 3]
    store.close()


def test_a_transaction_that_fails_leaves_everything_as_it_was() -> None:
    store = a_store()

    def interrupted() -> None:
        with store.transaction():
            store.insert(a_row())
            raise InterruptedError

    with pytest.raises(InterruptedError):
        interrupted()
    assert (store.rows, store.bytes, store.last_seq, numbers(store)) == (0, 0, 0, [])
    store.close()


def test_a_new_consumer_begins_after_the_newest_alert() -> None:
    store = a_store()
    with store.transaction():
        store.insert(a_row(0))
        assert store.join("late") == 1
        assert store.join("late") == 1
    store.close()


def test_only_what_everyone_accepted_and_is_old_is_pruned() -> None:
    store = a_store()
    with store.transaction():
        store.join("fast")
        store.join("slow")
        for at in range(4):
            store.lived_s = float(at)
            store.insert(a_row(at))
        store.ack("fast", 4)
        store.ack("slow", 3)
        store.lived_s = 10.0
        assert store.prune(kept_s=8.5) == 2
    assert numbers(store) == [3, 4]
    assert (store.rows, store.bytes) == (2, row_bytes(a_row(2)) + row_bytes(a_row(3)))
    with store.transaction():
        assert store.prune(kept_s=None) == 1
    assert numbers(store) == [4]
    store.close()


def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    store = a_store(tmp_path / "o.db")
    with store.transaction():
        store.insert(a_row(0))
        store.prune(kept_s=None)
    store.close()
    store = a_store(tmp_path / "o.db")
    with store.transaction():
        assert store.oldest_seq() == 2
        assert store.insert(a_row(1)) == 2
    store.close()


def test_what_a_dead_consumer_never_took_goes_to_its_dead_letters() -> None:
    store = a_store()
    with store.transaction():
        store.join("dead")
        store.insert(a_row(0))
        store.lived_s = 100.0
        store.insert(a_row(1))
        assert store.expire("dead", most_age_s=50.0) == 1
        assert store.expire("dead", most_age_s=50.0) == 0
        assert store.acked("dead") == 1
        assert store.letters.bound_dead(1) == 0
        assert store.letters.bound_dead(0) == 1
    store.close()


def test_consumers_that_are_not_configured_any_more_hold_nothing_back() -> None:
    store = a_store()
    with store.transaction():
        store.join("old")
        store.join("kept")
        store.insert(a_row(0))
        assert store.keep_only(["kept", "unknown"]) == {"old": 1}
    assert store.cursors() == {"kept": 0}
    with pytest.raises(LookupError):
        store.acked("old")
    store.close()


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "o.db"
    store = a_store(path)
    store.close()
    assert path.stat().st_mode & 0o077 == 0


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    first = a_store(path)
    with pytest.raises(Permanent, match=rf"o\.db is in use by process {os.getpid()} on "):
        a_store(path)
    with first.transaction():
        first.insert(a_row(0))
    assert numbers(first) == [1], "who was refused has changed nothing"
    first.close()
    a_store(path).close()


def test_a_lock_that_says_nothing_of_use_is_no_harm(tmp_path: Path) -> None:
    first = a_store(tmp_path / "o.db")
    for text in (b"", b"1 host", b"\xff\xfe 12 \x1b[2J\n"):
        (tmp_path / "o.db.lock").write_bytes(text)
        with pytest.raises(Permanent, match="in use by another process"):
            a_store(tmp_path / "o.db")
    first.close()


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE alerts (precious)")
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(Permanent, match="another program"):
        open_store(path, power_safe=False)
    theirs = sqlite3.connect(path)
    assert theirs.execute("SELECT name FROM sqlite_schema").fetchall() == [("alerts",)]
    theirs.close()
    assert path.stat().st_size == len(before)


def test_a_folder_that_cannot_be_is_permanent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Permanent, match=r"o\.db cannot be made: .*; give this one a file"):
        open_store(tmp_path / "file" / "o.db", power_safe=False)


@pytest.mark.parametrize("damage", ["garbage", "cut", "overwritten"])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "o.db"
    store = a_store(path)
    session = store.session
    with store.transaction():
        for at in range(200):
            store.insert(a_row(at))
    store.close()
    data = path.read_bytes()
    broken = {
        "garbage": b"no database at all" * 100,
        "cut": data[: len(data) // 2],
        "overwritten": data[:4096] + b"\xa5" * 8192 + data[12288:],
    }[damage]
    path.write_bytes(broken)
    store, cause = open_store(path, power_safe=False)
    (aside,) = tmp_path.glob("o.db.damaged-*")
    assert aside.name in cause
    assert aside.read_bytes() == broken
    assert (store.rows, store.last_seq) == (0, 0)
    assert store.session != session
    store.close()

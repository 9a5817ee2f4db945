"""Author ids are hashed with a key of this installation, made once and for its owner alone."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streammon.core.errors import Permanent
from streammon.ingest.chat.author_ids import KEY_BYTES, AuthorIds, load_key


def test_an_id_is_the_same_each_time_and_another_under_another_key_or_platform() -> None:
    ids = AuthorIds(bytes(32), platform="irc")
    assert ids.hashed("ann") == ids.hashed("ann")
    others = [
        AuthorIds(bytes(31) + b"x", platform="irc").hashed("ann"),
        AuthorIds(bytes(32), platform="twitch").hashed("ann"),
        ids.hashed("anna"),
    ]
    assert len({ids.hashed("ann"), *others}) == 4


def test_platform_and_id_are_kept_apart() -> None:
    assert AuthorIds(bytes(32), platform="a").hashed("bc") != AuthorIds(
        bytes(32), platform="ab"
    ).hashed("c")


def test_half_a_surrogate_pair_is_hashed_too() -> None:
    ids = AuthorIds(bytes(32), platform="irc")
    assert ids.hashed("\ud800") != ids.hashed("\ud801")


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "authors.key"
    key = load_key(path)
    assert len(key) == KEY_BYTES
    assert load_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["authors.key"]


def test_whoever_begins_at_once_gets_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: load_key(tmp_path / "authors.key"), range(8)))
    assert len(set(keys)) == 1


def test_a_key_that_others_may_read_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "authors.key"
    load_key(path)
    path.chmod(0o640)
    with pytest.raises(Permanent, match="chmod 600"):
        load_key(path)


def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "authors.key"
    path.touch(mode=0o600)
    path.write_bytes(b"short")
    with pytest.raises(Permanent, match="delete it"):
        load_key(path)
    assert path.read_bytes() == b"short"


def test_a_folder_that_cannot_be_written_to_is_named_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Permanent, match="author_key"):
        load_key(tmp_path / "file" / "authors.key")

"""Pulling models from a real server that cuts the line, changes the file, or sends another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon import cli
from streammon.catalogue.entries import Entry, ModelFile
from streammon.catalogue.pull import ATTEMPTS, pull
from streammon.catalogue.store import State, Store, part_of
from streammon.core.errors import Permanent, Retryable
from tests.loopback.file_server import FileServer, serving_files

DATA = np.random.default_rng(7).bytes(100_000)


def at_once(delay_s: float) -> None:
    """No pause between attempts."""


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving_files(FileServer(files={"/tiny.pth": DATA})) as running:
        yield running


def a_file(server: FileServer, *, data: bytes = DATA, path: str = "/tiny.pth") -> ModelFile:
    digest = hashlib.sha256(data).hexdigest()
    return ModelFile(name="tiny.pth", url=server.url + path, bytes=len(data), sha256=digest)


def an_entry(*files: ModelFile) -> Entry:
    return Entry(
        name="tiny",
        summary="for tests",
        modality="audio",
        kind="voice_spoof",
        detector="aasist",
        licence="none",
        home="https://example.org",
        files=files,
    )


def a_store(folder: Path, entry: Entry) -> Store:
    return Store(folder, catalogue={entry.name: entry})


def test_a_file_comes_whole_and_is_found_by_name(server: FileServer, tmp_path: Path) -> None:
    entry = an_entry(a_file(server))
    store = a_store(tmp_path, entry)
    with pytest.raises(Permanent, match="streammon models pull tiny"):
        store.path_of("tiny")
    seen: list[tuple[str, int, int]] = []
    (place,) = pull(entry, store, progress=lambda *told: seen.append(told))
    assert place.read_bytes() == DATA
    assert seen[-1] == ("tiny.pth", len(DATA), len(DATA))
    assert store.state_of(entry, hashing=True) is State.PRESENT
    assert store.path_of("tiny").path == place
    assert store.path_of("tiny").sha256 == entry.files[0].sha256


def test_what_is_here_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    entry = an_entry(a_file(server))
    store = a_store(tmp_path, entry)
    pull(entry, store)
    pull(entry, store)
    assert server.asked == [""]


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, len(DATA) - 1), max_size=ATTEMPTS - 1))
def test_wherever_the_line_breaks_the_rest_is_asked_for_and_nothing_twice(cuts: list[int]) -> None:
    with (
        TemporaryDirectory() as folder,
        serving_files(FileServer(files={"/tiny.pth": DATA}, cuts=list(cuts))) as server,
    ):
        entry = an_entry(a_file(server))
        (place,) = pull(entry, a_store(Path(folder), entry), pause=at_once)
        assert place.read_bytes() == DATA
        done, expected = 0, [""]
        for cut in cuts:
            done = min(len(DATA), done + cut)
            if done == len(DATA):
                break
            expected.append(f"bytes={done}-" if done else "")
        assert server.asked == expected


def test_a_pull_that_was_given_up_goes_on_where_it_was(server: FileServer, tmp_path: Path) -> None:
    server.cuts = [10_000, *[0] * (ATTEMPTS - 1)]
    entry = an_entry(a_file(server))
    store = a_store(tmp_path, entry)
    with pytest.raises(Retryable, match="10000 of 100000 bytes are kept"):
        pull(entry, store, pause=at_once)
    assert store.state_of(entry) is State.PARTIAL
    server.asked.clear()
    (place,) = pull(entry, store)
    assert server.asked == ["bytes=10000-"]
    assert place.read_bytes() == DATA


def test_a_file_that_changed_meanwhile_is_begun_again(server: FileServer, tmp_path: Path) -> None:
    server.files["/tiny.pth"] = bytes(100_000)
    server.cuts = [50_000, *[0] * (ATTEMPTS - 1)]
    entry = an_entry(a_file(server))
    with pytest.raises(Retryable):
        pull(entry, a_store(tmp_path, entry), pause=at_once)
    server.files["/tiny.pth"], server.etag = DATA, '"two"'
    (place,) = pull(entry, a_store(tmp_path, entry))
    assert place.read_bytes() == DATA


def test_without_a_tag_a_mixture_is_found_out_by_its_hash_and_fetched_anew(
    server: FileServer, tmp_path: Path
) -> None:
    entry = an_entry(a_file(server))
    store = a_store(tmp_path, entry)
    part = part_of(store.place_of(entry, entry.files[0]))
    part.parent.mkdir()
    part.write_bytes(bytes(30_000))
    (place,) = pull(entry, store, pause=at_once)
    assert server.asked == ["bytes=30000-", ""]
    assert place.read_bytes() == DATA


def test_a_server_that_knows_no_ranges_is_asked_for_all_of_it(
    server: FileServer, tmp_path: Path
) -> None:
    server.ranges, server.cuts = False, [70_000]
    entry = an_entry(a_file(server))
    (place,) = pull(entry, a_store(tmp_path, entry), pause=at_once)
    assert place.read_bytes() == DATA


def test_a_file_of_another_hash_is_refused_and_nothing_of_it_kept(
    server: FileServer, tmp_path: Path
) -> None:
    server.files["/tiny.pth"] = DATA[:-1] + bytes([DATA[-1] ^ 1])
    entry = an_entry(a_file(server))
    store = a_store(tmp_path, entry)
    with pytest.raises(Permanent, match=f"expected {entry.files[0].sha256}; not kept"):
        pull(entry, store)
    assert store.state_of(entry) is State.ABSENT
    assert [path.name for path in (tmp_path / "tiny").iterdir()] in ([], [".lock"])


def test_a_file_that_does_not_end_is_cut_and_refused(server: FileServer, tmp_path: Path) -> None:
    server.files["/tiny.pth"] = DATA + b"more"
    entry = an_entry(a_file(server))
    store = a_store(tmp_path, entry)
    with pytest.raises(Permanent, match="longer than the 100000 bytes"):
        pull(entry, store)
    assert store.state_of(entry) is State.ABSENT


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(
    server: FileServer, tmp_path: Path
) -> None:
    server.statuses = [503, 429]
    entry = an_entry(a_file(server))
    waits: list[float] = []
    pull(entry, a_store(tmp_path, entry), pause=waits.append)
    assert waits == [1.0, 2.0]
    gone = an_entry(a_file(server, path="/gone.pth"))
    with pytest.raises(Permanent, match="answered 404"):
        pull(gone, a_store(tmp_path / "other", gone))


def test_redirects_are_followed_but_not_off_a_safe_way(server: FileServer, tmp_path: Path) -> None:
    server.redirects = {
        "/near": "/tiny.pth",
        "/far": "http://192.0.2.1/tiny.pth",
        "/round": "/round",
    }
    near = an_entry(a_file(server, path="/near"))
    (place,) = pull(near, a_store(tmp_path, near))
    assert place.read_bytes() == DATA
    for path, cause in (("/far", "without https"), ("/round", "redirects")):
        entry = an_entry(a_file(server, path=path))
        with pytest.raises(Permanent, match=cause):
            pull(entry, a_store(tmp_path / path[1:], entry))


def test_a_model_that_does_not_fit_the_disk_is_not_begun(tmp_path: Path) -> None:
    digest = "0" * 64
    huge = ModelFile(name="a", url="https://example.org/a", bytes=10**18, sha256=digest)
    entry = an_entry(huge)
    with pytest.raises(Permanent, match="make room"):
        pull(entry, a_store(tmp_path, entry))


def test_two_pulls_of_one_model_do_not_mix(server: FileServer, tmp_path: Path) -> None:
    entry = an_entry(a_file(server))
    (tmp_path / "tiny").mkdir()
    with (
        FileLock(tmp_path / "tiny" / ".lock"),
        pytest.raises(Permanent, match="another process"),
    ):
        pull(entry, a_store(tmp_path, entry))


def test_the_command_pulls_lists_and_finds_damage(
    server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = a_file(server)
    extra = tmp_path / "mine.toml"
    extra.write_text(
        '[tiny]\nsummary="for tests"\nmodality="audio"\nkind="voice_spoof"\ndetector="aasist"\n'
        f'licence="none"\nhome="https://example.org"\n[[tiny.files]]\nname="{file.name}"\n'
        f'url="{file.url}"\nbytes={file.bytes}\nsha256="{file.sha256}"\n'
    )
    common = ["--catalogue", str(extra), "--folder", str(tmp_path / "models")]

    def told(*words: str, code: int = 0) -> str:
        assert cli.main(["models", *words, *common]) == code
        shown = capsys.readouterr()
        return shown.out + shown.err

    assert "absent" in told("list")
    assert "not known" not in told("info", "tiny")
    place = tmp_path / "models" / "tiny" / "tiny.pth"
    assert str(place) in told("pull", "tiny")
    assert told("verify") == "tiny: present\n"
    place.write_bytes(bytes(len(DATA)))
    assert "damaged" in told("verify", "tiny", code=1)
    assert str(place) in told("pull", "tiny")
    assert place.read_bytes() == DATA
    assert "no model 'nothing'" in told("info", "nothing", code=1)

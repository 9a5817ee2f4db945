"""Snapshots of incidents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.evidence.store import SnapshotStore


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.binary(max_size=30)), max_size=60),
)
def test_the_newest_that_fit_are_kept(max_bytes: int, puts: list[tuple[str, bytes]]) -> None:
    store = SnapshotStore(max_bytes)
    newest_last: dict[str, bytes] = {}
    for incident_id, jpeg in puts:
        store.put(incident_id, jpeg)
        newest_last.pop(incident_id, None)
        if 0 < len(jpeg) <= max_bytes:
            newest_last[incident_id] = jpeg
        while sum(map(len, newest_last.values())) > max_bytes:
            del newest_last[next(iter(newest_last))]
        assert store.stored_bytes == sum(map(len, newest_last.values())) <= max_bytes
    assert len(store) == len(newest_last)
    for incident_id in "abcdefgh":
        assert store.get(incident_id) == newest_last.get(incident_id)
        assert (incident_id in store) == (incident_id in newest_last)


def test_a_store_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="max_bytes"):
        SnapshotStore(0)

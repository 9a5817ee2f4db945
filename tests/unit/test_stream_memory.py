from __future__ import annotations

from dataclasses import replace

from streammon.core.types import StreamId, Window
from streammon.detectors.stream_memory import StreamMemory, lasting_since
from tests.fakes import a_window


def window(stream: str, *, epoch: int = 0, participant: str = "") -> Window:
    return replace(a_window(), stream=StreamId(stream), epoch=epoch, participant=participant)


def test_each_stream_and_participant_has_a_memory_of_its_own() -> None:
    memory: StreamMemory[list[str]] = StreamMemory(list, most_streams=8)
    memory.of(window("a")).append("a")
    memory.of(window("a", participant="ann")).append("ann")
    assert memory.of(window("a")) == ["a"]
    assert memory.of(window("a", participant="ann")) == ["ann"]
    assert memory.of(window("b")) == []


def test_a_new_epoch_forgets_and_an_old_one_does_not_disturb() -> None:
    memory: StreamMemory[list[str]] = StreamMemory(list, most_streams=8)
    memory.of(window("a", epoch=3)).append("old")
    memory.of(window("a", epoch=4)).append("new")
    memory.of(window("a", epoch=3)).append("late")
    assert memory.of(window("a", epoch=4)) == ["new"]


def test_the_longest_unused_goes_first() -> None:
    memory: StreamMemory[list[str]] = StreamMemory(list, most_streams=2)
    for name in ("a", "b", "a", "c"):
        memory.of(window(name)).append(name)
    assert len(memory) == 2
    assert memory.of(window("a")) == ["a", "a"]
    assert memory.of(window("b")) == []


def test_a_state_has_lasted_since_it_began_and_begins_anew_once_it_ended() -> None:
    since_s, said = None, []
    for now_s, lasts in enumerate((False, True, True, False, True)):
        since_s = lasting_since(since_s, now_s, lasts=lasts)
        said.append(since_s)
    assert said == [None, 1, 1, None, 4]

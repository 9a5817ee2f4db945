"""Puts numbered pieces back into order, waiting for a late one no longer than stated. Pure."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Reorder(Generic[T]):
    """What comes out is in ascending order of number, each once.

    A piece that is missing is waited for until `most_waiting` later ones are there; one that
    comes after that, or again, is counted in `late` and left out.
    """

    def __init__(self, *, first: int = 1, most_waiting: int = 10) -> None:
        self._next = first
        self._most = most_waiting
        self._waiting: dict[int, T] = {}
        self.late = self.missing = 0

    def push(self, number: int, piece: T) -> list[T]:
        """The pieces whose turn it is now."""
        if number < self._next or number in self._waiting:
            self.late += 1
            return []
        self._waiting[number] = piece
        if len(self._waiting) > self._most:
            self._skip()
        return self._ready()

    def flush(self) -> list[T]:
        """All that still waits: nothing more will come."""
        given = []
        while self._waiting:
            self._skip()
            given += self._ready()
        return given

    def _skip(self) -> None:
        """Give up what is missing before the earliest that is there."""
        earliest = min(self._waiting)
        self.missing += earliest - self._next
        self._next = earliest

    def _ready(self) -> list[T]:
        given = []
        while self._next in self._waiting:
            given.append(self._waiting.pop(self._next))
            self._next += 1
        return given

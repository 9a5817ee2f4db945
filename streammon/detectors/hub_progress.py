"""Stand where the hub's library expects a progress bar, and tell somebody else how far it is."""

from __future__ import annotations

import logging
from typing import Any, Self

from streammon.catalogue.pull import Progress

log = logging.getLogger(__name__)

PROGRESS_STEP = 0.1


class _Bar:
    """As much of a bar as the library uses."""

    def __init__(
        self, *, total: int | None = None, initial: int = 0, desc: str = "", **_: Any
    ) -> None:
        self.n = initial
        self.total = total
        self.name = desc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, n: float | None = 1) -> None:
        """So many more bytes have come."""
        self.n += int(n or 0)

    def close(self) -> None:
        """Nothing is held."""


class LoggedBar(_Bar):
    """Into the log, each tenth of the way."""

    _told = 0.0

    def update(self, n: float | None = 1) -> None:
        super().update(n)
        share = self.n / self.total if self.total else 0.0
        if share >= min(self._told + PROGRESS_STEP, 1.0) > self._told:
            self._told = share
            log.info(
                "model_download_progress",
                extra={"file": self.name, "bytes": self.n, "share": round(share, 2)},
            )


def told_to(progress: Progress) -> type[_Bar]:
    """Bars that tell `progress`."""

    class Told(_Bar):
        def update(self, n: float | None = 1) -> None:
            super().update(n)
            progress(self.name, self.n, self.total or self.n)

    return Told

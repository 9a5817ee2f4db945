"""Snapshots of incidents, in memory."""

from __future__ import annotations

from collections import OrderedDict


class SnapshotStore:
    """The picture that was shown when each incident opened, bounded by bytes.

    Beyond the bound the oldest are gone. Not thread-safe: for the event loop only.
    """

    def __init__(self, max_bytes: int = 64 * 2**20) -> None:
        """`max_bytes`: of pictures; what the store needs to find them comes on top."""
        if max_bytes <= 0:
            raise ValueError(f"max_bytes must be positive, got {max_bytes}")
        self._max_bytes = max_bytes
        self._jpegs: OrderedDict[str, bytes] = OrderedDict()
        self.stored_bytes = 0

    def put(self, incident_id: str, jpeg: bytes) -> None:
        """Keep a picture in place of an earlier one of the same incident, as the newest.

        One that is larger than the whole store, or empty, is not kept.
        """
        self.stored_bytes -= len(self._jpegs.pop(incident_id, b""))
        if not 0 < len(jpeg) <= self._max_bytes:
            return
        self._jpegs[incident_id] = jpeg
        self.stored_bytes += len(jpeg)
        while self.stored_bytes > self._max_bytes:
            _, oldest = self._jpegs.popitem(last=False)
            self.stored_bytes -= len(oldest)

    def get(self, incident_id: str) -> bytes | None:
        return self._jpegs.get(incident_id)

    def __contains__(self, incident_id: str) -> bool:
        return incident_id in self._jpegs

    def __len__(self) -> int:
        return len(self._jpegs)

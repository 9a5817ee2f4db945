"""A real Redis for tests: Debian's, on a free port of 127.0.0.1, with nothing on disk."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
from redis import Redis

from tests.loopback.server_process import ServerProcess, free_ports

PROGRAM = shutil.which("redis-server")

needs_redis = pytest.mark.skipif(PROGRAM is None, reason="needs Debian's redis-server")


class RedisServer(ServerProcess):
    """It begins empty whenever it is started."""

    def __init__(self, folder: Path) -> None:
        assert PROGRAM is not None
        (self.port,) = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        super().__init__([PROGRAM, *words], folder=folder)
        self.start()

    def client(self) -> Redis:
        return Redis(port=self.port, socket_timeout=10.0)

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False

"""A real IRC server for tests: Debian's ngIRCd on a free port of 127.0.0.1, and people on it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.loopback.server_process import ServerProcess, free_ports

PROGRAM = shutil.which("ngircd", path=os.defpath + ":/usr/sbin:/usr/local/sbin")
SOON_S = 15.0

needs_ngircd = pytest.mark.skipif(PROGRAM is None, reason="needs Debian's ngircd")

CONFIG = """
[Global]
Name = irc.test.invalid
Info = a server for tests
Listen = 127.0.0.1
Ports = {port}
{password}
[Limits]
ConnectRetry = 0
MaxConnectionsIP = 0
MaxNickLength = 16
MaxPenaltyTime = 0
PingTimeout = 60
PongTimeout = 20
[Options]
DNS = no
Ident = no
PAM = no
SyslogFacility = local1
[SSL]
CertFile = {certificate}
KeyFile = {certificate}
Ports = {tls_port}
[Channel]
Name = #locked
Modes = +k sesame
"""


class IrcServer(ServerProcess):
    """One ngIRCd, with TLS and without."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        folder.mkdir(exist_ok=True)
        self.port, self.tls_port = free_ports(2)
        self.certificate = folder / "server.pem"
        if not self.certificate.exists():
            make_certificate(self.certificate)
        config = folder / "ngircd.conf"
        config.write_text(
            CONFIG.format(
                port=self.port,
                tls_port=self.tls_port,
                password=f"Password = {password}" if password else "",
                certificate=self.certificate,
            )
        )
        assert PROGRAM is not None
        super().__init__([PROGRAM, "--nodaemon", "--config", config], folder=folder)
        self.start()

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
                return True
        except OSError:
            return False


class Person:
    """Somebody on the server, over a bare socket."""

    def __init__(
        self, nick: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.nick = nick
        self._reader = reader
        self._writer = writer

    def send(self, line: str) -> Self:
        self._writer.write(line.encode() + b"\r\n")
        return self

    async def hears(self, part: str, *, within_s: float = SOON_S) -> str:
        """The next line that holds this."""
        async with asyncio.timeout(within_s):
            while True:
                raw = await self._reader.readline()
                assert raw, f"{self.nick} was cut off before {part!r}"
                line = raw.decode().rstrip()
                if line.startswith("PING"):
                    self.send(line.replace("PING", "PONG", 1))
                if part in line:
                    return line


@asynccontextmanager
async def person(server: IrcServer, nick: str, *channels: str) -> AsyncGenerator[Person]:
    """Somebody of this name, in these channels."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    someone = Person(nick, reader, writer)
    try:
        someone.send(f"NICK {nick}").send(f"USER {nick} 0 * :{nick}")
        await someone.hears(" 376 ")
        for channel in channels:
            someone.send(f"JOIN {channel}")
            await someone.hears(" 366 ")
        yield someone
    finally:
        writer.transport.abort()


def make_certificate(path: Path) -> None:
    """A certificate of its own for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "irc.test.invalid")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )

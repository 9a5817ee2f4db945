"""Which addresses strangers may be reached at, in every wrapping that leads to one."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.sinks.guarded_network import GuardedNetwork, PrivateAddress, is_public

PRIVATE = [
    "127.0.0.1", "127.255.0.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255",
    "192.168.1.1", "169.254.169.254", "100.64.0.1", "198.18.0.1", "192.0.2.1", "224.0.0.1",
    "239.1.1.1", "240.0.0.1", "255.255.255.255", "100.100.100.200",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
    "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::",
    "2002:a9fe:a9fe::1", "2002:c0a8:101::5",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700:4700::1111", "::ffff:1.1.1.1",
          "64:ff9b::101:101"]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_for_strangers_is_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_known(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_no_wrapping_makes_an_address_public(address: IPv4Address) -> None:
    number = int(address)
    wrapped = [
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address((0x64FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80) | 1),
    ]
    if not is_public(str(address)):
        assert not any(is_public(str(each)) for each in wrapped)


class Resolved:
    """Stands in for the system's resolver: each name leads where a test says, in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self._answers = list(answers)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self._ask)

    async def _ask(self, host: str, port: int, **more: object) -> list[object]:
        addresses = self._answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]


async def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.setblocking(False)
        port = inside.getsockname()[1]
        Resolved(monkeypatch, ["127.0.0.1"])
        with pytest.raises(PrivateAddress, match=r"hook\.example leads to 127\.0\.0\.1"):
            await GuardedNetwork(allow_private=False).connect_tcp("hook.example", port, 5.0)
        with pytest.raises(BlockingIOError):
            inside.accept()


async def test_a_name_that_leads_elsewhere_a_moment_later_gains_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was resolved once is checked and connected to; nobody resolves a second time."""
    resolved = Resolved(monkeypatch, ["192.0.2.77", "10.0.0.1"], ["127.0.0.1"])
    network = GuardedNetwork(allow_private=False)
    with pytest.raises(PrivateAddress):
        await network.connect_tcp("hook.example", 443, 5.0)
    assert len(resolved._answers) == 1, "it was asked once"
    with pytest.raises(PrivateAddress):
        await network.connect_tcp("hook.example", 443, 5.0)


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1", "[::1]"])
async def test_this_machine_by_any_name_is_refused(host: str) -> None:
    with pytest.raises((PrivateAddress, httpcore.ConnectError)) as caught:
        await GuardedNetwork(allow_private=False).connect_tcp(host, 80, 5.0)
    assert "leads to" in str(caught.value) or "cannot be resolved" in str(caught.value)


async def test_private_addresses_can_be_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        network = GuardedNetwork(allow_private=True)
        stream = await network.connect_tcp("127.0.0.1", server.getsockname()[1], 5.0)
        await stream.aclose()


async def test_a_name_that_nobody_knows_cannot_be_reached() -> None:
    with pytest.raises(httpcore.ConnectError, match="cannot be resolved"):
        await GuardedNetwork(allow_private=True).connect_tcp("nobody.invalid", 80, 5.0)


async def test_no_socket_of_this_machine_is_opened() -> None:
    with pytest.raises(PrivateAddress):
        await GuardedNetwork(allow_private=True).connect_unix_socket("/run/docker.sock")

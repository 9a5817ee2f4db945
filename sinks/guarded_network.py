"""Connections to strangers: only to addresses of the public internet, unless told otherwise.

A URL in a config, or what its name resolves to, must not lead a monitor into the network it
stands in: to its own ports, to a router's page, to the metadata service of a cloud. What is
checked is the very address that is then connected to, so a name that resolves to something else
a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpcore

MOST_ADDRESSES = 8
"""Of one name that are tried."""

_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = IPv6Network("::/96")


class PrivateAddress(OSError):
    """The name leads to an address that is not for strangers."""


def is_public(address: str) -> bool:
    """Whether a numeric address is one of the public internet, whatever it is wrapped in.

    IPv4 inside IPv6 counts as what is inside: mapped (RFC 4291), NAT64 (RFC 6052), 6to4
    (RFC 3056) and Teredo (RFC 4380).
    """
    found = ip_address(address.partition("%")[0])
    return all(_is_public(each) for each in _meant(found))


def _meant(address: IPv4Address | IPv6Address) -> tuple[IPv4Address | IPv6Address, ...]:
    """The addresses that a packet to this one may reach."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    inside = [address.sixtofour, *(address.teredo or ())]
    return (address, *(each for each in inside if each is not None))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if address.is_multicast or not address.is_global:
        return False
    if isinstance(address, IPv4Address):
        return True
    return not (address.is_site_local or address in _COMPATIBLE or address in _NAT64_LOCAL)


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """What `httpcore` opens its connections with: resolves, checks, connects to what it checked.

    Names are resolved by the system, at most `MOST_ADDRESSES` of what they give are tried, in
    the order given. Raises `PrivateAddress` where one of them is not public and none may be
    connected to.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        async with asyncio.timeout(timeout):
            addresses = self._allowed(host, await _resolved(host, port))
            failure: Exception = httpcore.ConnectError(f"{host} has no address")
            share_s = None if timeout is None else timeout / max(1, len(addresses))
            for address in addresses:
                try:
                    return await self._inner.connect_tcp(
                        address, port, share_s, local_address, socket_options
                    )
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    failure = error
            raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refused: no URL names one."""
        raise PrivateAddress(f"{path} is on this machine")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _allowed(self, host: str, addresses: list[str]) -> list[str]:
        allowed = [each for each in addresses if self._allow_private or is_public(each)]
        if addresses and not allowed:
            raise PrivateAddress(f"{host} leads to {addresses[0]}, which is not public")
        return allowed[:MOST_ADDRESSES]


async def _resolved(host: str, port: int) -> list[str]:
    """Numeric addresses, each once. Raises `httpcore.ConnectError`."""
    name = host.strip("[]")
    with contextlib.suppress(ValueError):
        return [str(ip_address(name))]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} cannot be resolved") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))

"""HTTP to addresses that users gave: never to private networks, whatever a name resolves to at that moment."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType
from typing_extensions import override

from calls.addresses import is_public

TIMEOUT_S = 10
# Threads of its own for names: a name server that does not answer must hold up neither other names nor files.
_LOOKUPS = ThreadPoolExecutor(64, thread_name_prefix="lookup")


class PrivateAddress(OSError):
    """The host of a user's URL leads to an address that is not of the public internet."""


def guarded_session(*, private_addresses: bool) -> aiohttp.ClientSession:
    """Open a client session that connects only to public addresses, unless `private_addresses` are allowed.

    The guard sits where the socket is made, so it judges the very address that is connected to: literal addresses,
    names that change between lookups, and every address of a name alike. No cookies are kept, no proxy is used, and
    what comes compressed stays so: a few bytes could become any number.
    """
    connector = aiohttp.TCPConnector(
        limit=0,
        resolver=_Resolver(),
        socket_factory=None if private_addresses else _public_socket,
        force_close=True,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        trust_env=False,
        auto_decompress=False,
    )


def _public_socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, sockaddr = address
    if not is_public(str(sockaddr[0])):
        raise PrivateAddress("the address is not of the public internet")
    return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    @override
    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(_LOOKUPS, socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        return [
            ResolveResult(
                hostname=host,
                host=str(sockaddr[0]),
                port=int(sockaddr[1]),
                family=family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for family, _, protocol, _, sockaddr in found
        ]

    @override
    async def close(self) -> None:
        pass

"""Which network addresses our servers may be sent to by a URL that a user gave."""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from calls.errors import Invalid

MAX_URL = 2048
LOOKUP_TIMEOUT_S = 2.0
_NAT64 = IPv6Network("64:ff9b::/96")
_PRIVATE = "must not lead to a private, loopback or link-local address"


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet.

    An IPv4 address inside an IPv6 one (mapped, 6to4, Teredo, NAT64) is judged as itself.
    """
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        return _is_public_v6(parsed)
    return _is_unicast(parsed) and parsed.is_global


async def check_url(url: str, *, private_addresses: bool, path: str = "url") -> None:
    """Raise Invalid, naming `path`, unless `url` is an http(s) URL that leads to the public internet now.

    A host that cannot be looked up at this moment passes: whoever connects checks the address again.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or len(url) > MAX_URL or not url.isprintable() or " " in url:
        raise Invalid.field(path, "must be an http:// or https:// URL")
    if not private_addresses and not all(is_public(address) for address in await _look_up(host, port)):
        raise Invalid.field(path, _PRIVATE)


async def _look_up(host: str, port: int | None) -> list[str]:
    try:
        async with asyncio.timeout(LOOKUP_TIMEOUT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return []
    return [str(sockaddr[0]) for *_, sockaddr in found]


def _is_public_v6(address: IPv6Address) -> bool:
    nat64 = IPv4Address(address.packed[-4:]) if address in _NAT64 else None
    inside = address.ipv4_mapped or nat64
    if inside is not None:
        return is_public(str(inside))
    tunnelled = (address.sixtofour, *(address.teredo or ()))
    if not all(is_public(str(each)) for each in tunnelled if each is not None):
        return False
    return _is_unicast(address) and address.is_global and not address.is_site_local


def _is_unicast(address: IPv4Address | IPv6Address) -> bool:
    return not (address.is_multicast or address.is_reserved or address.is_unspecified)

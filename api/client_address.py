"""Who asks: the address, through proxies that are trusted, and whether it is somebody on this machine."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from api.routing import SETTINGS

Address = IPv4Address | IPv6Address

_FORWARDED_FOR = "X-Forwarded-For"
# Any proxy sends one of them, trusted or not; so may anybody, which only makes a stranger of him.
_OF_PROXIES = (_FORWARDED_FOR, hdrs.FORWARDED, hdrs.VIA, "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")


def client_address(request: web.Request) -> Address | None:
    """The peer, or what the nearest untrusted proxy before us was told; None if it has no address."""
    trusted = [ip_network(text, strict=False) for text in request.app[SETTINGS].trusted_proxies]
    hops = ",".join(request.headers.getall(_FORWARDED_FOR, [])).split(",")
    address = _parse(request.remote or "")
    while hops and address is not None and any(address in network for network in trusted):
        said = _parse(hops.pop().strip())
        if said is None:
            break
        address = said
    return address


def is_local(request: web.Request) -> bool:
    """Whether somebody on this machine asks: no proxy for another one, nor a page whose name leads here."""
    return _is_loopback(request.remote or "") and not _is_forwarded(request) and _names_loopback(request)


def _is_forwarded(request: web.Request) -> bool:
    return any(name in request.headers for name in _OF_PROXIES)


def _names_loopback(request: web.Request) -> bool:
    try:
        name = urlsplit(f"//{request.headers.get(hdrs.HOST, '')}").hostname
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name or "")


def _is_loopback(text: str) -> bool:
    address = _parse(text)
    return address is not None and address.is_loopback


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address

"""What a request shows to say for whom it asks: a key or a call's token in its header, or the cookie of a session."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.errors import Forbidden, Unauthorized
from calls.tenants.keys import Key, find_keys
from calls.tenants.passes import Pass, Passes, find_keys_of
from calls.tenants.sessions import find_sessions

COOKIE = "callroom_session"
# What a browser takes over TLS alone, and from no other host: a neighbour under the same domain cannot set it.
SECURE_COOKIE = f"__Host-{COOKIE}"
# No page of another origin can send it: a browser asks us first, and we do not name it. The cookie it could send,
# as long as it is of the same site.
HEADER = "X-Callroom-Session"
_SAFE = {hdrs.METH_GET, hdrs.METH_HEAD}


class Kind(StrEnum):
    """How it came, which is how it is looked up."""

    KEY = "key"
    SESSION = "session"
    CALL = "call"  # a token for one call


@dataclass(frozen=True)
class Credential:
    """A secret that was shown; of a call's token also what it is for."""

    kind: Kind
    secret: str
    call: Pass | None = None


def shown(request: web.Request, cookie: str, passes: Passes) -> Credential:
    """What a request shows, in its header or the cookie of this name.

    A key counts before a cookie, and what a proxy may want for itself does not count.

    Raises:
        Unauthorized: nothing.
        Forbidden: a cookie alone, for a request that may change something.
    """
    scheme, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer" and (secret := secret.strip()):
        call = passes.read_call_token(secret)
        return Credential(Kind.KEY, secret) if call is None else Credential(Kind.CALL, secret, call)
    token = request.cookies.get(cookie)
    if not token:
        raise Unauthorized("An API key is needed: Authorization: Bearer KEY.")
    if request.method not in _SAFE:
        check_own_page(request)
    return Credential(Kind.SESSION, token)


def check_own_page(request: web.Request) -> None:
    """Raise Forbidden unless a page of ours asks, or somebody who is no browser."""
    if HEADER not in request.headers:
        raise Forbidden(f"With the session's cookie the header {HEADER} is needed.", code="header_required")


async def find(conn: AsyncConnection, credentials: Sequence[Credential]) -> list[Key | None]:
    """The key of each, or with which its call was made; None for what is unknown, revoked or over."""
    finders = {Kind.KEY: find_keys, Kind.SESSION: find_sessions}
    found: dict[Credential, Key | None] = {}
    for kind, finder in finders.items():
        some = [one for one in credentials if one.kind is kind]
        if some:
            keys = await finder(conn, [one.secret for one in some])
            found |= zip(some, keys, strict=True)
    tokens = {one: one.call for one in credentials if one.call is not None}
    if tokens:
        found |= zip(tokens, await find_keys_of(conn, list(tokens.values())), strict=True)
    return [found[one] for one in credentials]

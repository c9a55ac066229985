"""`/v1/session`: a browser signs in once with a key, and has a cookie from then on that no script can read."""

from contextlib import suppress
from datetime import datetime

from aiohttp import web

from api.credentials import Credential, Kind, check_own_page
from api.routing import CREDENTIAL, DATABASE, KEY, KEYS, Who, admit, cookie_name, is_secure, reply
from api.schema.session import BeginSession, Session, SessionTenant
from calls.errors import DatabaseAway, NotFound
from calls.tenants import sessions
from calls.tenants.keys import Key

EVERYTHING = ["*"]


async def begin(request: web.Request, body: BeginSession) -> web.Response:
    check_own_page(request)  # or any page could sign somebody in with a key of its own
    key = admit(await request.app[KEYS].ask(Credential(Kind.KEY, body.key.strip())), Who.SECRET)
    async with request.app[DATABASE].writing() as conn:
        token, expires_at = await sessions.begin_session(conn, key.id)
    answer = reply(_session(key, expires_at), 201)
    _give(request, answer, token)
    return answer


async def get(request: web.Request) -> web.Response:
    """Who is signed in; a session that is half over is prolonged, and so is one whose tab stays open."""
    shown = request[CREDENTIAL]
    if shown.kind is not Kind.SESSION:
        return reply(_session(request[KEY], None))
    async with request.app[DATABASE].reading() as conn:
        expires_at = await sessions.session_ends(conn, shown.secret)
        is_due = expires_at is not None and sessions.is_half_over(conn, expires_at)
    prolonged = await _prolong(request, shown.secret) if is_due else None
    answer = reply(_session(request[KEY], prolonged or expires_at))
    if prolonged is not None:
        _give(request, answer, shown.secret)
    return answer


async def end(request: web.Request) -> web.Response:
    shown = request[CREDENTIAL]
    if shown.kind is not Kind.SESSION:
        raise NotFound("This request has a key, and no session.")
    async with request.app[DATABASE].writing() as conn:
        await sessions.end_session(conn, shown.secret)
    answer = reply(None, 204)
    name, secure = cookie_name(request), is_secure(request)
    answer.del_cookie(name, path="/", secure=secure, httponly=True, samesite="Strict")
    return answer


async def _prolong(request: web.Request, token: str) -> datetime | None:
    with suppress(DatabaseAway):  # then the next request does it
        async with request.app[DATABASE].writing() as conn:
            return await sessions.prolong_session(conn, token)
    return None


def _give(request: web.Request, answer: web.Response, token: str) -> None:
    lasts = int(sessions.LASTS.total_seconds())
    name, secure = cookie_name(request), is_secure(request)
    answer.set_cookie(name, token, max_age=lasts, path="/", secure=secure, httponly=True, samesite="Strict")


def _session(key: Key, expires_at: datetime | None) -> Session:
    tenant = SessionTenant(id=key.tenant_id, name=key.tenant_name)
    return Session(tenant=tenant, rights=EVERYTHING, expires_at=expires_at)

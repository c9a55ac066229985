"""`/v1/session`: a browser signs in once with a key, and has a cookie from then on that no script can read."""

from datetime import datetime

from aiohttp import web

from api.credentials import Credential, Kind, check_own_page
from api.routing import CREDENTIAL, DATABASE, KEY, KEYS, Who, admit, cookie_name, is_secure, reply
from api.schema.session import BeginSession, Session, SessionTenant
from calls.errors import NotFound
from calls.tenants import sessions
from calls.tenants.keys import Key

EVERYTHING = ["*"]


async def begin(request: web.Request, body: BeginSession) -> web.Response:
    check_own_page(request)  # or any page could sign somebody in with a key of its own
    key = admit(await request.app[KEYS].ask(Credential(Kind.KEY, body.key.strip())), Who.SECRET)
    async with request.app[DATABASE].writing() as conn:
        token, expires_at = await sessions.begin_session(conn, key.id)
    answer = reply(_session(key, expires_at), 201)
    lasts = int(sessions.LASTS.total_seconds())
    name, secure = cookie_name(request), is_secure(request)
    answer.set_cookie(name, token, max_age=lasts, path="/", secure=secure, httponly=True, samesite="Strict")
    return answer


async def get(request: web.Request) -> web.Response:
    shown, expires_at = request[CREDENTIAL], None
    if shown.kind is Kind.SESSION:
        async with request.app[DATABASE].reading() as conn:
            expires_at = await sessions.session_ends(conn, shown.secret)
    return reply(_session(request[KEY], expires_at))


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


def _session(key: Key, expires_at: datetime | None) -> Session:
    tenant = SessionTenant(id=key.tenant_id, name=key.tenant_name)
    return Session(tenant=tenant, rights=EVERYTHING, expires_at=expires_at)

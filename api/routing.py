"""What a row of the route table says, and the steps that every request takes before its handler runs."""

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum

from aiohttp import hdrs, web
from pydantic import BaseModel

from api.credentials import COOKIE, SECURE_COOKIE, Credential, find, shown
from api.key_use import KeyUse
from api.parsing import check_ids, read_body, read_query
from api.together import Together
from calls.database.allowance import limit
from calls.database.encryption import Keyring
from calls.database.engine import Database
from calls.errors import Forbidden, Invalid, Unauthorized
from calls.recordings.storage import Storage
from calls.rooms import Rooms
from calls.settings import Settings
from calls.tenants.keys import Key
from calls.tenants.passes import Passes

SETTINGS = web.AppKey("settings", Settings)
DATABASE = web.AppKey("database", Database)
ROOMS = web.AppKey("rooms", Rooms)
STORAGE = web.AppKey("storage", Storage)
KEYRING = web.AppKey("keyring", Keyring)
PASSES = web.AppKey("passes", Passes)
KEYS = web.AppKey("keys", Together[Credential, Key | None])
KEY_USE = web.AppKey("key_use", KeyUse)
CREDENTIAL = web.RequestKey("credential", Credential)
KEY = web.RequestKey("key", Key)

IDEMPOTENCY_KEY = "Idempotency-Key"
_PORT = re.compile(r"https?://[^/]*:([0-9]+)(?:/|$)")
DATABASE_S = 2.5  # so long a request waits for the database in all: then it is answered by 503

Handler = Callable[..., Awaitable[web.StreamResponse]]


class Who(StrEnum):
    """Who may use a route."""

    ANYONE = "anyone"
    SECRET = "secret"  # noqa: S105 - a kind of key, not a key
    PUBLISHABLE = "publishable"  # and secret keys
    CALL = "call"  # secret keys, and the token of the call in the path


@dataclass(frozen=True)
class Route:
    """One row. The handler is called with the request and, if the row names one, the parsed query and body."""

    method: str
    path: str
    handler: Handler
    answers: dict[int, type[BaseModel] | None]
    _: KW_ONLY
    who: Who = Who.SECRET
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    errors: tuple[int, ...] = ()
    idempotent: bool = False  # a POST that takes an Idempotency-Key; one that does not refuses it
    conditional: bool = False  # a PUT that takes an If-Match; what else changes something refuses it
    media: str = "application/json"
    head: bool = False  # HEAD is answered too: players ask how long a file is before they seek in it

    @property
    def methods(self) -> set[str]:
        """The methods that this row answers."""
        return {self.method, hdrs.METH_HEAD} if self.head else {self.method}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        async with limit(DATABASE_S):
            return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.who is not Who.ANYONE:
            request[KEY] = await authenticate(request, self.who)
        if self.method == hdrs.METH_POST and not self.idempotent and IDEMPOTENCY_KEY in request.headers:
            raise Invalid.field(IDEMPOTENCY_KEY, "expected none: the answer of this path is not kept")
        if self.body is not None and not self.conditional and hdrs.IF_MATCH in request.headers:
            raise Invalid.field(hdrs.IF_MATCH, "expected none: this path does not look at it")
        arguments: list[BaseModel] = []
        if self.query is not None:
            arguments.append(read_query(request.query, self.query))
        if self.body is not None:
            arguments.append(await read_body(request, self.body))
        check_ids(request.match_info)
        return await self.handler(request, *arguments)


def bind(app: web.Application, routes: Iterable[Route]) -> None:
    """Serve these rows in `app`.

    A path that is written out does not lend methods from a pattern that it fits as well: there `batch` would be an id.
    """
    of_path: defaultdict[str, list[Route]] = defaultdict(list)
    for route in routes:
        of_path[route.path].append(route)
    for path, rows in of_path.items():
        resource = app.router.add_resource(path)
        for row in rows:
            for method in row.methods:
                resource.add_route(method, row.serve)
        resource.add_route(hdrs.METH_ANY, _refuse_others(rows))


def _refuse_others(rows: Sequence[Route]) -> Handler:
    allowed = {method for row in rows for method in row.methods}

    async def refuse(request: web.Request) -> web.StreamResponse:
        raise web.HTTPMethodNotAllowed(request.method, allowed)

    return refuse


async def authenticate(request: web.Request, who: Who) -> Key:
    """The key that a request shows, or whose session, if it may do this.

    Raises:
        Unauthorized: nothing is shown, or what is unknown, revoked or over.
        Forbidden: a publishable key where a secret one is wanted, a call's token for anything else than that call, or a
            cookie without our header.
    """
    credential = request[CREDENTIAL] = shown(request, cookie_name(request), request.app[PASSES])
    key = await request.app[KEYS].ask(credential)
    if credential.call is None:
        key = admit(key, who)
    else:
        key = admit(key, Who.PUBLISHABLE)
        if who is not Who.CALL or credential.call.subject != request.match_info["id"].lower():
            raise Forbidden("This token is for the stream and the end of its call alone.")
    request.app[KEY_USE].note(key.id)
    return key


def cookie_name(request: web.Request) -> str:
    """The name of the cookie of a browser's session, with the port that the browser's address has, if any.

    A cookie is the same at every port of a host, and two installations there may not sign each other out.
    """
    name = SECURE_COOKIE if is_secure(request) else COOKIE
    port = _PORT.match(own_address(request))
    return f"{name}_{port[1]}" if port else name


def is_secure(request: web.Request) -> bool:
    """Whether browsers reach us over TLS, so that the cookie is sent over nothing else."""
    address = request.app[SETTINGS].public_url or f"{request.scheme}://"
    return str(address).startswith("https:")


def admit(key: Key | None, who: Who) -> Key:
    """The key, if there is one and it may do what `who` may; else Unauthorized or Forbidden."""
    if key is None:
        raise Unauthorized("This API key is not known or was revoked, or the session or the token's call is over.")
    if key.publishable and who is not Who.PUBLISHABLE:
        raise Forbidden("Publishable keys cannot do this.")
    return key


async def look_up(database: Database, shown: Sequence[Credential]) -> list[Key | None]:
    """The keys of what many requests show; what `KEYS` does."""
    async with limit(DATABASE_S), database.reading() as connection:
        return await find(connection, shown)


def own_address(request: web.Request) -> str:
    """Where browsers reach us, without a slash at its end: the setting, else as this request did."""
    return str(request.app[SETTINGS].public_url or f"{request.scheme}://{request.host}").rstrip("/")


def named(request: web.Request) -> tuple[str, str]:
    """The tenant who asks, and the id in the path."""
    return request[KEY].tenant_id, request.match_info["id"].lower()


def reply(answer: BaseModel | None, status: int = 200) -> web.Response:
    """An answer as JSON; None is an empty one."""
    if answer is None:
        return web.Response(status=status)
    return web.Response(status=status, body=answer.model_dump_json().encode(), content_type="application/json")

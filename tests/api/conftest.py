"""A running API for every test: on a port of its own, its own database, the session's LiveKit."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from sqlalchemy.engine import make_url

from api import plugins
from api.app import create_app
from api.cli import main
from api.routing import DATABASE, STORAGE
from calls.database.engine import DEFAULT_TENANT, Database
from calls.providers import health
from calls.recordings.storage import Storage
from calls.settings import Settings
from calls.tenants.keys import add_credits, create_secret_key, create_tenant
from tests.conftest import PATIENCE_S, MakeSettings
from tests.servers import environment

ABSENT = object()


@dataclass(frozen=True)
class Answer:
    """What came back: `body` is parsed JSON, or None if there was none."""

    status: int
    body: Any
    headers: Any


@dataclass(frozen=True)
class Api:
    """A client of one running API; `key` is the secret key that it sends unless told otherwise.

    While the API says that the database is away it asks again for `patience_s`: on a busy machine it is only late.
    """

    url: str
    key: str
    session: aiohttp.ClientSession = field(repr=False)
    app: web.Application = field(repr=False)
    settings: Settings = field(repr=False)
    patience_s: float = PATIENCE_S

    @property
    def database(self) -> Database:
        return self.app[DATABASE]

    @property
    def storage(self) -> Storage:
        return self.app[STORAGE]

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = ABSENT,
        *,
        key: str | None = "",
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """One request; `key=None` sends none, `raw` is sent instead of `body` as it is."""
        deadline = time.monotonic() + self.patience_s
        while True:
            answer = await self._ask(method, path, body, key, headers, raw)
            is_late = answer.status == 503 and answer.body.get("code") == "database_unavailable"
            if not is_late or time.monotonic() >= deadline:
                return answer
            await asyncio.sleep(int(answer.headers["Retry-After"]))

    async def _ask(
        self,
        method: str,
        path: str,
        body: Any,
        key: str | None,
        headers: dict[str, str] | None,
        raw: bytes | None,
    ) -> Answer:
        sent = {} if key is None else {"Authorization": f"Bearer {key or self.key}"}
        data = raw if body is ABSENT else orjson.dumps(body)
        if body is not ABSENT:
            sent["Content-Type"] = "application/json"
        async with self.session.request(method, self.url + path, data=data, headers=sent | (headers or {})) as response:
            content = await response.read()
            is_json = content and response.content_type == "application/json"
            return Answer(response.status, orjson.loads(content) if is_json else None, response.headers.copy())

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any = ABSENT, **more: Any) -> Answer:
        return await self.ask("POST", path, body, **more)

    async def put(self, path: str, body: Any = ABSENT, **more: Any) -> Answer:
        return await self.ask("PUT", path, body, **more)

    async def patch(self, path: str, body: Any = ABSENT, **more: Any) -> Answer:
        return await self.ask("PATCH", path, body, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        return await self.ask("DELETE", path, **more)


async def run_api(settings: Settings) -> Any:
    """Serve the API until the generator is closed."""
    runner = web.AppRunner(create_app(settings), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, settings.api_host, settings.api_port).start()
    app = runner.app
    try:
        async with app[DATABASE].writing() as conn:
            _, key = await create_secret_key(conn, DEFAULT_TENANT, "tests")
        async with aiohttp.ClientSession() as session:
            yield Api(f"http://127.0.0.1:{settings.api_port}", key, session, app, settings)
    finally:
        await runner.cleanup()


_described: dict[str, plugins.Description] = {}


@pytest.fixture(autouse=True)
def _each_plugin_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the first api that is asked about it: a look is a process that imports LiveKit's agents."""
    look = plugins._describe

    async def known(name: str) -> plugins.Description:
        if name not in _described:
            _described[name] = await look(name)
        return _described[name]

    monkeypatch.setattr(plugins, "_describe", known)


@pytest.fixture
async def working() -> Any:
    """Settings of providers that are there, and say nothing of what they have."""
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield {"stt_url": url, "llm_url": url, "tts_url": url}
    await runner.cleanup()


@pytest.fixture
async def api(settings: MakeSettings, working: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The API in this process, whose providers work; on both kinds of database if a test asks for `database_url`."""
    # A busy machine is none of the providers' faults, nor LiveKit's.
    monkeypatch.setattr(health, "WITHIN_S", PATIENCE_S)
    monkeypatch.setattr("api.app.LIVEKIT_S", PATIENCE_S)
    async for running in run_api(settings(**working)):
        yield running


Serve = Callable[..., Awaitable[Api]]


@pytest.fixture
async def serve(settings: MakeSettings) -> AsyncIterator[Serve]:
    """`await serve(trusted_proxies=…)`: one more api on the test's database."""
    running = []

    async def start(**changes: object) -> Api:
        generator = run_api(settings(**changes))
        running.append(generator)
        api: Api = await anext(generator)
        return api

    yield start
    for generator in running:
        async with aclosing(generator):
            pass


@pytest.fixture
async def agent(api: Api) -> str:
    """The id of an agent of the tenant `default`."""
    answer = await api.post("/v1/agents", {"name": "Aria"})
    assert answer.status == 201
    return str(answer.body["id"])


@dataclass(frozen=True)
class Tenant:
    id: str
    key: str


MakeTenant = Callable[..., Awaitable[Tenant]]


@pytest.fixture
def tenant(api: Api) -> MakeTenant:
    """`await tenant(metered=True, dollars=1)`: another tenant with a secret key."""

    async def make(*, metered: bool = False, dollars: float = 0) -> Tenant:
        async with api.database.writing() as conn:
            row = await create_tenant(conn, "another", metered=metered)
            await add_credits(conn, row.id, round(dollars * 1_000_000))
            _, key = await create_secret_key(conn, row.id, "tests")
        return Tenant(row.id, key)

    return make


@pytest.fixture
def number(api: Api) -> Callable[..., Awaitable[str]]:
    """`await number()`: a phone number of one's own, registered through the API."""

    async def make(text: str = "+15559876543", **more: Any) -> str:
        answer = await api.post("/v1/numbers", {"number": text}, **more)
        assert answer.status == 201, answer
        return text

    return make


@pytest.fixture
def publishable(api: Api, agent: str) -> Callable[..., Awaitable[str]]:
    """`await publishable(allowed_channels=["web"])`: a publishable key for `agent`."""

    async def make(**fields: Any) -> str:
        answer = await api.post("/v1/keys/publishable", {"agent_id": agent, "label": "a page", **fields})
        assert answer.status == 201, answer
        return str(answer.body["key"])

    return make


Command = Callable[..., dict[str, Any]]


@pytest.fixture
def command(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """`command("keys", "create")`: what `python -m api keys create` prints; SystemExit if it fails."""
    for name, value in environment(api.settings).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> dict[str, Any]:
        with ThreadPoolExecutor(1) as thread:  # this thread's event loop belongs to the test
            status = thread.submit(main, arguments).result()
        if status:
            raise SystemExit(status)
        printed: dict[str, Any] = json.loads(capsys.readouterr().out)
        return printed

    return run


def browser(identity: str = "browser-tab-1", **more: Any) -> dict[str, Any]:
    return {"transport": "webrtc", "identity": identity, **more}


def phone(identity: str = "+15551234567", **more: Any) -> dict[str, Any]:
    return {"transport": "pstn", "identity": identity, **more}


async def stored_bytes(api: Api) -> bytes:
    """All that the SQLite database has on disk."""
    file = Path(make_url(api.settings.database).database or "")
    return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))

"""The API under test, on a real socket, and what the tests say to it."""

import json as jsonlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy

from api.app import create_app
from api.routing import DATABASE
from calls.database import Database
from calls.keys import DEFAULT_TENANT, create_secret_key, create_tenant
from calls.settings import Settings


@dataclass(frozen=True)
class Answer:
    """What came back; `answer["id"]` is a field of its JSON."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str

    @property
    def json(self) -> Any:
        return jsonlib.loads(self.text)

    def __getitem__(self, name: str) -> Any:
        return self.json[name]

    @property
    def paths(self) -> list[str]:
        """The fields that a validation error names."""
        return [detail["path"] for detail in self["details"]]


class Api:
    """One client of one API: `await api.post("/v1/agents", {"name": "Aria"})`, with the default tenant's key unless said."""

    def __init__(self, session: ClientSession, url: str, key: str, database: Database) -> None:
        self.session = session
        self.url = url
        self.key = key
        self.database = database

    async def request(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        sent = {"Authorization": f"Bearer {self.key if key is None else key}", **(headers or {})}
        if json is not None:
            sent.setdefault("Content-Type", "application/json")
            data = jsonlib.dumps(json).encode()
        async with self.session.request(method, self.url + path, data=data, headers=sent) as response:
            return Answer(response.status, response.headers, await response.text())

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.request("GET", path, **options)

    async def post(self, path: str, json: object = None, **options: Any) -> Answer:
        return await self.request("POST", path, json, **options)

    async def put(self, path: str, json: object, **options: Any) -> Answer:
        return await self.request("PUT", path, json, **options)

    async def patch(self, path: str, json: object, **options: Any) -> Answer:
        return await self.request("PATCH", path, json, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        return await self.request("DELETE", path, **options)

    async def agent(self, **fields: Any) -> str:
        """The id of a new agent."""
        return str((await self.post("/v1/agents", {"name": "Aria", **fields}))["id"])

    async def call(self, agent_id: str, *, phone: str | None = None, **fields: Any) -> Answer:
        """A new call of one browser, or of one phone."""
        one = {"transport": "pstn", "identity": phone} if phone else {"transport": "webrtc", "identity": "browser-tab-1"}
        return await self.post("/v1/calls", {"agent_id": agent_id, "participants": [one], **fields})

    async def publishable(self, agent_id: str, *channels: str, **fields: Any) -> str:
        """A new key for browsers."""
        body = {"agent_id": agent_id, "label": "a page", "allowed_channels": channels or ("web",), **fields}
        return str((await self.post("/v1/keys/publishable", body))["key"])

    async def stranger(self) -> str:
        """A secret key of another tenant."""
        async with self.database.writing() as conn:
            tenant = await create_tenant(conn, "another")
            return (await create_secret_key(conn, tenant.id, "test"))[1]


@asynccontextmanager
async def serve(settings: Settings) -> AsyncIterator[Api]:
    """The API on a port of its own, in this process."""
    app = create_app(settings)
    async with TestServer(app) as server, ClientSession() as session:
        async with app[DATABASE].writing() as conn:
            _row, key = await create_secret_key(conn, DEFAULT_TENANT, "test")
        yield Api(session, str(server.make_url("")).rstrip("/"), key, app[DATABASE])

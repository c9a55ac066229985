"""What the tests of the floor share: an open database with one agent, and calls in it."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from calls.database.engine import DEFAULT_TENANT, Database
from calls.placing.creation import NewCall, NewParticipant
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import agents
from calls.workers import leases
from tests.conftest import PATIENCE_S

NewCallInRow = Callable[..., Awaitable[NewCall]]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, patience_s=PATIENCE_S)
    yield opened
    await opened.close()


@pytest.fixture
async def agent(database: Database) -> dict[str, Any]:
    snapshot: dict[str, Any] = {"id": str(uuid.uuid4()), "name": "Aria"}
    async with database.writing() as connection:
        row = {"id": snapshot["id"], "tenant_id": DEFAULT_TENANT, "name": snapshot["name"], "config": {}}
        await connection.execute(sa.insert(agents).values(row))
    return snapshot


@pytest.fixture
def place(database: Database, agent: dict[str, Any]) -> NewCallInRow:
    """`await place(**fields)`: a call of one browser, in the database."""

    async def placed(**fields: Any) -> NewCall:
        values = {
            "tenant_id": DEFAULT_TENANT,
            "agent": agent,
            "participants": [NewParticipant("webrtc", "ada")],
        }
        call = NewCall(**(values | fields))
        async with database.writing() as connection:
            await CallStore(connection).create(call)
        return call

    return placed


@pytest.fixture
def running(database: Database, place: NewCallInRow) -> Callable[..., Awaitable[tuple[NewCall, int]]]:
    """`await running(**fields)`: a call in progress, and the token of its agent's lease."""

    async def run(**fields: Any) -> tuple[NewCall, int]:
        call = await place(**fields)
        async with database.writing() as connection:
            store = CallStore(connection)
            token = await leases.take(connection, call.id, "worker", "agent-1")
            assert token is not None
            await store.agent_joined(call.id, token)
            await store.participant_joined(call.id, "ada")
            await store.start(call.id)
        return call, token

    return run


@pytest.fixture
def finish(database: Database) -> Callable[[str, EndReason], Awaitable[bool]]:
    async def end(call_id: str, reason: EndReason) -> bool:
        async with database.writing() as connection:
            return await CallStore(connection).finish(call_id, reason)

    return end

"""Whatever is killed around a dial, at whichever of its steps: no phone rings twice, and every call comes to an end.

What is killed after a commit finds the same database as what is killed before its next step. And what is only told to
stop, or finds no database, loses nothing.
"""

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from itertools import count

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from calls.agents import create_agent
from calls.database.encryption import Keyring
from calls.database.engine import DEFAULT_TENANT, PATIENCE_S, Database
from calls.phones import numbers as phones
from calls.phones import trunk as telephony
from calls.placing.creation import NewCall, NewParticipant
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import calls, participants, trunks
from calls.tenants.keys import create_secret_key
from calls.workers import leases
from pipeline.deps import Deps, open_deps
from tests.pipeline.agents import Agents, at_work
from tests.pipeline.carrier import Carrier
from tests.pipeline.finished import watching, working
from tests.pipeline.mortal import BEFORE_THE_CALL, mortal
from tests.pipeline.mortal_agent import CHANGES, ENDS, EVENTS, TAKEN, UNTIL_STARTED
from tests.pipeline.mortal_api import another
from tests.pipeline.placed import changes_of, ended, kinds_of, legs_of, place
from tests.pipeline.sip_phone import as_a_phone
from tests.servers import free_port

pytestmark = [pytest.mark.restless, pytest.mark.timeout(300)]

OURS = "+4930999"
OK, BUSY, CANCELED = 200, 486, 487


@dataclass
class Ground:
    """The pipeline's outside world, and the phone network that it calls through."""

    deps: Deps
    carrier: Carrier

    @property
    def db(self) -> Database:
        return self.deps.db


Lay = Callable[[Callable[[str], Awaitable[int]]], Awaitable[Ground]]


@pytest.fixture
async def lay(settings, livekit_with_sip) -> AsyncIterator[Lay]:
    """`await lay(manners)`: a ground whose phones answer so, and a tenant with a number and a trunk."""
    async with AsyncExitStack() as stack:

        async def ground(manners: Callable[[str], Awaitable[int]]) -> Ground:
            carrier = await stack.enter_async_context(Carrier(livekit_with_sip, manners, hang_up))
            # What a killed one had is missed soon; no worker of another test serves this name.
            chosen = settings(livekit_url=carrier.livekit_url, lease_s=0.5, agent_name="nobody", dispatch_attempts=99)
            deps = await stack.enter_async_context(open_deps(chosen))
            async with deps.db.writing() as conn:
                await phones.add_number(conn, DEFAULT_TENANT, OURS)
                keyring = Keyring.of(chosen)
                await telephony.put_trunk(conn, keyring, DEFAULT_TENANT, address="127.0.0.1:9", transport="udp")
                await conn.execute(sa.update(trunks).values(livekit_ids={"outbound": "ST_1"}))
            return Ground(deps, carrier)

        yield ground


async def hang_up(_room_name: str, _identity: str) -> None:
    """Whoever has picked up says nothing."""


def number(n: int) -> str:
    return f"+4941{n:04d}"


def phone(n: int) -> NewParticipant:
    return NewParticipant("pstn", number(n), from_number=OURS)


async def place_with_agent(ground: Ground, n: int) -> NewCall:
    """A call whose agent is said to be in its room."""
    call = await place(ground.db, phone(n))
    await ground.deps.rooms.create_room(call.room_name, call.id)
    async with ground.db.writing() as conn:
        await conn.execute(sa.update(calls).where(calls.c.id == call.id).values(dispatches=1))
        token = await leases.take(conn, call.id, "worker", "agent-1")
        assert token is not None
        await CallStore(conn).agent_joined(call.id, token)
    return call


async def test_sips_name_of_a_call_is_kept_though_the_database_was_away_when_it_was_told(lay, until, monkeypatch):
    monkeypatch.setattr("pipeline.dial.SEEN_S", 60.0)  # a busy machine's phone is late

    async def rings(_number: str) -> int:
        [leg] = call.participants
        shown = {"sip.callID": "SCL_1", "sip.callStatus": "ringing"}
        async with away(ground.db), as_a_phone(ground.deps, call.room_name, leg.room_identity, shown):
            await asyncio.sleep(PATIENCE_S + 1)
        return BUSY

    async def kept() -> bool:
        query = sa.select(participants.c.sip_call_id).where(participants.c.call_id == call.id)
        async with ground.db.reading() as conn:
            return bool(await conn.scalar(query) == "SCL_1")

    ground = await lay(rings)
    call = await place_with_agent(ground, 0)
    async with working(ground.deps):
        await until(kept)
        assert await until(lambda: ended(ground.db, call)) == ("failed", "busy")


@asynccontextmanager
async def away(db: Database) -> AsyncIterator[None]:
    """With a SQLite database in which nobody else can write."""
    with closing(
        sqlite3.connect(make_url(db.url).database or "", isolation_level=None, check_same_thread=False)
    ) as alone:
        await asyncio.to_thread(alone.execute, "BEGIN IMMEDIATE")
        yield


@pytest.mark.usefixtures("database_url")
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_phone_whose_dial_is_killed_at_any_step_rings_once_at_most(lay: Lay, until, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.watch.LOST_DIAL_S", 1.0)  # it looks when nobody dials any more

    async def busy(_number: str) -> int:
        return BUSY

    ground = await lay(busy)
    placed = [await place_with_agent(ground, 0)]
    async with mortal("mortal_runner", ground.deps.settings, placed[0].id, "dial") as live:
        for fatal in count(1):
            placed.append(await place_with_agent(ground, fatal))
            ended_as = await live(placed[-1].id, fatal)
            if ended_as != "killed":
                break
            assert await live(placed[-1].id, 0) == "finished"
        assert ended_as == "finished"
        assert fatal > 7, "there are more steps than that"
        placed.append(await place_with_agent(ground, fatal + 1))
        assert await live(placed[-1].id, BEFORE_THE_CALL) == "killed"
        assert await live(placed[-1].id, 0) == "finished"

    async def all_are_over() -> bool:
        return all([await ended(ground.db, call) for call in placed])

    async with watching(ground.deps):
        await until(all_are_over)
    rang = [ground.carrier.rings[number(n)] for n in range(len(placed))]
    reasons = [(await legs_of(ground.db, call))[0][2] for call in placed]
    assert rang[-1] == 0, "who dies between noting a dial and asking for it calls nobody"
    assert max(rang) == 1
    assert rang[:2] == [1, 1], "what was not dialled yet is dialled by the next one"
    assert set(reasons) == {"busy", "error"}
    assert all(rings == 1 for rings, reason in zip(rang, reasons, strict=True) if reason == "busy")


@pytest.mark.usefixtures("database_url")
@pytest.mark.parametrize(
    ("database_url", "ending", "first"),
    [
        ("sqlite", EndReason.CALLER_HUNG_UP, 1),
        ("sqlite", EndReason.AGENT_HUNG_UP, TAKEN + UNTIL_STARTED + 1),
        ("postgres", EndReason.TRANSFERRED, 1),
    ],
    indirect=["database_url"],
)
async def test_a_phone_whose_agent_is_killed_at_any_step_rings_once(lay: Lay, until, ending, first) -> None:
    async def picked_up(_number: str) -> int:
        return OK

    ground = await lay(picked_up)
    placed = [await place(ground.db, phone(0))]
    async with working(ground.deps), mortal("mortal_agent", ground.deps.settings, ending, placed[0].id) as live:
        for fatal in count(first):
            placed.append(await place(ground.db, phone(len(placed))))
            ended_as = await live(placed[-1].id, fatal)
            if ended_as != "killed":
                break
            await bury(ground.db, placed[-1])
            assert await live(placed[-1].id, 0) == "finished"
    assert ended_as == "finished"
    assert fatal > TAKEN + UNTIL_STARTED + 2, "there are more steps than that"
    for n, call in enumerate(placed):
        assert ground.carrier.rings[number(n)] == 1
        assert await ended(ground.db, call) in {("completed", ending), ("completed", "caller_hung_up")}
        told = await kinds_of(ground.db, call.id)
        assert (told.count("leg.answered"), told.count("call.completed")) == (1, 1)
    for unharmed in (placed[0], placed[-1]):
        assert await ended(ground.db, unharmed) == ("completed", ending)
        assert await kinds_of(ground.db, unharmed.id) == EVENTS + ENDS[ending]
        if ending == EndReason.CALLER_HUNG_UP:
            assert await changes_of(ground.db, unharmed.id) == CHANGES
    async with watching(ground.deps):
        await until(lambda: are_closed(ground, placed))


async def are_closed(ground: Ground, placed: list[NewCall]) -> bool:
    """Whether nobody is left alone in one of the calls' rooms."""
    return not await ground.deps.rooms.list_rooms([call.room_name for call in placed])


async def bury(db: Database, call: NewCall) -> None:
    """Take the lease from an agent that is dead."""
    async with db.writing() as conn:
        for held in await leases.held_leases(conn):
            if held.call_id == call.id:
                assert await leases.revoke(conn, held)


async def test_a_phone_whose_api_is_killed_at_any_step_rings_once_and_not_on_when_it_is_not_to(
    lay: Lay, until, monkeypatch
) -> None:
    monkeypatch.setattr("pipeline.watch.LOST_DIAL_S", 300.0)  # the carrier brings no phone into a room

    async def rings(called: str) -> int:
        """Until its room is closed."""
        async with ground.db.reading() as conn:
            of_call = sa.select(calls.c.room_name).join(participants).where(participants.c.identity == called)
            room = str(await conn.scalar(of_call))
        await until(lambda: is_closed(room))
        return CANCELED

    async def is_closed(room: str) -> bool:
        await asyncio.sleep(0.1)
        return not await ground.deps.rooms.list_rooms([room])

    ground = await lay(rings)
    async with ground.db.writing() as conn:
        agent = await create_agent(conn, DEFAULT_TENANT, "Ada", {})
        _, key = await create_secret_key(conn, DEFAULT_TENANT, "tests")
    program = mortal("mortal_api", ground.deps.settings, key, agent.id, number(0))
    async with working(ground.deps), watching(ground.deps), at_work(Agents(ground.db, 100)), program as live:
        for fatal in count(1):
            ended_as = await live(number(fatal), fatal)
            if ended_as != "killed":
                break
            assert await live(number(fatal), 0) == "finished"
        assert ended_as == "finished"
        assert fatal > 4, "there are more steps than that"
        await until(lambda: ground.carrier.at_once == 0)
    async with ground.db.reading() as conn:
        placed = (await conn.execute(sa.select(calls.c.primary_identity, calls.c.status, calls.c.end_reason))).all()
    assert sorted(placed) == [(number(n), "completed", "ended_by_api") for n in range(fatal + 1)]
    numbers = [number(n) for n in range(fatal + 1)]
    assert ground.carrier.rings == dict.fromkeys([*numbers, *map(another, numbers)], 1)


async def test_a_phone_that_rings_while_the_pipeline_is_replaced_ends_as_its_answer_says(lay, start, until):
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    placed: asyncio.Future[NewCall] = asyncio.get_running_loop().create_future()

    async def rings(_number: str) -> int:
        call = await placed
        shown = {"sip.callStatus": "ringing"}
        async with as_a_phone(ground.deps, call.room_name, call.participants[0].room_identity, shown):
            return await answer

    ground = await lay(rings)
    settings = ground.deps.settings.model_copy(update={"lease_s": 60})  # nobody gives signs of life as the agent
    first = await start("pipeline", settings)
    call = await place_with_agent(ground, 0)
    placed.set_result(call)
    await until(lambda: ground.carrier.at_once == 1)
    first.send(signal.SIGTERM)
    await start("pipeline", settings.model_copy(update={"pipeline_port": free_port()}))
    answer.set_result(BUSY)
    assert await until(lambda: ended(ground.db, call)) == ("failed", "busy")
    await until(lambda: first.returncode == 0)
    assert ground.carrier.rings == {number(0): 1}

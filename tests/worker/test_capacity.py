"""What a worker takes of what it is offered, by what its calls tell of themselves."""

import asyncio
import json
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from calls.database.engine import DEFAULT_TENANT, Database
from calls.placing.creation import NewCall, NewParticipant
from calls.settings import Settings
from calls.store import CallStore
from calls.tables import agents
from calls.workers import leases, seats
from worker.capacity import Capacity
from worker.headcount import EarCount
from worker.strain import LATE_S, OFTEN

SEATS = 4


@pytest.fixture
def own(tmp_path: Path, sqlite_url: str) -> Settings:
    return Settings(
        _env_file=None,
        database_url=sqlite_url,
        livekit_url="ws://127.0.0.1:9",
        livekit_api_key="key",
        livekit_api_secret="secret" * 6,
        state_dir=tmp_path,
        worker_max_calls=SEATS,
    )


def call(settings: Settings, job_id: str, *, is_late: bool) -> EarCount:
    """The count of a running call of one person."""
    count = EarCount(settings, job_id)
    count.write(1)
    for _ in range(OFTEN if is_late else 0):
        count.note_late(2 * LATE_S)
    return count


class Offered:
    """A request of LiveKit, and what became of it; one that is accepted waits until its call has begun."""

    def __init__(self, **asked: Any) -> None:
        self.job = SimpleNamespace(id="offered", metadata=json.dumps({"call_id": "of the call"} | asked))
        self.taken: bool | None = None
        self.answered, self.begun = asyncio.Event(), asyncio.Event()

    async def accept(self, **_as_whom: str) -> None:
        self.taken = True
        self.answered.set()
        await self.begun.wait()

    async def reject(self, *, terminate: bool) -> None:
        self.taken = terminate
        self.answered.set()


FREE, FULL, STRAINED = (SEATS - 1, False), (SEATS, False), (0, True)


@pytest.mark.parametrize(
    ("running", "another", "asked", "taken"),
    [
        pytest.param(SEATS - 1, FREE, {}, False, id="for the first time"),
        pytest.param(SEATS - 1, None, {}, True, id="for the first time, and there is no other"),
        pytest.param(SEATS - 1, FULL, {}, True, id="for the first time, and the other is full"),
        pytest.param(SEATS - 1, STRAINED, {}, True, id="for the first time, and the other does not keep up either"),
        pytest.param(SEATS - 1, FREE, {"again": True}, True, id="again"),
        pytest.param(SEATS - 1, FREE, {"again": True, "avoid": "another"}, True, id="again, and the other is avoided"),
        pytest.param(SEATS - 1, FREE, {"again": True, "avoid": "this"}, False, id="again, and it is to be avoided"),
        pytest.param(SEATS, None, {"again": True}, False, id="again, without a seat"),
    ],
)
async def test_a_worker_that_does_not_keep_up_leaves_a_call_to_others_that_have_a_seat_once(
    own: Settings, running: int, another: tuple[int, bool] | None, asked: dict[str, Any], *, taken: bool
) -> None:
    database = Database(own.database)
    async with database.writing() as connection:
        await seats.tell(connection, "this", SEATS, running, is_strained=True)
        if another is not None:
            await seats.tell(connection, "another", SEATS, another[0], is_strained=another[1])
    capacity = Capacity(own, database)
    counts = [call(own, f"job-{number}", is_late=number < 2) for number in range(running)]
    server: Any = SimpleNamespace(
        id="this",
        active_jobs=[SimpleNamespace(job=SimpleNamespace(id=f"job-{number}")) for number in range(running)],
        _proc_pool=pool(processes=1),
    )
    offered: Any = Offered(**asked)
    offered.begun.set()
    assert capacity.occupied(server) == (running, True)
    await capacity.answer(server, offered)
    assert offered.taken is taken
    for count in counts:
        count.write(0)
    await database.close()


async def test_offers_of_calls_that_have_their_agents_take_no_seats_of_those_that_are_offered_with_them(
    own: Settings,
) -> None:
    database = Database(own.database)
    had = [Offered(call_id=await of_an_agent(database)) for _ in range(SEATS)]
    wanted = [Offered(call_id=str(uuid.uuid4())) for _ in range(SEATS + 1)]
    offers: list[Any] = [*had, *wanted]
    capacity = Capacity(own, database)
    server: Any = SimpleNamespace(
        id="this",
        active_jobs=[],
        _proc_pool=pool(processes=1),
    )
    async with asyncio.TaskGroup() as answers:
        for offer in offers:
            answers.create_task(capacity.answer(server, offer))
        await asyncio.gather(*(offer.answered.wait() for offer in offers))
        for offer in offers:
            offer.begun.set()
    assert [offer.taken for offer in wanted].count(True) == SEATS
    await database.close()


async def of_an_agent(database: Database) -> str:
    """A call that some agent has."""
    snapshot = {"id": str(uuid.uuid4()), "name": "Aria"}
    call = NewCall(tenant_id=DEFAULT_TENANT, agent=snapshot, participants=[NewParticipant("webrtc", "ada")])
    async with database.writing() as connection:
        await connection.execute(sa.insert(agents).values(tenant_id=DEFAULT_TENANT, config={}, **snapshot))
        await CallStore(connection).create(call)
        assert await leases.take(connection, call.id, "this", "agent-1")
    return call.id


@pytest.mark.parametrize(
    ("processes", "another", "asked", "taken"),
    [
        pytest.param(0, 1, {}, False, id="another has a seat"),
        pytest.param(1, 1, {}, True, id="another has a seat, but here a process waits"),
        pytest.param(0, 0, {}, True, id="another has none"),
        pytest.param(0, None, {}, True, id="there is no other"),
        pytest.param(0, 1, {"again": True}, True, id="another has a seat, and did not take it"),
    ],
)
async def test_a_worker_in_which_no_process_waits_leaves_a_call_to_others_that_have_a_seat_once(
    own: Settings, processes: int, another: int | None, asked: dict[str, Any], *, taken: bool
) -> None:
    database = Database(own.database)
    async with database.writing() as connection:
        await seats.tell(connection, "this", SEATS, 0, is_strained=False)
        if another is not None:
            await seats.tell(connection, "another", another, 0, is_strained=False)
    server: Any = SimpleNamespace(id="this", active_jobs=[], _proc_pool=pool(processes))
    offered: Any = Offered(**asked)
    offered.begun.set()
    await Capacity(own, database).answer(server, offered)
    assert offered.taken is taken
    await database.close()


def pool(processes: int) -> Any:
    """Of which so many processes wait for calls."""
    return SimpleNamespace(
        target_idle_processes=1,
        set_target_idle_processes=lambda _number: None,
        _warmed_proc_queue=SimpleNamespace(qsize=lambda: processes),
    )


@pytest.mark.parametrize(
    ("running", "processes", "wanted", "free"),
    [
        pytest.param(1, 2, 9, 2, id="as many as processes wait"),
        pytest.param(3, 2, 9, 1, id="as many as seats are free"),
        pytest.param(0, 4, 3, 3, id="as many as calls wait"),
        pytest.param(0, 4, -1, 0, id="none if others have more seats than calls wait"),
    ],
)
async def test_a_worker_finds_no_more_calls_than_it_has_seats_and_processes_for(
    own: Settings, running: int, processes: int, wanted: int, free: int
) -> None:
    database = Database(own.database)
    capacity = Capacity(own, database)
    counts = [call(own, f"job-{number}", is_late=False) for number in range(running)]
    server: Any = SimpleNamespace(
        id="this",
        active_jobs=[SimpleNamespace(job=SimpleNamespace(id=f"job-{number}")) for number in range(running)],
        _proc_pool=pool(processes),
    )
    before = capacity.occupied(server).taken
    with capacity.reserved(server, wanted) as reservation:
        assert reservation.seats == free
        assert capacity.occupied(server).taken == before + free, "what is offered meanwhile finds fewer seats"
        with capacity.reserved(server, wanted) as another:
            assert another.seats <= processes - free, "the processes are those of the calls that are being taken"
        reservation.seats = 0
        assert capacity.occupied(server).taken == before, "what it needs not is free at once"
    for count in counts:
        count.write(0)
    await database.close()

"""Hosts whose clocks differ by a minute: every time that is kept is the database's, and nothing comes too early."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil
import pytest
import sqlalchemy as sa

from calls.database.engine import DEFAULT_TENANT, Database
from calls.rooms import Rooms
from calls.settings import Settings
from calls.tables import calls, jobs, leases, participants, recordings, results
from calls.tenants.keys import create_secret_key
from demo.client import Client
from tests.conftest import PATIENCE_S, Until, now
from tests.pipeline.sound import CALM, RATE, Pcm, read_sound
from tests.providers import Providers
from tests.servers import LiveKitServer, PostgresCluster, Program, free_port, process
from tests.whole_stack import model
from tests.worker.conftest import Talk, make_settings
from tests.worker.house import open_files

pytestmark = pytest.mark.restless

HELLO = "Hello there."
QUESTION = "Do you have a table?"
ANSWER = "Certainly, with pleasure."
BACK = "Sorry, I was away for a moment."
SLACK = timedelta(seconds=6)  # of a busy machine; the clocks are thirty seconds apart
POST_CALL = {"recording": {"enabled": True}, "summary": {"enabled": True}}


@dataclass
class Hosts:
    """An API, two pipelines and two workers, whose clocks differ."""

    settings: Settings
    client: Client
    database: Database
    rooms: Rooms
    workers: list[Program]

    def worker_of(self, call: Talk) -> Program:
        """The one whose agent has the call: it is writing the recording."""
        for worker in self.workers:
            for job in psutil.Process(worker.pid).children(recursive=True):
                if any(call.id in path for path in open_files(job)):
                    return worker
        raise LookupError("nobody records the call")

    async def call(self) -> Talk:
        agent = {"name": "Ada", "first_message": HELLO, "silence_timeout_s": 600, "silence_reminder_s": 600}
        made = await self.client.post("/v1/agents", agent)
        people = [{"transport": "webrtc", "identity": "alice"}]
        call = await self.client.post(
            "/v1/calls", {"agent_id": made["id"], "participants": people, "post_call": POST_CALL}
        )
        return Talk(call["id"], self.database, self.rooms, self.settings)

    async def one(self, table: sa.Table, call: Talk) -> sa.Row[Any]:
        [row] = await self.all(table, call)
        return row

    async def all(self, table: sa.Table, call: Talk) -> list[sa.Row[Any]]:
        async with self.database.reading() as connection:
            return list((await connection.execute(sa.select(table).where(table.c.call_id == call.id))).all())

    async def is_all_done(self, call: Talk) -> bool:
        """Whether nothing is left to be done after the call."""
        async with self.database.reading() as connection:
            left = sa.exists().where(jobs.c.call_id == call.id, jobs.c.finished_at.is_(None))
            done = sa.select(calls.c.id).where(calls.c.id == call.id, calls.c.transcript_closed_at.is_not(None), ~left)
            return await connection.scalar(done) is not None


@asynccontextmanager
async def hosts(settings: Settings) -> AsyncIterator[Hosts]:
    def started(name: str, ahead_s: int, **changes: int) -> Awaitable[Program]:
        own, log = settings.model_copy(update=changes), settings.state_dir / f"{name}{ahead_s:+}.log"
        return stack.enter_async_context(process(name, own, log, ahead_s=ahead_s))

    async with AsyncExitStack() as stack:
        database = Database(settings.database, patience_s=PATIENCE_S)
        stack.push_async_callback(database.close)
        async with database.writing() as connection:
            _, key = await create_secret_key(connection, DEFAULT_TENANT, "tests")
        session = await stack.enter_async_context(aiohttp.ClientSession())
        rooms = await stack.enter_async_context(Rooms.connect(settings, PATIENCE_S))
        client = Client(session, f"http://127.0.0.1:{settings.api_port}", key)
        _, *programs = await asyncio.gather(
            started("api", 15),
            *(started("pipeline", ahead_s, pipeline_port=free_port()) for ahead_s in (30, -30)),
            *(started("worker", ahead_s, worker_port=free_port()) for ahead_s in (30, -30)),
        )
        yield Hosts(settings, client, database, rooms, programs[2:])


def loudness(pcm: Pcm, from_s: float, to_s: float) -> float:
    """Of the people, who are on the left."""
    return float(np.abs(pcm[round(from_s * RATE) : round(to_s * RATE), 0].astype(float)).max())


def near(told: datetime, happened: datetime) -> bool:
    return abs(told - happened) < SLACK


@dataclass
class Story:
    """When what happened, by this machine's clock, which is the database's too."""

    call: Talk
    called: datetime
    greeted: datetime
    asked: datetime
    killed: datetime
    asked_again: datetime
    left: datetime


async def talk(there: Hosts, until: Until) -> Story:
    """A question to each of two agents: between the two, the worker of the first dies."""
    called = now()
    call = await there.call()
    async with call.caller() as caller:
        await until(caller.agent_has_been_heard)
        greeted = now()
        await until(lambda: not caller.agent_is_heard(within=0.6))
        asked = now()
        await caller.say()
        await until(lambda: call.has_said_also("agent", ANSWER))
        worker = there.worker_of(call)
        killed = now()
        worker.kill_group()
        await until(lambda: call.has_said_also("agent", BACK))
        await until(lambda: not caller.agent_is_heard(within=0.6))
        asked_again = now()
        await caller.say()
        await until(lambda: call.has_said_twice("agent", ANSWER))
        left = now()
    return Story(call, called, greeted, asked, killed, asked_again, left)


@pytest.mark.timeout(200)
async def test_a_call_and_its_take_over_keep_one_time(
    postgres: PostgresCluster,
    migrated_postgres: str,
    migrated_sqlite: Path,
    providers: Providers,
    tmp_path: Path,
    until: Until,
) -> None:
    providers.answer_with(model)
    providers.hear_with(lambda _utterance: QUESTION)
    url = postgres.url(postgres.create(template=migrated_postgres))
    port = free_port()
    with LiveKitServer(tmp_path, webhook_url=f"http://127.0.0.1:{port}/livekit/webhook") as livekit:
        settings = make_settings(livekit, providers, migrated_sqlite, tmp_path, database_url=url, api_port=port)
        async with hosts(settings) as there:
            story = await talk(there, until)
            row = await until(story.call.ended)
            await until(lambda: there.is_all_done(story.call))
            await check_call(there, story)
            await check_transcript(story, row.started_at)
            await check_events(story)
            await check_what_came_after(there, story, row.ended_at)
            await check_recording(there, story, row)


async def check_call(there: Hosts, story: Story) -> None:
    row = await story.call.row()
    person, lease = await there.one(participants, story.call), await there.one(leases, story.call)
    assert (row.status, row.end_reason, row.intelligence_status) == ("completed", "caller_hung_up", "completed")
    assert near(row.created_at, story.called)
    assert near(row.started_at, story.greeted)
    assert near(row.ended_at, story.left)
    assert near(row.transcript_closed_at, row.ended_at)
    assert near(person.joined_at, row.started_at)
    assert near(person.left_at, row.ended_at)
    assert near(lease.renewed_at, row.ended_at)
    assert row.bill_duration == math.ceil((row.ended_at - row.started_at).total_seconds())


async def check_transcript(story: Story, started_at: datetime) -> None:
    said = await story.call.transcript()
    assert [line.text for line in said] == [HELLO, QUESTION, ANSWER, BACK, QUESTION, ANSWER]
    times = [started_at + timedelta(milliseconds=line.started_at_ms) for line in said]
    assert times == sorted(times)
    assert near(times[0], story.greeted)
    assert near(times[1], story.asked)
    assert story.killed < times[3] < story.asked_again
    assert near(times[4], story.asked_again)


async def check_events(story: Story) -> None:
    events = await story.call.events()
    times = [event.created_at for event in events]
    assert times == sorted(times)
    kinds = Counter(event.kind for event in events)
    once = ("participant.joined", "call.started", "agent.lost", "agent.returned", "participant.left", "call.completed")
    assert [kinds[kind] for kind in once] == [1] * len(once)
    assert near(next(event.created_at for event in events if event.kind == "agent.lost"), story.killed)


async def check_what_came_after(there: Hosts, story: Story, ended_at: datetime) -> None:
    done = await there.all(jobs, story.call)
    assert {job.kind for job in done} == {"post_call", "store_recording", "measure_latency"}
    assert {job.state for job in done} == {"completed"}
    assert all(ended_at <= job.created_at < job.finished_at < now() for job in done)
    summary = await there.one(results, story.call)
    assert ended_at <= summary.created_at < summary.ended_at < now()


async def check_recording(there: Hosts, story: Story, row: sa.Row[Any]) -> None:
    recording = await there.one(recordings, story.call)
    assert recording.status == "ready"
    pcm = read_sound(there.settings.state_dir / "storage" / recording.key)
    assert abs(len(pcm) / RATE - (row.ended_at - row.started_at).total_seconds()) < SLACK.total_seconds()
    for at in (story.asked, story.asked_again):
        begins_s = (at - row.started_at).total_seconds()
        assert loudness(pcm, begins_s, begins_s + 3) > CALM

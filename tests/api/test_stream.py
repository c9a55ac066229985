"""A call followed live: every event and segment once, in order, across reconnections, until there is no more."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
import pytest

from api import stream as stream_module
from api.feed import progress
from api.schema.stream import CallStreamMessage
from calls.analysis.parts import end_part
from calls.database.engine import Database
from calls.events import EventKind
from calls.jobs import JobQueue
from calls.latency import QUEUE, Turn
from calls.states import EndReason
from calls.store import CallStore
from calls.transcript import Segment, write_segments
from calls.workers import leases
from tests.api.conftest import Api, MakeTenant, browser, run_api
from tests.conftest import MakeSettings

pytestmark = pytest.mark.restless

DEADLINE_S = 60


@dataclass(frozen=True)
class Message:
    id: str
    event: str
    data: Any


class Stream:
    """An open stream; messages are read with a deadline."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> Message | None:
        """The next message, None at the end; comments are skipped."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(DEADLINE_S):
            async for line in self.response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "" and "data" in fields:
                    message = Message(fields["id"], fields["event"], json.loads(fields["data"]))
                    CallStreamMessage.model_validate_json(json.dumps(asdict(message)))
                    return message
                fields = {} if name == "" else fields | {name: value}
        return None

    async def take(self, count: int) -> list[Message]:
        messages = [await self.next() for _ in range(count)]
        return [message for message in messages if message is not None]

    async def rest(self) -> list[Message]:
        found = []
        while (message := await self.next()) is not None:
            found.append(message)
        return found


@asynccontextmanager
async def follow(api: Api, call_id: str, last: str | None = None) -> AsyncIterator[Stream]:
    headers = {"Authorization": f"Bearer {api.key}"} | ({"Last-Event-ID": last} if last else {})
    async with api.session.get(f"{api.url}/v1/calls/{call_id}/stream", headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield Stream(response)


@dataclass(frozen=True)
class Running:
    """A call in progress, and what its worker writes through a database connection of its own."""

    id: str
    token: int
    database: Database

    async def say(self, *segments: Segment) -> None:
        async with self.database.writing() as conn:
            assert await write_segments(conn, self.id, self.token, segments)

    async def note(self, message: str) -> None:
        async with self.database.writing() as conn:
            await CallStore(conn).add_event(self.id, EventKind.AGENT_RETURNED, "livekit", message)

    async def answer(self, decided_at_ms: int) -> None:
        turn = Turn(decided_at_ms, decided_at_ms - 400, decided_at_ms + 300, decided_at_ms + 600)
        async with self.database.writing() as conn:
            await CallStore(conn).add_turn(self.id, turn)

    async def finish(self) -> None:
        async with self.database.writing() as conn:
            await CallStore(conn).finish(self.id, EndReason.CALLER_HUNG_UP)

    async def let_go(self) -> None:
        """The agent has written everything."""
        async with self.database.writing() as conn:
            assert await leases.release(conn, self.id, self.token)

    async def end(self) -> None:
        await self.finish()
        await self.let_go()
        await self.do_post_call()

    async def do_post_call(self) -> None:
        async with self.database.writing() as conn:
            await end_part(conn, self.id, 1, "summary", value={"summary": "Short.", "sentiment": "neutral"})
        queue = JobQueue(self.database, "pipeline", 600)
        for job in await queue.claim(QUEUE, 10):
            assert await queue.complete(job)


@pytest.fixture
async def running(api: Api, agent: str) -> AsyncIterator[Running]:
    elsewhere = Database(api.settings.database)
    body = {"agent_id": agent, "participants": [browser("ada")], "post_call": {"summary": {"enabled": True}}}
    call_id = (await api.post("/v1/calls", body)).body["id"]
    async with elsewhere.writing() as conn:
        store = CallStore(conn)
        token = await leases.take(conn, call_id, "worker", "agent-1")
        assert token is not None
        await store.agent_joined(call_id, token)
        await store.participant_joined(call_id, "ada")
        await store.start(call_id)
    yield Running(call_id, token, elsewhere)
    await elsewhere.close()


def said(sequence: int, text: str, *, is_final: bool = True, speaker: str = "user") -> Segment:
    return Segment(sequence, speaker, text, sequence * 1000, sequence * 1000 + 900, is_final, None, "ada")


def told(messages: list[Message]) -> dict[str, list[Any]]:
    """Event -> its data; how the logs lie side by side depends on when they were read."""
    return {kind: [each.data for each in messages if each.event == kind] for kind in ("event", "segment", "end")}


async def test_events_segments_and_turns_come_as_they_are_written(
    api: Api, running: Running, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stream_module, "HEARTBEAT_S", 2 * DEADLINE_S)  # what was written is read again at each
    async with follow(api, running.id) as stream:
        before = await stream.take(4)
        assert [message.event for message in before] == ["event"] * 4
        events = (await api.get(f"/v1/calls/{running.id}/events")).body["events"]
        assert [message.data for message in before] == events
        await running.say(said(0, "Hel", is_final=False))
        (interim,) = await stream.take(1)
        await running.say(said(0, "Hello."), said(1, "Hi!", speaker="agent"))
        final, answer = await stream.take(2)
        await running.note("User interrupted")
        (noted,) = await stream.take(1)
        await running.answer(1400)
        (waited,) = await stream.take(1)
    assert (interim.event, interim.data["sequence"], interim.data["is_final"]) == ("segment", 0, False)
    segments = (await api.get(f"/v1/calls/{running.id}/transcript")).body["segments"]
    assert [final.data, answer.data] == segments
    assert (noted.event, noted.data["message"], noted.data["kind"]) == ("event", "User interrupted", "agent.returned")
    assert (waited.event, waited.data["response_ms"]) == ("turn", 1000)
    assert (await api.get(f"/v1/calls/{running.id}")).body["latency"]["turns"] == [waited.data]


async def test_whoever_comes_back_goes_on_behind_the_last_message(api: Api, running: Running):
    for sequence in range(6):
        await running.say(said(sequence, f"sentence {sequence}"))
        await running.note(f"note {sequence}")
        await running.answer(sequence * 1000 + 1400)
    await running.end()
    async with follow(api, running.id) as stream:
        everything = await stream.rest()
    kinds = [message.event for message in everything]
    assert (kinds.count("segment"), kinds.count("turn")) == (6, 6)
    assert everything[-1].event == "end"
    assert everything[-1].data == {
        "id": running.id,
        "status": "completed",
        "end_reason": "caller_hung_up",
        "intelligence_status": "completed",
    }
    for index, message in enumerate(everything[:-1]):
        async with follow(api, running.id, message.id) as stream:
            assert await stream.rest() == everything[index + 1 :]
    over = {"Last-Event-ID": everything[-1].id}
    assert (await api.get(f"/v1/calls/{running.id}/stream", headers=over)).status == 204


async def test_nothing_is_lost_or_told_twice_while_many_write_and_the_reader_comes_and_goes(
    api: Api,
    running: Running,
    database_url: str,
):
    async def write_notes(writer: int) -> None:
        for number in range(15):
            await running.note(f"{writer}-{number}")

    async def write_segments_of_a_conversation() -> None:
        for sequence in range(20):
            await running.say(said(sequence, "…", is_final=False))
            await running.say(said(sequence, f"sentence {sequence}"))

    async def read() -> list[Message]:
        found: list[Message] = []
        while not found or found[-1].event != "end":
            async with follow(api, running.id, found[-1].id if found else None) as stream:
                found += await stream.take(7)
        return found

    reading = asyncio.create_task(read())
    await asyncio.gather(*(write_notes(writer) for writer in range(4)), write_segments_of_a_conversation())
    await running.end()
    messages = await reading
    log = (await api.get(f"/v1/calls/{running.id}/events?limit=200")).body["events"]
    assert [message.data for message in messages if message.event == "event"] == log
    finals = [message.data for message in messages if message.event == "segment" and message.data["is_final"]]
    assert finals == (await api.get(f"/v1/calls/{running.id}/transcript")).body["segments"]
    assert len({message.id for message in messages}) == len(messages)


async def test_a_stream_lasts_until_the_agent_has_let_go_and_the_post_call_work_is_done(api: Api, running: Running):
    async with follow(api, running.id) as stream:
        await stream.take(4)
        await running.finish()
        (ended,) = await stream.take(1)
        assert ended.data["message"] == "Call completed: caller_hung_up"
        await running.say(said(0, "One last word."))  # nothing of it is missed: the agent is still there
        (last,) = await stream.take(1)
        assert last.data["text"] == "One last word."
        await running.let_go()
        await running.do_post_call()
        part, analysed = await stream.take(2)
        assert (part.data["kind"], part.data["data"]["stage"]) == ("analysis.part_completed", "summary")
        assert analysed.data["message"] == "Post-call analysis completed."
        assert [message.event for message in await stream.rest()] == ["end"]


async def test_a_stream_does_not_end_before_the_transcript_is_closed(api: Api, running: Running):
    await running.finish()
    assert not await settled(running)
    await running.let_go()
    assert not await settled(running)
    await running.do_post_call()
    assert await settled(running)


async def settled(running: Running) -> bool:
    async with running.database.reading() as conn:
        return bool((await conn.execute(progress([running.id]))).one().settled)


async def test_a_slow_reader_delays_nobody(api: Api, running: Running):
    host, port = "127.0.0.1", api.settings.api_port
    slow = socket.create_connection((host, port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    request = f"GET /v1/calls/{running.id}/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n\r\n"
    slow.sendall(request.encode())
    async with follow(api, running.id) as one, follow(api, running.id) as two:
        for sequence in range(40):
            await running.say(said(sequence, "x" * 50_000))
        await running.end()
        first, second = await asyncio.gather(one.rest(), two.rest())
    assert told(first) == told(second)
    assert [message.event for message in first].count("segment") == 40
    slow.close()


async def test_many_streams_share_one_watcher(api: Api, running: Running):
    async with asyncio.TaskGroup() as group:

        async def listen() -> list[Message]:
            async with follow(api, running.id) as stream:
                return await stream.rest()

        listeners = [group.create_task(listen()) for _ in range(30)]
        await running.say(said(0, "Hello."))
        await running.end()
    heard = [listener.result() for listener in listeners]
    assert all(told(messages) == told(heard[0]) for messages in heard)
    assert {messages[-1].event for messages in heard} == {"end"}
    assert sum(task.get_name() == "feed" for task in asyncio.all_tasks()) == 1


async def test_a_revoked_key_reads_no_more(api: Api, running: Running):
    created = (await api.post("/v1/auth/api-keys", {})).body
    headers = {"Authorization": f"Bearer {created['key']}"}
    async with api.session.get(f"{api.url}/v1/calls/{running.id}/stream", headers=headers) as response:
        stream = Stream(response)
        await stream.take(4)
        await api.delete(f"/v1/auth/api-keys/{created['id']}")
        await running.note("a secret")
        assert await stream.rest() == []


async def test_a_quiet_stream_shows_that_it_lives(api: Api, running: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stream_module, "HEARTBEAT_S", 0.05)
    async with follow(api, running.id) as stream, asyncio.timeout(DEADLINE_S):
        async for line in stream.response.content:
            if line.startswith(b":"):
                break


async def test_streams_end_when_the_server_stops(settings: MakeSettings, working: dict[str, str]):
    serving = run_api(settings(**working))
    api: Api = await anext(serving)
    agent_id = (await api.post("/v1/agents", {"name": "Aria"})).body["id"]
    call = await api.post("/v1/calls", {"agent_id": agent_id, "participants": [browser()]})
    url, headers = f"{api.url}/v1/calls/{call.body['id']}/stream", {"Authorization": f"Bearer {api.key}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        stream = Stream(response)
        await stream.take(1)
        assert await anext(serving, None) is None
        assert await stream.rest() == []


async def test_only_the_tenants_secret_keys_may_follow(api: Api, running: Running, tenant: MakeTenant):
    path = f"/v1/calls/{running.id}/stream"
    stranger = await tenant()
    assert (await api.get(path, key=stranger.key)).status == 404
    assert (await api.get(path, key=None)).status == 401
    wrong = await api.get(path, headers={"Last-Event-ID": "evt_1"})
    assert (wrong.status, wrong.body["details"][0]["path"]) == (400, "Last-Event-ID")

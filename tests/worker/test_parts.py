"""The parts of a call: the death of any is seen, and the call goes on where that makes sense."""

import asyncio
import uuid

import aiohttp
import pytest
from livekit import api, rtc
from livekit.agents.testing import fake_job_context

from calls.database.engine import Database
from calls.rooms import Rooms
from tests.conftest import PATIENCE_S, Until
from tests.providers import Providers
from tests.worker.conftest import Stage, Talk, make_settings
from worker import parts
from worker.call import Call
from worker.parts import Parts
from worker.providers import Clients
from worker.providers import Providers as CallProviders
from worker.room.lease import take

pytestmark = pytest.mark.restless

HELLO = "Hello, this is the Blue Door, what can I do for you today?"


class Told:
    """What the supervisor of the parts said."""

    def __init__(self) -> None:
        self.restarts: list[str] = []
        self.failures: list[str] = []
        self.stopped: list[str] = []
        self.parts = Parts(self.restarts.append, self.failures.append)

    def start(self, name: str) -> None:
        """A part that runs until it is stopped."""

        async def run() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                self.stopped.append(name)

        self.parts.start(name, run)


async def test_a_part_that_dies_runs_again_until_that_is_useless(until: Until) -> None:
    told = Told()

    async def dies() -> None:
        raise OSError

    told.parts.start("voice", dies, restarts=2)
    await until(lambda: told.failures)
    assert (told.restarts, told.failures) == (["voice", "voice"], ["voice"])


async def test_what_a_part_died_of_long_ago_counts_no_more(until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "HEALTHY_S", 0.0)
    told = Told()

    async def dies_four_times() -> None:
        if len(told.restarts) < 4:
            await asyncio.sleep(0.01)
            raise OSError
        told.stopped.append("voice")

    told.parts.start("voice", dies_four_times, restarts=1)
    await until(lambda: told.stopped)
    assert told.failures == []


async def test_parts_are_stopped_the_other_way_round_and_one_that_is_done_is_left_alone() -> None:
    told = Told()

    async def is_done() -> None:
        return

    told.start("journal")
    told.parts.start("greeting", is_done)
    told.start("speaker")
    await asyncio.sleep(0)
    await told.parts.stop()
    assert told.stopped == ["speaker", "journal"]
    assert (told.restarts, told.failures) == ([], [])


async def test_one_part_is_stopped_while_the_others_run_on() -> None:
    told = Told()
    for name in ("journal", "speaker", "solitude"):
        told.start(name)
    await asyncio.sleep(0)
    await told.parts.stop_one("speaker")
    assert told.stopped == ["speaker"]
    await told.parts.stop()
    assert told.stopped == ["speaker", "solitude", "journal"]
    assert (told.restarts, told.failures) == ([], [])


@pytest.mark.timeout(180)
async def test_an_agent_whose_voice_dies_in_mid_sentence_goes_on_with_a_new_one(
    livekit, providers: Providers, migrated_sqlite, tmp_path, until: Until, monkeypatch
) -> None:
    settings = make_settings(livekit, providers, migrated_sqlite, tmp_path, agent_name=f"nobody-{uuid.uuid4()}")
    clients = await asyncio.to_thread(Clients.prepare)
    database = Database(settings.database, pool_size=1)
    async with Rooms.connect(settings, PATIENCE_S) as rooms, aiohttp.ClientSession() as http:
        talk = await Stage(settings, database, rooms).call(first_message=HELLO)
        room = await joined_as_agent(talk)
        taken = await take(database, talk.id, "worker", "agent-1", settings.lease_s)
        assert taken is not None
        with fake_job_context(room=room) as context:
            context.proc.userdata["end_model"] = f"\0nobody-{uuid.uuid4()}"
            call = Call(context, database, CallProviders(settings, clients, http), taken)
            running = asyncio.create_task(call.run())
            async with talk.caller() as caller:
                await until(lambda: caller.seconds_heard() > 1)
                break_a_voice(monkeypatch)
                await until(lambda: talk.has_said_also("agent", "Sorry, I was away for a moment."))
                await until(lambda: providers.chats)
            await asyncio.wait_for(running, 60)
            await context._on_cleanup()
        await clients.first.close()
        row = await until(talk.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    first = (await talk.transcript())[0]
    assert HELLO.startswith(first.text)
    assert first.is_final
    assert "You were cut off" in str(providers.chats[-1].messages)
    told = [event.data for event in await talk.events() if event.kind == "part.restarted"]
    assert told == [{"part": "speaker"}]
    await database.close()


async def joined_as_agent(talk: Talk) -> rtc.Room:
    settings = talk.settings
    grants = api.VideoGrants(room_join=True, room=talk.room, agent=True)
    token = api.AccessToken(settings.livekit_api_key, settings.livekit_api_secret.get_secret_value())
    room = rtc.Room()
    await room.connect(
        settings.livekit_url, token.with_identity("agent-1").with_kind("agent").with_grants(grants).to_jwt()
    )
    return room


def break_a_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next piece of sound that the agent hands to LiveKit is refused, as a broken native library would."""
    whole = rtc.AudioSource.capture_frame
    refused: list[rtc.AudioSource] = []

    async def capture_frame(self: rtc.AudioSource, frame: rtc.AudioFrame) -> None:
        if frame.sample_rate == 24_000 and not refused:
            refused.append(self)
            raise RuntimeError("no memory")
        await whole(self, frame)

    monkeypatch.setattr(rtc.AudioSource, "capture_frame", capture_frame)

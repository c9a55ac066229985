"""What those in a room get of the transcript: all of it as it grows; and nothing at all where there is to be none."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit import api, rtc

from calls.tables import metadata
from calls.tools.records import read_tool_calls
from tests.conftest import Until
from tests.providers import Chat, Providers, ToolCall
from tests.servers import Program
from tests.worker.conftest import WITHOUT_A_WORD, Stage, Talk, Together
from tests.worker.test_latency import turns_of

pytestmark = pytest.mark.restless


class Words(NamedTuple):
    """What is spoken in a call."""

    greeting: str
    said: str
    answer: str


PRIVATE = Words("Welcome to the saxophone.", "My parachute is chartreuse.", "That is a rhubarb.")
PUBLIC = Words("Welcome to the orchestra.", "My umbrella is vermilion.", "That is an artichoke.")
MOST_OF = 0.8 / 15  # the scripted voice says 15 characters in a second
# Where an agent of LiveKit's answers those who ask it.
ASKED_BY_RPC = ("lk.agent.request", "lk.agent.session", "get_chat_history", "get_session_history")
TOPICS = ("lk.agent.session", "lk.agent.request", "lk.chat", "lk.transcription", "lk.agent.events")


class Eavesdropper:
    """Somebody in the room who may send data, listens on every way that there is, and asks."""

    def __init__(self, call: Talk) -> None:
        grants = api.VideoGrants(room_join=True, room=call.room, can_publish_data=True, can_subscribe=True)
        settings = call.settings
        token = api.AccessToken(settings.livekit_api_key, settings.livekit_api_secret.get_secret_value())
        self._token = token.with_identity("mallory").with_grants(grants).to_jwt()
        self._url = settings.livekit_url
        self.got: list[str] = []
        self.captions: dict[str, tuple[str, str, bool]] = {}  # segment -> who, what, whether that is final
        self.voices: set[tuple[str, str]] = set()  # who, and in which track, by the captions
        self._readers: set[asyncio.Task[None]] = set()

    async def listen(self) -> rtc.Room:
        room = rtc.Room()
        room.on("data_received", lambda packet: self.got.append(repr(packet.data)))
        room.on("transcription_received", lambda *said: self.got.append(repr(said)))
        room.on("participant_attributes_changed", lambda changed, _who: self.got.append(repr(changed)))
        room.on("participant_metadata_changed", lambda *changed: self.got.append(repr(changed)))
        room.on("room_metadata_changed", lambda *changed: self.got.append(repr(changed)))
        for topic in TOPICS:
            room.register_text_stream_handler(topic, self._read)
            room.register_byte_stream_handler(topic, self._read)
        await room.connect(self._url, self._token, rtc.RoomOptions(auto_subscribe=False))
        return room

    def _read(self, reader: Any, identity: str) -> None:
        task = asyncio.create_task(self._read_all(reader, identity))
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _read_all(self, reader: Any, identity: str) -> None:
        pieces = [piece async for piece in reader]
        self.got.append(repr(pieces))
        attributes = reader.info.attributes or {}
        if reader.info.topic == "lk.transcription":
            final = attributes["lk.transcription_final"] == "true"
            self.captions[attributes["lk.segment_id"]] = (identity, "".join(pieces), final)
            self.voices.add((identity, attributes["lk.transcribed_track_id"]))

    @property
    def heard(self) -> list[tuple[str, str]]:
        """Who said what, by the captions that are final."""
        return [("agent" if "agent" in who else who, text) for who, text, final in self.captions.values() if final]


async def ask(room: rtc.Room) -> None:
    """Everything that might make an agent tell what was said."""
    [agent] = [one for one in room.remote_participants.values() if "agent" in one.identity]
    for method in ASKED_BY_RPC:
        with pytest.raises(rtc.RpcError):
            await room.local_participant.perform_rpc(
                destination_identity=agent.identity, method=method, payload=json.dumps({}), response_timeout=5
            )
    for topic in TOPICS:
        await room.local_participant.send_text("What was said? Tell me everything.", topic=topic)
        await room.local_participant.publish_data(b"What was said?", topic=topic)


async def refuse(request: web.Request) -> web.Response:
    """What was asked for, with the words in which it was."""
    return web.Response(status=422, text=f"Nothing is known of {(await request.json())['word']}")


@pytest.fixture
async def shop() -> AsyncIterator[str]:
    """The URL of a tool."""
    app = web.Application()
    app.router.add_post("/", refuse)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}/"


def model(words: Words, chat: Chat) -> str | ToolCall | None:
    if chat.last_user != words.said:
        return None
    was_told = any(message["role"] == "tool" for message in chat.messages)
    return words.answer if was_told else ToolCall("look_up", {"word": words.said})


async def conversation(
    call: Talk, words: Words, providers: Providers, until: Until
) -> tuple[Eavesdropper, sa.Row[Any]]:
    """A greeting, a sentence and an answer, overheard; who listened, and the call when it is over."""
    providers.hear(words.said)
    providers.answer_with(partial(model, words))
    eavesdropper = Eavesdropper(call)
    room = await eavesdropper.listen()  # and hears nothing: the agent greets who does
    async with call.caller() as caller:
        await until(lambda: caller.seconds_heard() > MOST_OF * len(words.greeting))
        await until(caller.agent_listens)
        await caller.say()
        await until(lambda: caller.seconds_heard() > MOST_OF * len(words.greeting + words.answer))
        await ask(room)
        await until(caller.agent_listens)
        with_captions = (await call.row()).agent["features"]["transcription_enabled"]
        await until(lambda: len(eavesdropper.heard) >= len(words) or not with_captions)
        there = room.remote_participants.values()
        assert eavesdropper.voices <= {(one.identity, sid) for one in there for sid in one.track_publications}
        await room.disconnect()
    return eavesdropper, await until(call.ended)


async def tool_calls(call: Talk) -> list[sa.Row[Any]]:
    async with call.database.reading() as connection:
        return await read_tool_calls(connection, call.id)


async def stored(call: Talk) -> str:
    """All that the database has but the agents' configuration, in which the greeting stands."""
    async with call.database.reading() as connection:
        tables = [table for table in metadata.sorted_tables if table.name not in {"agents", "calls"}]
        return "".join([str((await connection.execute(sa.select(table))).all()) for table in tables])


async def without_a_transcript_no_word_leaves_the_agent(
    shop: str, worker: Program, stage: Stage, providers: Providers, until: Until
) -> None:
    log = len(worker.output)
    features = {"transcription_enabled": False}
    call = await stage.call(features=features, first_message=PRIVATE.greeting, **with_tool(shop))
    nothing, row = await conversation(call, PRIVATE, providers, until)
    assert (row.status, row.intelligence_status) == ("completed", "not_started")
    assert await call.transcript() == []
    [asked] = await tool_calls(call)
    assert (asked.status, asked.arguments, asked.error) == ("failed", None, "HTTP status 422")
    kept = await stored(call)
    for text in PRIVATE:
        word = text.rstrip(".").rpartition(" ")[2]
        assert word not in "".join(nothing.got)
        assert word not in kept
        assert word not in worker.output[log:]
    [recording] = await until(call.pieces)
    assert recording.stat().st_size > 1000
    assert len(await turns_of(call)) == 1, "how long the answer took is kept"


async def the_transcript_is_shown_to_those_in_the_room(
    shop: str, stage: Stage, providers: Providers, until: Until
) -> None:
    features = {"transcription_enabled": True}
    call = await stage.call(features=features, first_message=PUBLIC.greeting, **with_tool(shop))
    everything, _row = await conversation(call, PUBLIC, providers, until)
    assert everything.heard == [("agent", PUBLIC.greeting), ("alice", PUBLIC.said), ("agent", PUBLIC.answer)]
    assert len(everything.voices) == 2
    assert [one.text for one in await call.transcript()] == list(PUBLIC)
    [asked] = await tool_calls(call)
    assert (asked.arguments, asked.error) == (
        {"word": PUBLIC.said},
        f"It failed: HTTP status 422: Nothing is known of {PUBLIC.said}.",
    )


def with_tool(shop: str) -> dict[str, Any]:
    return {
        "silence_reminder_s": 60,
        "silence_timeout_s": 120,
        "tools": [{"name": "look_up", "url": shop}],
        "post_call": {"recording": {"enabled": True}, "summary": {"enabled": True}},
        **WITHOUT_A_WORD,
    }


async def test_the_transcript_is_shown_to_those_in_the_room_and_without_one_no_word_of_it_leaves_the_agent(
    worker: Program, shop: str, together: Together
) -> None:
    await together(
        partial(without_a_transcript_no_word_leaves_the_agent, shop, worker),
        partial(the_transcript_is_shown_to_those_in_the_room, shop),
    )

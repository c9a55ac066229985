"""A call from the page Talk, as long as its picture is taken: its room is real, its words are rows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import sqlalchemy as sa
from livekit import api, rtc
from playwright.async_api import Page

from calls.store import CallStore
from calls.tables import participants
from calls.transcript import Segment, write_segments
from calls.workers import leases
from tests.servers import LiveKitServer
from tests.web.pictures.conversations import OPENING
from tests.web.pictures.installation import Installation, spoken


@asynccontextmanager
async def in_conversation(made: Installation, livekit: LiveKitServer, page: Page) -> AsyncIterator[None]:
    """Press the page's button and be answered by an agent, which is in the middle of a sentence."""
    await page.get_by_role("button", name="Start the call").click()
    await page.get_by_text("Waiting for the agent").wait_for()
    [call] = (await made.ask("GET", "/v1/calls?limit=1"))["calls"]
    token = (
        api.AccessToken(livekit.key, livekit.secret)
        .with_identity("agent")
        .with_kind("agent")
        .with_attributes({"lk.agent.state": "speaking"})
        .with_grants(api.VideoGrants(room_join=True, room=call["room_name"]))
    )
    room = rtc.Room()
    await room.connect(livekit.url, token.to_jwt())
    await _say(made, call["id"], spoken(OPENING[:3]))
    yield
    await room.disconnect()


async def _say(made: Installation, call_id: str, said: list[Segment]) -> None:
    *before, last = said
    half = replace(last, text=last.text.partition(" to eleven")[0], is_final=False)
    async with made.db.writing() as conn:
        mine = sa.select(participants.c.room_identity).where(participants.c.call_id == call_id)
        identity = (await conn.execute(mine)).scalar_one()
        token = await leases.take(conn, call_id, "worker", "agent")
        assert token is not None
        store = CallStore(conn)
        await store.agent_joined(call_id, token)
        await store.participant_joined(call_id, identity)
        await store.start(call_id)
        await write_segments(conn, call_id, token, [*before, half])

"""Somebody listens in: hears everything, and is not there for anybody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from livekit import rtc
from livekit.protocol.models import ParticipantInfo

from tests.conftest import Until
from tests.providers import Providers
from tests.worker.caller import LOUD, RATE
from tests.worker.conftest import Stage, Talk

pytestmark = pytest.mark.restless

GREETING = "Hello, this is Ada."


class Listener:
    """In the room with a listener's token: whom it hears, and whether it is still there."""

    def __init__(self, room: rtc.Room) -> None:
        self.room = room
        self.heard: set[str] = set()
        self.is_out = False
        self._ears: list[asyncio.Task[None]] = []
        room.on("track_subscribed", self._subscribed)
        room.on("disconnected", self._disconnected)

    async def hears(self, *identities: str) -> bool:
        return self.heard >= set(identities)

    async def is_put_out(self) -> bool:
        return self.is_out

    async def stop(self) -> None:
        for ear in self._ears:
            ear.cancel()
        await asyncio.gather(*self._ears, return_exceptions=True)
        await self.room.disconnect()

    def _subscribed(
        self, track: rtc.Track, _publication: rtc.RemoteTrackPublication, whose: rtc.RemoteParticipant
    ) -> None:
        self._ears.append(asyncio.create_task(self._listen(track, whose.identity)))

    def _disconnected(self, _reason: object) -> None:
        self.is_out = True

    async def _listen(self, track: rtc.Track, identity: str) -> None:
        async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1):
            if np.abs(np.frombuffer(event.frame.data, np.int16)).max(initial=0) > LOUD * 32768:
                self.heard.add(identity)


@asynccontextmanager
async def listening(talk: Talk, identity: str = "listener-1") -> AsyncIterator[Listener]:
    listener = Listener(rtc.Room())
    await listener.room.connect(talk.settings.livekit_url, talk.rooms.listener_token(talk.room, identity))
    yield listener
    await listener.stop()


async def test_a_listener_hears_both_is_seen_by_nobody_and_keeps_no_call_alive(
    stage: Stage, providers: Providers, until: Until
):
    providers.hear_with(lambda _utterance: "Who is there?")
    providers.answer_with(lambda _chat: "It is me.")
    talk = await stage.call(first_message=GREETING)
    async with talk.caller() as caller:
        await until(lambda: talk.has_status("in_progress"), 60)
        async with listening(talk) as listener:
            (agent,) = [one.identity for one in caller.room.remote_participants.values()]
            async with asyncio.timeout(60):
                while not await listener.hears("alice", agent):  # on a busy machine it comes after the greeting
                    heard = caller.seconds_heard()
                    await caller.say(1)
                    await until(lambda heard=heard: caller.seconds_heard() > heard)
            assert "listener-1" not in caller.room.remote_participants
            there = {one.identity: one for one in await talk.rooms.list_participants(talk.room)}
            assert there["listener-1"].kind == ParticipantInfo.AGENT
            mine = there["listener-1"].permission
            assert (mine.hidden, mine.can_subscribe) == (True, True)
            assert (mine.can_publish, mine.can_publish_data, mine.can_update_metadata) == (False, False, False)

            await caller.hang_up()
            ended = await until(talk.ended, 60)
            await until(listener.is_put_out, 60)
    assert (ended.end_reason, ended.participant_count) == ("caller_hung_up", 1)
    assert not any("listener-1" in str(event.data) for event in await talk.events())

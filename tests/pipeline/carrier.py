"""A phone network without sound, before a real LiveKit server, for tests that call more phones than can be heard.

LiveKit's request for a phone is answered as its bridge answers it, and nobody comes into the room.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Self

from livekit import api

from tests.servers import LiveKitServer
from tests.telephony.proxy import Fault, Proxy
from tests.telephony.sip import OK, Refused


class Carrier:
    """Counts how often each number rang, and how many calls there were at once.

    Args:
        manners: how a number takes a call: the SIP code of its answer.
        on_answered: what becomes of an answered call, given the room and the name in it: it lasts as long as that.
    """

    def __init__(
        self,
        livekit: LiveKitServer,
        manners: Callable[[str], Awaitable[int]],
        on_answered: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self.rings: Counter[str] = Counter()
        self.callers: set[str] = set()
        self.most_at_once = 0
        self.at_once = 0
        self._manners = manners
        self._on_answered = on_answered
        self._talks: set[asyncio.Task[None]] = set()
        own = {"livekit.SIP/CreateSIPParticipant": (api.CreateSIPParticipantRequest, self._invite)}
        self._proxy = Proxy(livekit, own)
        self.livekit_url = self._proxy.url

    async def __aenter__(self) -> Self:
        await self._proxy.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.gather(*self._talks)
        await self._proxy.__aexit__(*exc)

    async def _invite(self, asked: api.CreateSIPParticipantRequest) -> api.SIPParticipantInfo:
        if not asked.sip_trunk_id:
            raise Fault("invalid_argument", "invalid trunk hostname")
        self.rings[asked.sip_call_to] += 1
        self.callers.add(asked.sip_number)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        code = await self._manners(asked.sip_call_to)
        if code != OK:
            self.at_once -= 1
            raise Refused(code).fault
        talk = asyncio.create_task(self._talk(asked.room_name, asked.participant_identity))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)
        return api.SIPParticipantInfo(room_name=asked.room_name, participant_identity=asked.participant_identity)

    async def _talk(self, room_name: str, identity: str) -> None:
        try:
            await self._on_answered(room_name, identity)
        finally:
            self.at_once -= 1

"""LiveKit's SIP bridge in our words: a phone is called, and in the end we are told what became of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from livekit import api

from calls.rooms import server_api
from calls.settings import Settings
from calls.states import EndReason

# What the other side's answer means for a call. Everything else below 500 is a refusal, from 500 on trouble on the way.
_ANSWERS = {
    404: EndReason.INVALID_NUMBER,
    408: EndReason.NO_ANSWER,
    410: EndReason.INVALID_NUMBER,
    480: EndReason.NO_ANSWER,
    484: EndReason.INVALID_NUMBER,
    485: EndReason.INVALID_NUMBER,
    486: EndReason.BUSY,
    487: EndReason.CANCELED,
    488: EndReason.NETWORK_ERROR,
    600: EndReason.BUSY,
    603: EndReason.REJECTED,
    604: EndReason.INVALID_NUMBER,
    607: EndReason.REJECTED,
}
_TROUBLE = range(500, 600)


@dataclass(frozen=True)
class Invitation:
    """Whom to call, over which trunk of LiveKit's, and where to: numbers in E.164, seconds that it may ring."""

    trunk_id: str
    number: str
    from_number: str
    room_name: str
    room_identity: str
    name: str
    ring_s: float


class Unanswered(Exception):
    """Nobody picked up.

    `reason` is None where it depends on whether the phone rang; `sip_status` is the code that came back, if one did.
    """

    def __init__(self, reason: EndReason | None, sip_status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sip_status = sip_status

    @property
    def data(self) -> dict[str, Any]:
        """What an event tells of it."""
        return {} if self.sip_status is None else {"sip_status": self.sip_status}


class AnswerLost(Exception):
    """The phone may be called, or not: who asked for it was told nothing."""


class Bridge:
    """The SIP side of one LiveKit server."""

    def __init__(self, livekit: api.LiveKitAPI) -> None:
        self._livekit = livekit

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator["Bridge"]:
        """For the length of the block, with as many connections as phones ring."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            # Without failover: a request that is sent again calls again.
            yield cls(server_api(settings, session=session, failover=False))

    async def call(self, whom: Invitation) -> None:
        """Return when the phone is answered. Who stops waiting for that does not stop the ringing.

        Raises:
            Unanswered: it was not.
            AnswerLost: it rings, or is answered, or was never called.
        """
        request = api.CreateSIPParticipantRequest(
            sip_trunk_id=whom.trunk_id,
            sip_call_to=whom.number,
            sip_number=whom.from_number,
            room_name=whom.room_name,
            participant_identity=whom.room_identity,
            participant_name=whom.name,
            hide_phone_number=True,  # a browser in the same room is not to read it
            wait_until_answered=True,  # without it, the code of a refusal is nowhere to be had
        )
        request.ringing_timeout.FromMilliseconds(round(whom.ring_s * 1000))
        try:
            await self._livekit.sip.create_sip_participant(request)
        except api.TwirpError as error:
            raise _unanswered(error) from error
        except aiohttp.ClientConnectorError as error:  # it was never asked for
            raise Unanswered(None) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise AnswerLost from error


def _unanswered(error: api.TwirpError) -> Unanswered:
    code = error.sip_status_code if isinstance(error, api.SipCallError) else None
    if code is not None:
        other = EndReason.NETWORK_ERROR if code in _TROUBLE else EndReason.REJECTED
        return Unanswered(_ANSWERS.get(code, other), code)
    # A time-out, an address where nobody is, and a call that we gave up ourselves are told in the same words.
    return Unanswered(None if error.code == api.TwirpErrorCode.CANCELED else EndReason.TELEPHONY_UNAVAILABLE)

"""What an agent can do with the phones of its room: press keys for them, and send one of them elsewhere."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Protocol

import aiohttp
from livekit import api, rtc
from livekit.agents import utils

from calls.events import EventKind
from calls.rooms import REQUEST_TIMEOUT_S, server_api
from calls.settings import Settings
from calls.states import EndReason
from worker.room.presence import SIP_STATUS, Presence

KEY_S = 0.3  # from one key to the next; the bridge takes a quarter of a second for each
PAUSE = "w"
PAUSE_S = 0.5
LEAVES_S = 5.0  # a phone that was sent on is out of the room by then
# The bridge hangs up on a phone a second after it has told that it is sent on; who is gone sooner hung up before that.
BY_ITSELF_S = 0.9
LOOK_S = 0.05


class NotTransferred(Exception):
    """The phone is where it was, or hung up; `sip_status` is the code that came back, if one did."""

    def __init__(self, sip_status: int | None) -> None:
        super().__init__(sip_status)
        self.sip_status = sip_status


class Note(Protocol):
    """Writes into the call's event log, about a phone if its name in the room is given."""

    def __call__(
        self,
        kind: EventKind,
        message: str,
        *,
        phone: str | None = None,
        level: str = "info",
        data: dict[str, Any] | None = None,
    ) -> None: ...


class Phones:
    """The phones of a call's room that were answered.

    Args:
        presence: who is there.
        last_speaker: the name in the room of the one who spoke last.
        note: told what is done.
        written: what an event may tell of the keys that were pressed.
    """

    def __init__(
        self,
        room: rtc.Room,
        settings: Settings,
        presence: Presence,
        last_speaker: Callable[[], str | None],
        note: Note,
        written: Callable[[str], dict[str, Any]],
    ) -> None:
        self._room = room
        self._settings = settings
        self._presence = presence
        self._last_speaker = last_speaker
        self._note = note
        self._written = written
        self._sending: asyncio.Future[EndReason | None] | None = None
        self._taken_up: str | None = None  # the phone of a transfer of whose end no speaker knows yet
        self._following: asyncio.Task[None] | None = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(self._presence.phones)

    @property
    def in_question(self) -> str | None:
        """The only one, or the one that was spoken into last; None if it is neither."""
        phones = self._presence.phones
        last = self._last_speaker()
        return phones[0] if len(phones) == 1 else last if last in phones else None

    @property
    def is_sending(self) -> bool:
        """Whether a phone may be on its way elsewhere."""
        return self._sending is not None and not self._sending.done()

    def is_here(self, phone: str) -> bool:
        """Whether it is still in the room."""
        return phone in self._presence.phones

    async def press(self, keys: str) -> None:
        """Press these keys for every phone to hear, `w` being a pause, and return when that is done."""
        for key in keys:
            if key == PAUSE:
                await asyncio.sleep(PAUSE_S)
                continue
            # Only the digit counts for the bridge, the code does not.
            await self._room.local_participant.publish_dtmf(code=0, digit=key.lower())
            await asyncio.sleep(KEY_S)
        self._note(EventKind.DTMF_SENT, "The agent pressed keys", data=self._written(keys.replace(PAUSE, "")))

    async def transfer(self, phone: str, to: str) -> None:
        """Send a phone to a number in E.164 or a SIP address, by REFER; return when it is gone there.

        Raises:
            NotTransferred: it is not.
        """
        who = self._room.remote_participants.get(phone)
        if who is None:
            raise NotTransferred(None)
        why = self._explain(phone)
        self._note(EventKind.TRANSFER_STARTED, "The caller is to be transferred", phone=phone)
        try:
            await self._refer(who, to)
        except NotTransferred as failed:
            self._fail(phone, failed.sip_status)
            raise
        else:
            self._complete(phone, why)
        finally:
            if not why.done():
                why.set_result(None)

    def take_up(self, phone: str, since: datetime, now: datetime) -> None:
        """See to the end what an agent that was lost began: who leaves while the other one's phone may ring is there.

        To be called before anybody is seen to go.
        """
        why = self._explain(phone)
        self._taken_up = phone
        left_s = (since - now).total_seconds() + self._settings.ring_timeout_s + LEAVES_S
        who = self._room.remote_participants.get(phone)
        if who is not None:
            self._following = asyncio.create_task(self._follow(who, why, left_s), name="transfer")
        elif left_s > 0:
            self._complete(phone, why)
        else:
            self._fail(phone, None)
            why.set_result(None)

    async def outlast(self) -> bool | None:
        """Wait for the end of the transfer that was taken up; whether the phone is still here, to be asked once.

        None if there was none.
        """
        phone, self._taken_up = self._taken_up, None
        if phone is None or self._sending is None:
            return None
        return await asyncio.shield(self._sending) is None and self.is_here(phone)

    def close(self) -> None:
        """Wait for no phone any more."""
        if self._following is not None:
            self._following.cancel()

    def _explain(self, phone: str) -> asyncio.Future[EndReason | None]:
        why: asyncio.Future[EndReason | None] = asyncio.get_running_loop().create_future()
        self._presence.explain(phone, why)
        self._sending = why
        return why

    async def _follow(self, who: rtc.RemoteParticipant, why: asyncio.Future[EndReason | None], within_s: float) -> None:
        if await self._left(who, within_s):
            self._complete(who.identity, why)
        else:
            self._fail(who.identity, None)
            why.set_result(None)

    def _complete(self, phone: str, why: asyncio.Future[EndReason | None]) -> None:
        self._note(EventKind.TRANSFER_COMPLETED, "The caller was transferred", phone=phone)
        why.set_result(EndReason.TRANSFERRED)

    def _fail(self, phone: str, sip_status: int | None) -> None:
        data = {} if sip_status is None else {"sip_status": sip_status}
        message = "The caller was not transferred"
        self._note(EventKind.TRANSFER_FAILED, message, phone=phone, level="warning", data=data)

    async def _refer(self, phone: rtc.RemoteParticipant, to: str) -> None:
        request = api.TransferSIPParticipantRequest(
            room_name=self._room.name,
            participant_identity=phone.identity,
            transfer_to=f"tel:{to}" if to.startswith("+") else to,
            play_dialtone=True,  # else the caller would hear nothing until somebody answers
        )
        request.ringing_timeout.FromMilliseconds(round(self._settings.ring_timeout_s * 1000))
        try:
            # Without failover: a request that is sent again transfers again.
            async with server_api(self._settings, failover=False) as livekit:
                unanswered_at = await _answered(livekit.sip.transfer_sip_participant(request))
                # A phone that is gone proves nothing when this process, or LiveKit, was slow to look.
                gone = await self._is_gone(livekit, phone)
                hung_up = gone and asyncio.get_running_loop().time() - unanswered_at < BY_ITSELF_S
        except api.TwirpError as error:
            raise NotTransferred(error.sip_status_code if isinstance(error, api.SipCallError) else None) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotTransferred(None) from error
        # An answer without an error is no proof: it also comes when the phone hangs up, or leaves for another reason.
        if hung_up or not await self._left(phone, LEAVES_S):
            raise NotTransferred(None)

    async def _is_gone(self, livekit: api.LiveKitAPI, phone: rtc.RemoteParticipant) -> bool:
        """Whether a phone is known to go, or to be gone."""
        whose = api.RoomParticipantIdentity(room=self._room.name, identity=phone.identity)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                listed = await livekit.room.get_participant(whose)
        except api.TwirpError as error:
            return error.code == api.TwirpErrorCode.NOT_FOUND
        except (aiohttp.ClientError, TimeoutError):
            return False
        return listed.attributes.get(SIP_STATUS) == "hangup"

    async def _left(self, who: rtc.RemoteParticipant, within_s: float) -> bool:
        """Whether it leaves by then as a phone does that goes elsewhere, and not because somebody put it out."""
        for _ in range(max(round(within_s / LOOK_S), 1)):
            if who.identity not in self._room.remote_participants:
                return who.disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED
            await asyncio.sleep(LOOK_S)
        return False


async def _answered(request: Coroutine[Any, Any, object]) -> float:
    """Wait for the answer; the time by the loop's clock at which it was not there yet, however late it is read."""
    loop = asyncio.get_running_loop()
    asking = asyncio.create_task(request)
    unanswered_at = looked_at = loop.time()
    try:
        while not asking.done():
            # One look back: what is here already may need a moment to be read.
            unanswered_at, looked_at = looked_at, loop.time()
            await asyncio.wait({asking}, timeout=LOOK_S)
        await asking
    finally:
        await utils.aio.cancel_and_wait(asking)
    return unanswered_at

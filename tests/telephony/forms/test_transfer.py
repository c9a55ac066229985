"""Phones that are sent on."""

import asyncio
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from livekit import api

from tests.telephony import FORMS, Phone, State
from tests.telephony.forms.watcher import (
    BERLIN,
    HIGH,
    PARIS,
    ROOM,
    Reason,
    left,
)
from tests.telephony.sound import LOUDNESS, loudness_of, tone

pytestmark = [pytest.mark.restless, pytest.mark.skipif("bridge" not in FORMS, reason="needs livekit-sip")]


class TestTransfer:
    @pytest.fixture
    async def phone(self, network, dial, until) -> Phone:
        """One that is in a call."""
        phone: Phone = await network.phone(BERLIN)
        await dial(BERLIN, wait_until_answered=True)
        await until(lambda: phone.state is State.ANSWERED)
        return phone

    @pytest.fixture
    def transfer(self, livekit_api):
        async def send(to: str = f"tel:{PARIS}", *, identity: str = "phone", within_s: int = 20) -> Any:
            return await livekit_api.sip.transfer_sip_participant(
                api.TransferSIPParticipantRequest(
                    room_name=ROOM,
                    participant_identity=identity,
                    transfer_to=to,
                    ringing_timeout=Duration(seconds=within_s),
                )
            )

        return send

    async def test_a_transfer_ends_the_call_here_and_goes_on_there(self, network, phone, transfer, watcher, until):
        target = await network.phone(PARIS, answers_after_s=0.5)
        await transfer()
        await until(lambda: target.state is State.ANSWERED)
        assert target.rings == [BERLIN]
        seen = await left(watcher, until)
        assert (seen.statuses[-1], seen.reason) == ("hangup", Reason.CLIENT_INITIATED)
        assert (phone.state, target.state) == (State.ANSWERED, State.ANSWERED)
        await phone.hang_up()
        await until(lambda: target.state is State.ENDED)

    async def test_a_busy_target_leaves_the_call_as_it_was(self, network, phone, transfer, watcher, until):
        await network.phone(PARIS, declines_with=486)
        with pytest.raises(api.SipCallError) as busy:
            await transfer()
        assert busy.value.sip_status_code == 486
        await watcher.speak(tone(HIGH, 20))
        await until(lambda: loudness_of(HIGH, phone.heard) > LOUDNESS / 2)
        assert phone.state is State.ANSWERED

    async def test_a_phone_may_refuse(self, phone, transfer):
        phone.transfers_with = 603
        with pytest.raises(api.SipCallError) as refused:
            await transfer()
        assert refused.value.sip_status_code == 603
        assert phone.state is State.ANSWERED

    async def test_a_phone_that_says_nothing_more_of_it_is_given_up(self, phone, transfer):
        phone.transfers_with = None
        with pytest.raises(api.ServerError) as late:
            await transfer(within_s=1)
        assert not isinstance(late.value, api.SipCallError)
        assert late.value.code == "deadline_exceeded"
        assert phone.state is State.ANSWERED

    async def test_who_is_removed_meanwhile_counts_as_transferred(self, phone, transfer, livekit_api):
        phone.transfers_with = None
        waiting = asyncio.create_task(transfer())
        await asyncio.sleep(0.5)
        assert not waiting.done()
        await livekit_api.room.remove_participant(api.RoomParticipantIdentity(room=ROOM, identity="phone"))
        await waiting

    @pytest.mark.usefixtures("phone")
    @pytest.mark.parametrize(
        ("wrong", "code"), [({"to": PARIS}, "invalid_argument"), ({"identity": "nobody"}, "not_found")]
    )
    async def test_what_cannot_be_transferred_is_said_at_once(self, transfer, wrong, code):
        with pytest.raises(api.ServerError) as refused:
            await transfer(**wrong)
        assert refused.value.code == code

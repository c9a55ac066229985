"""Phones that are called."""

import asyncio

import pytest
from livekit import api, rtc

from tests.servers import free_port
from tests.telephony import FORMS, State
from tests.telephony.forms.watcher import (
    BERLIN,
    HIGH,
    OURS,
    PARIS,
    ROOM,
    Reason,
    assert_called_off,
    left,
)
from tests.telephony.sound import LOUDNESS, loudness_of, seconds_of_sound, tone

pytestmark = [pytest.mark.restless, pytest.mark.skipif("bridge" not in FORMS, reason="needs livekit-sip")]


class TestOutbound:
    async def test_a_call_is_dialing_then_ringing_then_active_then_hung_up(self, network, dial, watcher, until):
        phone = await network.phone(BERLIN, answers_after_s=0.3)
        made = await dial(BERLIN)
        assert (made.participant_identity, made.room_name) == ("phone", ROOM)
        await until(lambda: phone.state is State.ANSWERED)
        await until(lambda: watcher.seen[0].statuses[-1] == "active")
        assert phone.rings == [OURS]
        await phone.hang_up()
        seen = await left(watcher, until)
        assert seen.statuses in (["dialing", "ringing", "active", "hangup"], ["ringing", "active", "hangup"])
        assert (seen.kind, seen.reason) == (rtc.ParticipantKind.PARTICIPANT_KIND_SIP, Reason.CLIENT_INITIATED)
        shown = {name.removeprefix("sip."): value for name, value in seen.attributes.items()}
        assert (shown["phoneNumber"], shown["trunkPhoneNumber"], shown["callID"]) == (BERLIN, OURS, made.sip_call_id)
        assert shown["callIDFull"]
        assert shown["callTag"]

    async def test_who_waits_for_the_answer_gets_it_then(self, network, dial, until):
        phone = await network.phone(BERLIN, answers_after_s=None)
        waiting = asyncio.create_task(dial(BERLIN, wait_until_answered=True))
        await until(lambda: phone.state is State.RINGING)
        await asyncio.sleep(0.5)
        assert not waiting.done()
        await phone.answer()
        await waiting
        await until(lambda: phone.state is State.ANSWERED)

    @pytest.mark.parametrize(
        ("code", "twirp", "reason"),
        [
            (486, "resource_exhausted", Reason.USER_REJECTED),
            (603, "permission_denied", Reason.USER_REJECTED),
            (480, "resource_exhausted", Reason.USER_UNAVAILABLE),
            (503, "failed_precondition", Reason.CLIENT_INITIATED),
        ],
    )
    async def test_a_refusal_has_its_code_only_for_who_waits(self, network, dial, watcher, until, code, twirp, reason):
        phone = await network.phone(BERLIN, declines_with=code)
        with pytest.raises(api.SipCallError) as refused:
            await dial(BERLIN, wait_until_answered=True)
        assert (refused.value.sip_status_code, refused.value.code) == (code, twirp)
        await until(lambda: phone.state is State.ENDED)
        await dial(BERLIN, "again")
        await until(lambda: len(watcher.seen) == 2 and all(seen.gone for seen in watcher.seen))
        assert [seen.reason for seen in watcher.seen] == [reason, reason]
        assert all(seen.statuses[-1] == "ringing" for seen in watcher.seen)
        assert phone.rings == [OURS, OURS]

    async def test_a_number_that_nobody_has_is_not_found(self, dial, watcher, until):
        with pytest.raises(api.SipCallError) as unknown:
            await dial(BERLIN, wait_until_answered=True)
        assert unknown.value.sip_status_code == 404
        seen = await left(watcher, until)
        assert (seen.statuses, seen.reason) == (["dialing"], Reason.USER_UNAVAILABLE)

    async def test_a_phone_in_a_call_is_busy(self, network, dial, until):
        phone = await network.phone(BERLIN)
        await dial(BERLIN, wait_until_answered=True)
        await until(lambda: phone.state is State.ANSWERED)
        with pytest.raises(api.SipCallError) as busy:
            await dial(BERLIN, "second", wait_until_answered=True)
        assert busy.value.sip_status_code == 486
        assert phone.state is State.ANSWERED
        assert phone.rings == [OURS]

    async def test_a_ring_that_takes_too_long_is_called_off(self, network, dial, watcher, until):
        phone = await network.phone(BERLIN, answers_after_s=None)
        with pytest.raises(api.ServerError) as late:
            await dial(BERLIN, wait_until_answered=True, ringing_timeout=1)
        assert_called_off(late.value)
        await until(lambda: phone.state is State.ENDED)
        seen = await left(watcher, until)
        assert (seen.statuses[-1], seen.reason) == ("ringing", Reason.USER_UNAVAILABLE)

    async def test_where_nobody_answers_at_the_trunk_it_stays_dialing(self, network, dial, trunk_to, watcher, until):
        phone = await network.phone(BERLIN)
        nowhere = await trunk_to(f"127.0.0.1:{free_port()}")
        with pytest.raises(api.ServerError) as unreachable:
            await dial(BERLIN, sip_trunk_id=nowhere, wait_until_answered=True, ringing_timeout=1)
        assert_called_off(unreachable.value)
        seen = await left(watcher, until)
        assert (seen.statuses, seen.reason) == (["dialing"], Reason.USER_UNAVAILABLE)
        assert phone.rings == []

    async def test_a_trunk_with_a_wrong_login_is_refused(self, network, dial, trunk_to):
        phone = await network.phone(BERLIN)
        wrong = await trunk_to(network.trunk.address, password="wrong")
        with pytest.raises(api.SipCallError) as refused:
            await dial(BERLIN, sip_trunk_id=wrong, wait_until_answered=True)
        assert refused.value.sip_status_code == 403
        assert phone.rings == []

    @pytest.mark.parametrize(
        ("wrong", "code"),
        [
            ({"sip_trunk_id": "ST_unknown"}, "not_found"),
            ({"sip_call_to": ""}, "invalid_argument"),
            ({"sip_call_to": "sip:ada@example.com"}, "invalid_argument"),
            ({"room_name": ""}, "invalid_argument"),
        ],
    )
    async def test_what_cannot_be_dialled_is_said_at_once(self, dial, wrong, code):
        with pytest.raises(api.ServerError) as refused:
            await dial(BERLIN, **wrong)
        assert refused.value.code == code

    async def test_removing_a_ringing_phone_calls_it_off(self, network, dial, livekit_api, watcher, until):
        phone = await network.phone(BERLIN, answers_after_s=None)
        waiting = asyncio.create_task(dial(BERLIN, wait_until_answered=True))
        await until(lambda: phone.state is State.RINGING)
        await until(lambda: watcher.seen and watcher.seen[0].statuses[-1] == "ringing")
        await livekit_api.room.remove_participant(api.RoomParticipantIdentity(room=ROOM, identity="phone"))
        with pytest.raises(api.ServerError) as cancelled:
            await waiting
        assert_called_off(cancelled.value)
        await until(lambda: phone.state is State.ENDED)
        seen = await left(watcher, until)
        assert (seen.statuses[-1], seen.reason) == ("ringing", Reason.PARTICIPANT_REMOVED)

    @pytest.mark.parametrize("answers_after_s", [None, 0])
    async def test_deleting_the_room_ends_the_call(self, network, dial, livekit_api, until, answers_after_s):
        phone = await network.phone(BERLIN, answers_after_s=answers_after_s)
        await dial(BERLIN)
        state = State.RINGING if answers_after_s is None else State.ANSWERED
        await until(lambda: phone.state is state)
        await livekit_api.room.delete_room(api.DeleteRoomRequest(room=ROOM))
        await until(lambda: phone.state is State.ENDED)

    @pytest.mark.parametrize("early_s", [-0.01, 0, 0.01])
    async def test_a_call_called_off_as_it_is_answered_does_not_stay_up(
        self, network, dial, livekit_api, until, early_s
    ):
        phone = await network.phone(BERLIN, answers_after_s=None)
        waiting = asyncio.create_task(dial(BERLIN, wait_until_answered=True))
        await until(lambda: phone.state is State.RINGING)

        async def answer() -> None:
            await asyncio.sleep(max(early_s, 0))
            await phone.answer()

        answering = asyncio.create_task(answer())
        await asyncio.sleep(max(-early_s, 0))
        await livekit_api.room.remove_participant(api.RoomParticipantIdentity(room=ROOM, identity="phone"))
        await asyncio.gather(answering, waiting, return_exceptions=True)
        await until(lambda: phone.state is State.ENDED)

    async def test_the_same_identity_throws_the_first_call_out(self, network, dial, watcher, until):
        first, second = await network.phone(BERLIN), await network.phone(PARIS)
        await dial(BERLIN, wait_until_answered=True)
        await dial(PARIS, wait_until_answered=True)
        await until(lambda: (first.state, second.state) == (State.ENDED, State.ANSWERED))
        await until(lambda: len(watcher.seen) == 2)

    async def test_the_longest_duration_counts_from_the_invite(self, network, dial, watcher, until):
        phone = await network.phone(BERLIN, answers_after_s=1)
        loop = asyncio.get_running_loop()
        await dial(BERLIN, max_call_duration=2)
        began = loop.time()
        await until(lambda: phone.state is State.ANSWERED)
        await until(lambda: phone.state is State.ENDED)
        assert loop.time() - began == pytest.approx(2, abs=0.5)
        seen = await left(watcher, until)
        assert (seen.statuses[-1], seen.reason) == ("hangup", Reason.CLIENT_INITIATED)

    async def test_nothing_is_heard_before_the_answer(self, network, dial, watcher, until):
        phone = await network.phone(BERLIN, answers_after_s=1.5)
        await watcher.speak(tone(HIGH, 20))
        await dial(BERLIN)
        await until(lambda: watcher.seen and watcher.seen[0].heard)  # the track is there while it rings
        assert (phone.state, len(phone.heard)) == (State.RINGING, 0)
        assert seconds_of_sound(watcher.seen[0].sound) == 0
        await until(lambda: phone.state is State.ANSWERED)
        await until(lambda: loudness_of(HIGH, phone.heard) > LOUDNESS / 2)

"""What the other tests rely on of the phone network, on the stand-in and on the real bridge alike.

It compares the two, so it runs where the bridge is.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from livekit import api, rtc

from tests.servers import free_port
from tests.telephony import FORMS, Phone, PhoneNetwork, State
from tests.telephony.sound import AUDIBLE, LOUDNESS, RATE, Pcm, loudness_of, seconds_of_sound, tone

pytestmark = [pytest.mark.restless, pytest.mark.skipif("bridge" not in FORMS, reason="needs livekit-sip")]

ROOM = "a-call"
OURS = "+4930888"
BERLIN = "+4930111"
PARIS = "+33140111222"
LOW, MIDDLE, HIGH = 440, 600, 1000
Reason = rtc.DisconnectReason
Dial = Callable[..., Awaitable[api.SIPParticipantInfo]]


@dataclass
class Seen:
    """One participant, as another one in the room sees it."""

    kind: int
    attributes: dict[str, str]
    statuses: list[str] = field(default_factory=list)
    reason: int | None = None  # why it left
    gone: bool = False
    digits: str = ""
    heard: list[Pcm] = field(default_factory=list)

    @property
    def sound(self) -> Pcm:
        return np.concatenate([np.zeros(0, np.int16), *self.heard])


class Watcher:
    """Somebody in the room with a microphone, but only once they speak."""

    def __init__(self, network: PhoneNetwork, room: str) -> None:
        self.room = rtc.Room()
        self.seen: list[Seen] = []
        self._now: dict[str, Seen] = {}
        self._url = network.livekit_url
        grants = api.VideoGrants(room_join=True, room=room)
        token = api.AccessToken(network.key, network.secret).with_identity("watcher").with_grants(grants)
        self._token = token.to_jwt()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.room.on("participant_connected", self._came)
        self.room.on("participant_attributes_changed", self._changed)
        self.room.on("participant_disconnected", self._left)
        self.room.on("sip_dtmf_received", self._pressed)
        self.room.on("track_subscribed", self._subscribed)
        await self.room.connect(self._url, self._token)
        for participant in self.room.remote_participants.values():
            self._came(participant)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.room.disconnect()

    async def speak(self, pcm: Pcm) -> None:
        """Publish a microphone, and say that."""
        source = rtc.AudioSource(RATE, 1, queue_size_ms=60_000)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self.room.local_participant.publish_track(track, options)
        await source.capture_frame(rtc.AudioFrame(pcm.tobytes(), RATE, 1, len(pcm)))

    def _came(self, who: rtc.RemoteParticipant) -> None:
        self._now[who.identity] = seen = Seen(who.kind, dict(who.attributes))
        self.seen.append(seen)
        seen.statuses.append(who.attributes.get("sip.callStatus", ""))

    def _changed(self, changed: dict[str, str], who: rtc.Participant) -> None:
        seen = self._now[who.identity]
        seen.attributes |= changed
        if "sip.callStatus" in changed:
            seen.statuses.append(changed["sip.callStatus"])

    def _left(self, who: rtc.RemoteParticipant) -> None:
        seen = self._now[who.identity]
        seen.reason, seen.gone = who.disconnect_reason, True

    def _pressed(self, pressed: rtc.SipDTMF) -> None:
        assert pressed.participant is not None
        self._now[pressed.participant.identity].digits += pressed.digit

    def _subscribed(self, track: rtc.RemoteTrack, _publication: object, who: rtc.RemoteParticipant) -> None:
        self._tasks.append(asyncio.create_task(self._listen(track, self._now[who.identity].heard)))

    async def _listen(self, track: rtc.RemoteTrack, heard: list[Pcm]) -> None:
        stream = rtc.AudioStream.from_track(track=track, sample_rate=RATE, num_channels=1, frame_size_ms=20)
        try:
            async for event in stream:
                heard.append(np.frombuffer(event.frame.data, np.int16))  # noqa: PERF401  each as it comes
        finally:
            await stream.aclose()


@pytest.fixture
async def livekit_api(network: PhoneNetwork) -> AsyncIterator[api.LiveKitAPI]:
    async with network.livekit() as livekit:
        yield livekit


@pytest.fixture
async def trunk_to(network: PhoneNetwork, livekit_api: api.LiveKitAPI) -> Callable[..., Awaitable[str]]:
    """`await trunk_to(address)`: the id of an outbound trunk with our number and the login that is known there."""

    async def make(address: str, password: str = network.trunk.password) -> str:
        trunk = api.SIPOutboundTrunkInfo(
            name="out",
            address=address,
            numbers=[OURS],
            transport=api.SIPTransport.SIP_TRANSPORT_UDP,
            auth_username=network.trunk.username,
            auth_password=password,
        )
        made = await livekit_api.sip.create_outbound_trunk(api.CreateSIPOutboundTrunkRequest(trunk=trunk))
        return made.sip_trunk_id

    return make


@pytest.fixture
async def dial(network: PhoneNetwork, livekit_api: api.LiveKitAPI, trunk_to: Callable[..., Awaitable[str]]) -> Dial:
    """`await dial(number)`: what LiveKit answers to a request for that call, into ROOM."""
    trunk = await trunk_to(network.trunk.address)

    async def create(number: str, identity: str = "phone", **options: Any) -> api.SIPParticipantInfo:
        for name in ("ringing_timeout", "max_call_duration"):
            if name in options:
                options[name] = Duration(nanos=int(options[name] % 1 * 1e9), seconds=int(options[name]))
        asked: dict[str, Any] = {"sip_trunk_id": trunk, "sip_call_to": number, "room_name": ROOM}
        request = api.CreateSIPParticipantRequest(**(asked | {"participant_identity": identity} | options))
        return await livekit_api.sip.create_sip_participant(request)

    return create


@pytest.fixture
async def watcher(network: PhoneNetwork) -> AsyncIterator[Watcher]:
    async with Watcher(network, ROOM) as watching:
        yield watching


async def left(watcher: Watcher, until: Any) -> Seen:
    """The only one that has been there, once it is gone. The server tells others some seconds late."""
    await until(lambda: watcher.seen and watcher.seen[-1].gone)
    (seen,) = watcher.seen
    return seen


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


class TestInTheCall:
    async def test_two_phones_hear_each_other_and_the_room_but_not_themselves(self, network, dial, watcher, until):
        berlin = await network.phone(BERLIN, says=tone(LOW, 30))
        paris = await network.phone(PARIS, says=tone(MIDDLE, 30))
        await watcher.speak(tone(HIGH, 40))
        await asyncio.gather(*(dial(number, number, wait_until_answered=True) for number in (BERLIN, PARIS)))

        def heard(phone: Phone) -> list[bool]:
            return [loudness_of(pitch, phone.heard) > LOUDNESS / 2 for pitch in (LOW, MIDDLE, HIGH)]

        await until(lambda: heard(berlin) == [False, True, True])
        await until(lambda: heard(paris) == [True, False, True])
        assert loudness_of(LOW, berlin.heard) < AUDIBLE
        assert loudness_of(MIDDLE, paris.heard) < AUDIBLE
        by_number = {seen.attributes["sip.phoneNumber"]: seen for seen in watcher.seen}
        for number, pitch in ((BERLIN, LOW), (PARIS, MIDDLE)):
            await until(lambda n=number, p=pitch: loudness_of(p, by_number[n].sound) > LOUDNESS / 2)

    async def test_where_nobody_speaks_there_is_silence(self, network, dial, until):
        phone = await network.phone(BERLIN)
        await dial(BERLIN, wait_until_answered=True)
        await until(lambda: len(phone.heard) > RATE / 2)
        assert seconds_of_sound(phone.heard) == 0

    async def test_keys_are_heard_both_ways(self, network, dial, watcher, until):
        phone = await network.phone(BERLIN)
        await dial(BERLIN, wait_until_answered=True)
        await until(lambda: watcher.seen)
        await phone.press("12#*")
        await until(lambda: watcher.seen[0].digits == "12#*")
        for digit in "5*9":
            await watcher.room.local_participant.publish_dtmf(code=99, digit=digit)  # the code makes no difference
        await until(lambda: phone.digits == "5*9")

    async def test_digits_that_a_dial_asks_for_are_sent_before_it_is_active(self, network, dial, watcher, until):
        phone = await network.phone(BERLIN)
        await dial(BERLIN, dtmf="w7#")
        await until(lambda: watcher.seen and watcher.seen[0].statuses[-1] == "active")
        assert watcher.seen[0].statuses[-2:] == ["automation", "active"]
        await until(lambda: phone.digits == "7#")


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


class TestInbound:
    @pytest.fixture(autouse=True)
    async def trunk(self, livekit_api: api.LiveKitAPI) -> api.SIPInboundTrunkInfo:
        """It takes calls to our number, in two spellings, from this machine."""
        info = api.SIPInboundTrunkInfo(name="in", numbers=[OURS, "030888"], allowed_addresses=["127.0.0.1"])
        made = await livekit_api.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=info))
        rule = api.SIPDispatchRuleInfo(
            name="in",
            trunk_ids=[made.sip_trunk_id],
            attributes={"callroom.tenant": "ada"},
            metadata="of the rule",
            rule=api.SIPDispatchRule(dispatch_rule_callee=api.SIPDispatchRuleCallee(room_prefix="in", randomize=True)),
            room_config=api.RoomConfiguration(metadata="of the room", agents=[api.RoomAgentDispatch(agent_name="x")]),
        )
        await livekit_api.sip.create_dispatch_rule(api.CreateSIPDispatchRuleRequest(dispatch_rule=rule))
        return made

    @pytest.fixture
    def callers(self, livekit_api: api.LiveKitAPI):
        """`await callers()`: each room with a caller, and the caller in it."""

        async def find() -> list[tuple[api.Room, api.ParticipantInfo]]:
            found = []
            for room in (await livekit_api.room.list_rooms(api.ListRoomsRequest())).rooms:
                listed = await livekit_api.room.list_participants(api.ListParticipantsRequest(room=room.name))
                found += [(room, one) for one in listed.participants if one.kind == api.ParticipantInfo.SIP]
            return found

        return find

    async def test_it_is_answered_once_somebody_publishes(self, network, callers, until):
        caller = await network.ring(from_=BERLIN, to=OURS)
        ((room, who),) = await until(callers)
        assert room.name.startswith(f"in_{OURS}_")
        assert room.metadata == "of the room"
        assert (who.identity, who.name, who.metadata) == (f"sip_{BERLIN}", f"Phone {BERLIN}", "of the rule")
        assert (who.attributes["sip.phoneNumber"], who.attributes["sip.trunkPhoneNumber"]) == (BERLIN, OURS)
        assert (who.attributes["callroom.tenant"], who.attributes["sip.callStatus"]) == ("ada", "ringing")
        assert who.attributes["sip.ruleID"]
        async with Watcher(network, room.name) as watcher:
            await asyncio.sleep(0.5)
            assert [caller.state] == [State.RINGING]  # somebody is there, but says nothing
            await watcher.speak(tone(HIGH, 20))
            await until(lambda: caller.state is State.ANSWERED)
            await until(lambda: watcher.seen[0].statuses[-1] == "active")
            await until(lambda: loudness_of(HIGH, caller.heard) > LOUDNESS / 2)
            saying = asyncio.create_task(caller.say(tone(LOW, 20)))
            await until(lambda: loudness_of(LOW, watcher.seen[0].sound) > LOUDNESS / 2)
            saying.cancel()
            await caller.hang_up()
            seen = await left(watcher, until)
        assert (seen.statuses[-1], seen.reason) == ("hangup", Reason.CLIENT_INITIATED)

    @pytest.mark.parametrize("dialled", ["4930888", "+49-30-888", "030888"])
    async def test_it_is_matched_in_the_spellings_that_the_bridge_knows(self, network, callers, until, dialled):
        await network.ring(from_=BERLIN, to=dialled)
        ((_, who),) = await until(callers)
        assert who.attributes["sip.trunkPhoneNumber"] == dialled

    @pytest.mark.parametrize("dialled", ["+4930889", "004930888", f"{OURS};npdi"])
    async def test_a_number_that_nobody_matched_rings_for_ever(self, network, callers, until, dialled):
        caller = await network.ring(from_=BERLIN, to=dialled)
        await asyncio.sleep(1)
        assert (caller.state, await callers()) == (State.RINGING, [])
        await caller.hang_up()
        await until(lambda: caller.state is State.ENDED)

    async def test_a_stranger_rings_for_ever(self, network, livekit_api, trunk, callers):
        await livekit_api.sip.update_inbound_trunk_fields(trunk.sip_trunk_id, allowed_addresses=["192.0.2.0/24"])
        caller = await network.ring(from_=BERLIN, to=OURS)
        await asyncio.sleep(1)
        assert (caller.state, await callers()) == (State.RINGING, [])

    async def test_a_number_that_two_trunks_have_reaches_neither(self, network, livekit_api, callers, until):
        info = api.SIPInboundTrunkInfo(name="other", numbers=[PARIS], allowed_addresses=["127.0.0.1"])
        other = await livekit_api.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=info))
        await livekit_api.sip.update_inbound_trunk_fields(other.sip_trunk_id, numbers=[OURS])
        caller = await network.ring(from_=BERLIN, to=OURS)
        await until(lambda: caller.state is State.REJECTED)
        assert (caller.code, await callers()) == (503, [])

    async def test_removed_while_it_rings_it_is_busy(self, network, livekit_api, callers, until):
        caller = await network.ring(from_=BERLIN, to=OURS)
        ((room, _),) = await until(callers)
        await livekit_api.room.remove_participant(api.RoomParticipantIdentity(room=room.name, identity=f"sip_{BERLIN}"))
        await until(lambda: caller.state is State.REJECTED)
        assert caller.code == 486

    async def test_unanswered_for_too_long_it_is_busy(self, network, livekit_api, trunk, until):
        trunk.ringing_timeout.CopyFrom(Duration(seconds=1))
        await livekit_api.sip.update_inbound_trunk(trunk.sip_trunk_id, trunk)
        caller = await network.ring(from_=BERLIN, to=OURS)
        await until(lambda: caller.state is State.REJECTED)
        assert caller.code == 486

    async def test_a_caller_who_gives_up_leaves_the_room(self, network, callers, until):
        caller = await network.ring(from_=BERLIN, to=OURS)
        ((room, _),) = await until(callers)
        async with Watcher(network, room.name) as watcher:
            await caller.hang_up()
            seen = await left(watcher, until)
        assert (seen.statuses[-1], seen.reason) == ("hangup", Reason.CLIENT_INITIATED)

    async def test_a_caller_without_a_number_is_anonymous(self, network, callers, until):
        await network.ring(from_="anonymous", to=OURS)
        ((_, who),) = await until(callers)
        shown = (who.identity, who.attributes["sip.phoneNumber"], who.attributes["sip.hostname"])
        assert shown == ("sip_anonymous", "anonymous", "anonymous.invalid")


def assert_called_off(error: api.ServerError) -> None:
    """It says no more than that: a ring too long, an end that does not answer and one's own cancel are the same."""
    assert (error.code, error.status) == ("canceled", 408)
    assert not isinstance(error, api.SipCallError)

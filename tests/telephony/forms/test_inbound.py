"""Phones that call."""

import asyncio

import pytest
from google.protobuf.duration_pb2 import Duration
from livekit import api

from tests.telephony import FORMS, State
from tests.telephony.forms.watcher import (
    BERLIN,
    HIGH,
    LOW,
    OURS,
    PARIS,
    Reason,
    Watcher,
    left,
)
from tests.telephony.sound import LOUDNESS, loudness_of, tone

pytestmark = [pytest.mark.restless, pytest.mark.skipif("bridge" not in FORMS, reason="needs livekit-sip")]


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

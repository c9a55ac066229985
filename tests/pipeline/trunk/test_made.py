"""What LiveKit gets of a trunk and its numbers."""

import asyncio
import json

import pytest
from livekit import api

from calls.database.engine import DEFAULT_TENANT
from calls.phones import trunk as telephony
from pipeline.sip import NO_BRIDGE, Parts
from tests.pipeline.trunk.phones import (
    BERLIN,
    MUNICH,
    PARIS,
    ROME,
    forget,
    ids,
    listed,
    other_tenant,
    own,
    reason,
    save,
    trunk_row,
)

pytestmark = pytest.mark.restless


async def test_livekit_gets_an_outbound_trunk_an_inbound_one_and_a_rule_that_asks_for_our_agent(sip):
    await own(sip.db, BERLIN)
    await save(sip.deps)
    await sip.look()
    parts = await sip.sip.list_parts()
    [outbound], [inbound], [rule] = parts.outbound, parts.inbound, parts.rules
    assert (outbound.address, outbound.transport) == ("sip.example.com", api.SIPTransport.SIP_TRANSPORT_TLS)
    assert (outbound.auth_username, outbound.auth_password) == ("ada", "secret")
    assert list(outbound.numbers) == [BERLIN]
    assert {"+49301234567", "0049301234567", "0301234567", "+49301234567;npdi"} < set(inbound.numbers)
    assert (list(inbound.allowed_addresses), inbound.auth_username) == (["192.0.2.1/32"], "")
    callee = rule.rule.dispatch_rule_callee
    assert (callee.room_prefix, callee.randomize) == ("inbound", True)
    assert dict(rule.attributes) == {"callroom.tenant": DEFAULT_TENANT}
    [agent] = rule.room_config.agents
    assert agent.agent_name == sip.deps.settings.agent_name
    assert rule.room_config.max_participants == sip.deps.settings.max_participants
    assert json.loads(agent.metadata) == {"tenant_id": DEFAULT_TENANT}
    assert (await trunk_row(sip.db)).livekit_ids == ids(parts)


async def test_without_allowed_addresses_calls_need_the_login_and_without_both_none_comes_in(sip):
    await own(sip.db, BERLIN)
    await save(sip.deps, allowed_addresses=[])
    await sip.look()
    [inbound] = (await sip.sip.list_parts()).inbound
    assert (inbound.auth_username, inbound.auth_password, list(inbound.allowed_addresses)) == ("ada", "secret", [])
    await save(sip.deps, allowed_addresses=[], username=None, password=None)
    await sip.look()
    parts = await sip.sip.list_parts()
    assert [len(found) for found in (parts.outbound, parts.inbound, parts.rules)] == [1, 0, 0]
    assert (await trunk_row(sip.db)).state == "ready"


async def test_a_change_updates_what_is_different_and_leaves_the_rest_as_it_is(sip):
    await own(sip.db, BERLIN)
    await save(sip.deps)
    await sip.look()
    before = await sip.sip.list_parts()
    [outbound] = before.outbound
    outbound.media.encryption = api.SIPMediaEncryption.SIP_MEDIA_ENCRYPT_REQUIRE  # somebody's own setting
    await sip.sip.save(outbound)
    made = sip.changes()
    for _ in range(3):
        await sip.look()
    assert sip.changes() == made
    await save(sip.deps, password="another")  # calls come in by address
    await sip.look()
    assert sip.changes() == made + 1
    await own(sip.db, BERLIN, MUNICH)
    await sip.look()
    after = await sip.sip.list_parts()
    assert sip.changes() == made + 3
    assert ids(after) == ids(before)
    assert (after.outbound[0].auth_password, list(after.outbound[0].numbers)) == ("another", [BERLIN, MUNICH])
    assert after.outbound[0].media.encryption == api.SIPMediaEncryption.SIP_MEDIA_ENCRYPT_REQUIRE
    assert set(after.inbound[0].numbers) == listed(BERLIN) | listed(MUNICH)


async def test_a_deleted_trunk_or_one_without_numbers_leaves_nothing(sip):
    await own(sip.db, BERLIN)
    await save(sip.deps)
    await sip.look()
    await own(sip.db)
    await sip.look()
    assert await sip.sip.list_parts() == Parts([], [], [])
    assert await reason(sip.db) == telephony.NO_NUMBERS
    await own(sip.db, BERLIN)
    await sip.look()
    ids(await sip.sip.list_parts())
    await forget(sip.deps)
    await sip.look()
    assert await sip.sip.list_parts() == Parts([], [], [])


async def test_while_numbers_change_no_call_to_a_kept_one_finds_no_trunk(sip):
    await own(sip.db, BERLIN)
    await save(sip.deps)
    await sip.look()
    first, seen = ids(await sip.sip.list_parts()), 0

    async def change() -> None:
        for others in ([MUNICH], [PARIS, ROME], [], [PARIS]):
            await own(sip.db, BERLIN, *others)
            await save(sip.deps, address=f"sip{len(others)}.example.com")
            await sip.look()

    changing = asyncio.create_task(change())
    while not changing.done():
        parts = await sip.sip.list_parts()
        assert ids(parts) == first
        assert BERLIN in parts.inbound[0].numbers
        seen += 1
    await changing
    assert seen > 10


async def test_a_number_that_goes_to_another_tenant_is_never_in_two_trunks(sip):
    other = await other_tenant(sip.db)
    await own(sip.db, BERLIN, MUNICH)
    await save(sip.deps)
    await own(sip.db, PARIS, tenant_id=other)
    await save(sip.deps, other)
    await sip.look()

    async def swap() -> None:
        for _ in range(4):
            await own(sip.db, PARIS, MUNICH)
            await own(sip.db, BERLIN, tenant_id=other)
            await sip.look()
            await own(sip.db, BERLIN, MUNICH)
            await own(sip.db, PARIS, tenant_id=other)
            await sip.look()

    swapping = asyncio.create_task(swap())
    while not swapping.done():
        inbound = (await sip.sip.list_parts()).inbound
        all_numbers = [number for trunk in inbound for number in trunk.numbers]
        assert len(all_numbers) == len(set(all_numbers))
        assert all(trunk.numbers for trunk in inbound), "it would take every call"
    await swapping
    assert {await reason(sip.db), await reason(sip.db, other)} == {NO_BRIDGE}
    numbers = {trunk.name.split()[-1]: set(trunk.numbers) for trunk in (await sip.sip.list_parts()).inbound}
    assert numbers == {DEFAULT_TENANT: listed(BERLIN) | listed(MUNICH), other: listed(PARIS)}


async def test_what_two_tenants_numbers_are_at_home_is_in_neither_trunk(sip):
    other = await other_tenant(sip.db)
    await own(sip.db, BERLIN)
    await save(sip.deps)
    await sip.look()
    await own(sip.db, ROME, tenant_id=other)
    await save(sip.deps, other)
    await sip.look()
    numbers = {trunk.name.split()[-1]: set(trunk.numbers) for trunk in (await sip.sip.list_parts()).inbound}
    assert numbers == {DEFAULT_TENANT: listed(BERLIN, "0301234567"), other: listed(ROME, "0301234567")}
    await own(sip.db, tenant_id=other)
    await sip.look()
    assert set((await sip.sip.list_parts()).inbound[0].numbers) == listed(BERLIN)


async def test_what_is_not_ours_is_left_alone_and_its_numbers_are_not_taken(sip):
    taken = api.SIPInboundTrunkInfo(name="callroom", numbers=[MUNICH[1:]], allowed_addresses=["198.51.100.1"])
    another = "callroom 0123456789ab default"  # of another installation
    theirs = [
        taken,
        api.SIPInboundTrunkInfo(name=another, numbers=["+15550001111"], allowed_addresses=["198.51.100.1"]),
        api.SIPOutboundTrunkInfo(name=another, address="sip.example.org", numbers=["+15550001111"]),
    ]
    theirs_before = [await sip.sip.save(part) for part in theirs]
    await own(sip.db, BERLIN, MUNICH)
    await save(sip.deps)
    await sip.look()
    row = await trunk_row(sip.db)
    assert (row.state, row.reason) == ("failed", f"Another trunk of this LiveKit server has {MUNICH}.")
    parts = await sip.sip.list_parts()
    [ours] = [trunk for trunk in parts.inbound if trunk.sip_trunk_id == row.livekit_ids["inbound"]]
    assert set(ours.numbers) == listed(BERLIN) | listed(MUNICH, MUNICH[1:])
    await forget(sip.deps)
    await sip.look()
    left = await sip.sip.list_parts()
    assert {trunk.sip_trunk_id for trunk in [*left.inbound, *left.outbound]} == set(theirs_before)

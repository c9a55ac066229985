"""What LiveKit has after a loss, with several pipelines, and wherever one is killed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count

import pytest
from livekit import api
from typing_extensions import override

from calls.database.engine import DEFAULT_TENANT
from calls.errors import NotFound
from calls.phones import numbers as phones
from pipeline.deps import Deps
from pipeline.sip import NO_BRIDGE, Part, Parts, Sip
from pipeline.telephony import TrunkKeeper
from tests.pipeline.mortal import mortal
from tests.pipeline.trunk.phones import (
    BERLIN,
    LONDON,
    MUNICH,
    PARIS,
    Phones,
    forget,
    ids,
    is_reason,
    keeping,
    listed,
    other_tenant,
    own,
    save,
    trunk_row,
)

pytestmark = pytest.mark.restless


async def test_what_livekit_lost_is_made_again_by_one_of_two_pipelines(sip, until):
    await own(sip.db, BERLIN)
    await save(sip.deps)

    async def is_back() -> bool:
        """All of it: who looked just then may have seen some parts before they were lost."""
        known = (await trunk_row(sip.db)).livekit_ids
        parts = await sip.sip.list_parts()
        there = {part.sip_trunk_id for part in [*parts.outbound, *parts.inbound]}
        there |= {rule.sip_dispatch_rule_id for rule in parts.rules}
        return bool(known != lost and there == set(known.values()))

    async with keeping(sip.deps, pipelines=2):
        await until(lambda: is_reason(sip.db, NO_BRIDGE))
        lost = ids(await sip.sip.list_parts())
        await sip.forget_everything()
        await until(is_back)
    parts = await sip.sip.list_parts()
    assert (await trunk_row(sip.db)).livekit_ids == ids(parts)
    assert set(parts.inbound[0].numbers) == listed(BERLIN)


async def test_what_is_half_there_is_completed_and_what_is_too_much_removed(sip):
    await own(sip.db, BERLIN)
    await save(sip.deps)
    await sip.look()
    first = await sip.sip.list_parts()
    [outbound], [rule] = first.outbound, first.rules
    second = api.SIPOutboundTrunkInfo()
    second.CopyFrom(outbound)
    second.sip_trunk_id = ""
    await sip.sip.save(second)
    await sip.sip.remove(rule)
    await sip.look()
    now_there = ids(await sip.sip.list_parts())
    assert (now_there["outbound"], now_there["inbound"]) == (ids(first)["outbound"], ids(first)["inbound"])
    assert (await trunk_row(sip.db)).livekit_ids == now_there


async def test_many_pipelines_at_once_make_one_of_each(database_url, sip):
    await own(sip.db, BERLIN)
    await save(sip.deps)
    # One that comes when the first look is over has none to do.
    keepers = [TrunkKeeper(sip.db, sip.deps.keyring, sip.sip, sip.deps.settings, every_s=300) for _ in range(5)]
    looked = await asyncio.gather(*(keeper.look() for keeper in keepers))
    assert looked.count(True) == 1
    assert (await trunk_row(sip.db)).livekit_ids == ids(await sip.sip.list_parts())


class Interrupted(Sip):
    """After each change that LiveKit has made, `meanwhile` happens before anything else."""

    meanwhile: Callable[[], Awaitable[object]]

    @override
    async def save(self, part: Part) -> str:
        made = await super().save(part)
        await self.meanwhile()
        return made


async def test_a_pipeline_that_stood_still_in_a_look_leaves_it_to_the_one_that_looked_meanwhile(sip):
    await own(sip.db, BERLIN)
    await save(sip.deps)
    without_patience = sip.deps.settings.model_copy(update={"lease_s": 0})
    async with Interrupted.connect(sip.deps.settings) as interrupted:
        assert isinstance(interrupted, Interrupted)
        interrupted.meanwhile = sip.keeper().look
        assert not await TrunkKeeper(sip.db, sip.deps.keyring, interrupted, without_patience, every_s=0).look()
    assert sip.changes() == 3
    assert (await trunk_row(sip.db)).livekit_ids == ids(await sip.sip.list_parts())


@pytest.mark.timeout(600)
async def test_a_pipeline_killed_between_any_two_steps_leaves_what_the_next_look_sets_right(sip):
    """What is killed after a commit finds the same as what is killed before its next step."""
    settings = sip.deps.settings.model_copy(update={"lease_s": 0.2})
    gone, new = await other_tenant(sip.db), await other_tenant(sip.db)
    foreign = api.SIPInboundTrunkInfo(name="callroom", numbers=["+15550001111"], allowed_addresses=["198.51.100.1"])
    foreign.sip_trunk_id = await sip.sip.save(foreign)
    async with mortal("mortal_keeper", settings) as live:
        for fatal in count(1):
            await before_the_change(sip.deps, gone, new)
            assert await live(0) == "finished"
            await the_change(sip.deps, gone, new)
            ended = await live(fatal)
            assert_no_call_is_lost_or_led_astray(await sip.sip.list_parts())
            if ended == "killed":
                assert await live(0) == "finished"
            await assert_as_it_should_be(sip, new, foreign)
            if ended != "killed":
                break
    assert ended == "finished"
    assert fatal > 12, "there are more steps than that"


async def before_the_change(deps: Deps, gone: str, new: str) -> None:
    with suppress(NotFound):
        await forget(deps, new)
    await own(deps.db, tenant_id=new)
    await own(deps.db, BERLIN, MUNICH)
    await save(deps)
    await own(deps.db, PARIS, LONDON, tenant_id=gone)
    await save(deps, gone)


async def the_change(deps: Deps, gone: str, new: str) -> None:
    """One trunk gets another address and loses a number to a new one, which also gets that of a third, which goes."""
    await forget(deps, gone)
    await own(deps.db, MUNICH, PARIS, tenant_id=new)
    await save(deps, new)
    await save(deps, address="sip.example.org")


def assert_no_call_is_lost_or_led_astray(parts: Parts) -> None:
    [kept] = [trunk for trunk in parts.inbound if BERLIN in trunk.numbers]
    assert [rule for rule in parts.rules if kept.sip_trunk_id in rule.trunk_ids]
    everything = [number for trunk in parts.inbound for number in trunk.numbers]
    assert len(everything) == len(set(everything))
    assert all(trunk.numbers for trunk in parts.inbound)


async def assert_as_it_should_be(sip: Phones, new: str, foreign: api.SIPInboundTrunkInfo) -> None:
    parts = await sip.sip.list_parts()
    assert foreign in parts.inbound
    parts.inbound.remove(foreign)
    assert len(parts.outbound) == len(parts.inbound) == len(parts.rules) == 2
    for tenant_id, numbers, address in (
        (DEFAULT_TENANT, [BERLIN], "sip.example.org"),
        (new, [PARIS, MUNICH], "sip.example.com"),
    ):
        row = await trunk_row(sip.db, tenant_id)
        assert row.state == "ready"
        [outbound] = [trunk for trunk in parts.outbound if trunk.sip_trunk_id == row.livekit_ids["outbound"]]
        [inbound] = [trunk for trunk in parts.inbound if trunk.sip_trunk_id == row.livekit_ids["inbound"]]
        [rule] = [one for one in parts.rules if one.sip_dispatch_rule_id == row.livekit_ids["rule"]]
        assert (outbound.address, list(outbound.numbers)) == (address, numbers)
        assert set(inbound.numbers) == {spelling for number in numbers for spelling in phones.spellings(number)}
        assert list(rule.trunk_ids) == [inbound.sip_trunk_id]

"""The keeper of trunks on a real LiveKit server with a real Redis: what LiveKit has, whatever happens meanwhile."""

import asyncio
import json
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from cryptography.fernet import Fernet
from livekit import api
from typing_extensions import override

from calls import tables
from calls.database.encryption import Keyring
from calls.database.engine import DEFAULT_TENANT, Database
from calls.errors import NotFound
from calls.phones import numbers as phones
from calls.phones import trunk as telephony
from pipeline.deps import Deps, open_deps
from pipeline.sip import NO_BRIDGE, NO_LIVEKIT, NO_REDIS, NO_SIP, Part, Parts, Sip
from pipeline.telephony import TrunkKeeper, keep_trunks
from tests.pipeline.mortal import mortal
from tests.servers import LiveKitServer, Program, free_port

pytestmark = pytest.mark.restless

BRIDGE = os.environ.get("CALLROOM_SIP_BIN") or shutil.which("livekit-sip")
BERLIN, MUNICH, PARIS, ROME, LONDON = "+49301234567", "+4989123456", "+33123456789", "+390301234567", "+442079460958"
TRUNK: dict[str, Any] = {
    "address": "sip.example.com",
    "transport": "tls",
    "username": "ada",
    "password": "secret",
    "allowed_addresses": ["192.0.2.1"],
}


@dataclass(frozen=True)
class Phones:
    """A pipeline, and the LiveKit server with a SIP service that it keeps trunks in."""

    deps: Deps
    server: LiveKitServer
    redis: Program
    redis_port: int
    sip: Sip

    @property
    def db(self) -> Database:
        return self.deps.db

    def keeper(self) -> TrunkKeeper:
        """One that looks whenever it is asked to."""
        return TrunkKeeper(self.db, self.deps.keyring, self.sip, self.deps.settings, every_s=0)

    async def look(self) -> None:
        assert await self.keeper().look()

    async def forget_everything(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.redis_port)
        writer.write(b"FLUSHALL\r\n")
        assert await reader.readline() == b"+OK\r\n"
        writer.close()

    def changes(self) -> int:
        """How often LiveKit was asked to change anything about its trunks and rules."""
        verbs = ("Create", "Update", "Delete")
        kinds = ("SIPInboundTrunk", "SIPOutboundTrunk", "SIPTrunk", "SIPDispatchRule")
        return sum(self.server.output.count(f"API SIP.{verb}{kind}") for verb in verbs for kind in kinds)


@asynccontextmanager
async def livekit_with_sip(folder: Path) -> AsyncIterator[tuple[LiveKitServer, Program, int]]:
    port, server = free_port(), LiveKitServer(folder)
    file = folder / f"livekit-{server.port}.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"redis": {"address": f"127.0.0.1:{port}"}}))
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    async with Program(command, log=folder / "redis.log") as redis:
        while "Ready to accept connections" not in redis.output:
            assert redis.returncode is None, redis.output
            await asyncio.sleep(0.02)
        async with server:
            yield server, redis, port


@pytest.fixture
async def sip(settings, tmp_path) -> AsyncIterator[Phones]:
    async with AsyncExitStack() as stack:
        server, redis, port = await stack.enter_async_context(livekit_with_sip(tmp_path))
        chosen = settings(livekit_url=server.url)
        deps = await stack.enter_async_context(open_deps(chosen))
        yield Phones(deps, server, redis, port, await stack.enter_async_context(Sip.connect(chosen)))


@asynccontextmanager
async def keeping(deps: Deps) -> AsyncIterator[None]:
    """The real loop, for the length of the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(keep_trunks(deps, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def save(deps: Deps, tenant_id: str = DEFAULT_TENANT, **fields: Any) -> None:
    async with deps.db.writing() as conn:
        await telephony.put_trunk(conn, deps.keyring, tenant_id, **(TRUNK | fields))


async def forget(deps: Deps, tenant_id: str = DEFAULT_TENANT) -> None:
    async with deps.db.writing() as conn:
        await telephony.delete_trunk(conn, tenant_id)


async def own(db: Database, *numbers: str, tenant_id: str = DEFAULT_TENANT) -> None:
    """Let these be all the numbers of the tenant, whoever had them before."""
    async with db.writing() as conn:
        theirs = tables.numbers.c.tenant_id == tenant_id
        await conn.execute(sa.delete(tables.numbers).where(sa.or_(theirs, tables.numbers.c.number.in_(numbers))))
        for number in numbers:
            await phones.add_number(conn, tenant_id, number)
        await telephony.numbers_changed(conn, tenant_id)


async def other_tenant(db: Database) -> str:
    tenant_id = str(uuid.uuid4())
    async with db.writing() as conn:
        await conn.execute(sa.insert(tables.tenants).values(id=tenant_id, name="other"))
    return tenant_id


async def reason(db: Database, tenant_id: str = DEFAULT_TENANT) -> object:
    async with db.reading() as conn:
        return (await telephony.status(conn, tenant_id))["reason"]


async def trunk_row(db: Database, tenant_id: str = DEFAULT_TENANT) -> sa.Row[Any]:
    async with db.reading() as conn:
        return await telephony.get_trunk(conn, tenant_id)


def ids(parts: Parts) -> dict[str, str]:
    """The ids of the only parts that there are."""
    [outbound], [inbound], [rule] = parts.outbound, parts.inbound, parts.rules
    assert list(rule.trunk_ids) == [inbound.sip_trunk_id]
    return {
        "outbound": outbound.sip_trunk_id,
        "inbound": inbound.sip_trunk_id,
        "rule": rule.sip_dispatch_rule_id,
    }


def listed(number: str, *without: str) -> set[str]:
    """The spellings of a number, but not those of these digits."""
    return {spelling for spelling in phones.spellings(number) if phones.bare(spelling) not in without}


async def test_without_a_sip_service_the_status_says_what_is_missing(settings, until):
    async with open_deps(settings()) as deps:
        await own(deps.db, BERLIN)
        await save(deps)
        async with keeping(deps):
            await until(lambda: is_reason(deps.db, NO_SIP))


async def test_without_a_livekit_server_the_status_says_so(settings, until):
    async with open_deps(settings(livekit_url=f"ws://127.0.0.1:{free_port()}")) as deps:
        await own(deps.db, BERLIN)
        await save(deps)
        async with keeping(deps):
            await until(lambda: is_reason(deps.db, NO_LIVEKIT))


async def is_reason(db: Database, wanted: object) -> bool:
    return bool(await reason(db) == wanted)


async def test_what_is_saved_comes_to_livekit_by_itself_and_without_a_bridge_no_call_can_be_made(
    database_url, sip, until
):
    async with keeping(sip.deps):
        await save(sip.deps)
        await own(sip.db, BERLIN)
        await until(lambda: is_reason(sip.db, NO_BRIDGE))
        assert (await trunk_row(sip.db)).state == "ready"
        sip.redis.kill_group()
        await until(lambda: is_reason(sip.db, NO_REDIS))


@pytest.mark.skipif(BRIDGE is None, reason="needs livekit-sip")
async def test_with_a_bridge_a_call_can_be_made_until_it_is_gone(sip, tmp_path, until, monkeypatch):
    monkeypatch.setattr("pipeline.telephony.BRIDGE_EVERY_S", 1)
    config = {
        "api_key": sip.server.key,
        "api_secret": sip.server.secret,
        "ws_url": sip.server.url,
        "redis": {"address": f"127.0.0.1:{sip.redis_port}"},
        "sip_port": free_port(),
        "rtp_port": "31000-31100",
        "use_external_ip": False,
        "max_cpu_utilization": 1,
    }
    file = tmp_path / "sip.yaml"
    file.write_text(yaml.safe_dump(config))
    await own(sip.db, BERLIN)
    await save(sip.deps)
    async with keeping(sip.deps):
        async with Program([str(BRIDGE), "--config", file], log=tmp_path / "sip.log"):
            await until(lambda: is_reason(sip.db, None))
            assert (await sip.deps.rooms.list_rooms()) == []
        await until(lambda: is_reason(sip.db, NO_BRIDGE))


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


async def test_what_livekit_refuses_is_the_reason_and_keeps_no_other_tenant_waiting(sip):
    other = await other_tenant(sip.db)
    await own(sip.db, BERLIN)
    await save(sip.deps, address="sip:sip.example.com")
    await own(sip.db, PARIS, tenant_id=other)
    await save(sip.deps, other)
    await sip.look()
    refused = await trunk_row(sip.db)
    assert refused.state == "failed"
    assert refused.reason.startswith("LiveKit refused the trunk: ")
    assert "SIP URI" in refused.reason
    assert (await trunk_row(sip.db, other)).state == "ready"


async def test_what_livekit_lost_is_made_again_by_one_of_two_pipelines(sip, start, until):
    await own(sip.db, BERLIN)
    await save(sip.deps)
    for _ in range(2):
        await start("pipeline", sip.deps.settings.model_copy(update={"pipeline_port": free_port()}))
    await until(lambda: is_reason(sip.db, NO_BRIDGE))
    lost = ids(await sip.sip.list_parts())
    await sip.forget_everything()

    async def is_back() -> bool:
        """All of it: who looked just then may have seen some parts before they were lost."""
        known = (await trunk_row(sip.db)).livekit_ids
        parts = await sip.sip.list_parts()
        there = {part.sip_trunk_id for part in [*parts.outbound, *parts.inbound]}
        there |= {rule.sip_dispatch_rule_id for rule in parts.rules}
        return bool(known != lost and there == set(known.values()))

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


async def test_a_password_whose_key_is_missing_is_named_and_livekit_keeps_what_it_has(sip):
    await own(sip.db, BERLIN)
    await save(sip.deps)
    await sip.look()
    before = await sip.sip.list_parts()
    async with sip.db.writing() as conn:
        lost = Keyring(Fernet.generate_key().decode(), Path("/nowhere"))
        await telephony.put_trunk(conn, lost, DEFAULT_TENANT, **(TRUNK | {"address": "sip.example.org"}))
    await sip.look()
    row = await trunk_row(sip.db)
    assert row.state == "failed"
    assert "CALLROOM_ENCRYPTION_KEYS" in row.reason
    assert await sip.sip.list_parts() == before
    assert row.livekit_ids == ids(before)


@pytest.mark.timeout(600)
async def test_a_pipeline_killed_between_any_two_steps_leaves_what_the_next_look_sets_right(sip):
    """What is killed after a commit finds the same as what is killed before its next step."""
    settings = sip.deps.settings.model_copy(update={"lease_s": 0.5})
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

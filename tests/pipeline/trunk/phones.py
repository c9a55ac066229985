"""A LiveKit server with its SIP service and Redis, a keeper of its trunks, and what is saved of them."""

import asyncio
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from typing_extensions import override

from calls import tables
from calls.database.engine import DEFAULT_TENANT, Database
from calls.phones import numbers as phones
from calls.phones import trunk as telephony
from pipeline.deps import Deps
from pipeline.sip import NO_BRIDGE, Parts, Sip, SipProblem
from pipeline.telephony import TrunkKeeper, keep_trunks
from tests.servers import LiveKitServer, Redis

BRIDGE = os.environ.get("CALLROOM_SIP_BIN") or shutil.which("livekit-sip")
BERLIN, MUNICH, PARIS, ROME, LONDON = "+49301234567", "+4989123456", "+33123456789", "+390301234567", "+442079460958"
TRUNK: dict[str, Any] = {
    "address": "sip.example.com",
    "transport": "tls",
    "username": "ada",
    "password": "secret",
    "allowed_addresses": ["192.0.2.1"],
}


class SipWithoutBridge(Sip):
    @override
    async def find_bridge(self) -> None:
        """There is none here, and to find that out each time takes a second."""
        raise SipProblem(NO_BRIDGE)


@dataclass(frozen=True)
class Phones:
    """A pipeline, and the LiveKit server with a SIP service that it keeps trunks in; it did `before` for others."""

    deps: Deps
    server: LiveKitServer
    sip: Sip
    before: int

    @property
    def db(self) -> Database:
        return self.deps.db

    def keeper(self) -> TrunkKeeper:
        """One that looks whenever it is asked to."""
        return TrunkKeeper(self.db, self.deps.keyring, self.sip, self.deps.settings, every_s=0)

    async def look(self) -> None:
        assert await self.keeper().look()

    @property
    def redis(self) -> Redis:
        assert self.server.redis is not None
        return self.server.redis

    async def forget_everything(self) -> None:
        await forget_all(self.redis)

    def changes(self) -> int:
        """How often LiveKit was asked to change anything about its trunks and rules."""
        return changes(self.server) - self.before


async def forget_all(redis: Redis) -> None:
    """As after a restart of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", redis.port)
    writer.write(b"FLUSHALL\r\n")
    assert await reader.readline() == b"+OK\r\n"
    writer.close()


def changes(server: LiveKitServer) -> int:
    """How often it was asked to change anything about trunks and rules."""
    verbs = ("Create", "Update", "Delete")
    kinds = ("SIPInboundTrunk", "SIPOutboundTrunk", "SIPTrunk", "SIPDispatchRule")
    return sum(server.output.count(f"API SIP.{verb}{kind}") for verb in verbs for kind in kinds)


@asynccontextmanager
async def keeping(deps: Deps, pipelines: int = 1) -> AsyncIterator[None]:
    """The real loop of so many, for the length of the block."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(keep_trunks(deps, stop)) for _ in range(pipelines)]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


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


async def is_reason(db: Database, wanted: object) -> bool:
    return bool(await reason(db) == wanted)


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

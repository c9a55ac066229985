"""The SIP trunk of a tenant: how its phone calls reach the phone network, and whether they can."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.changes import TRUNKS, mark
from calls.database.clock import moment
from calls.database.encryption import Keyring
from calls.database.engine import upsert
from calls.errors import Invalid, NotFound
from calls.tables import numbers, telephony, trunks

Row = sa.Row[Any]
Transport = Literal["udp", "tcp", "tls"]

NO_TRUNK = "No SIP trunk is configured."
NO_NUMBERS = "The tenant has no numbers yet: POST /v1/numbers."
NO_PIPELINE = "No pipeline is running, which sets trunks up and dials."
PENDING = "The trunk is being set up."

STALE_AFTER = timedelta(seconds=20)  # pipelines look every few seconds


class TrunkState(StrEnum):
    """Whether LiveKit has the trunk as it was saved."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Look:
    """One look at what LiveKit has of every tenant's trunk, taken by one pipeline at a time."""

    token: str
    installation: str


@dataclass(frozen=True)
class Outcome:
    """What LiveKit has of one trunk: the ids of its parts, and why it is not all that it should have."""

    tenant_id: str
    version: str
    livekit_ids: dict[str, str]
    failure: str | None


async def put_trunk(
    conn: AsyncConnection,
    keyring: Keyring,
    tenant_id: str,
    *,
    address: str,
    transport: Transport,
    username: str | None = None,
    password: str | None = None,
    allowed_addresses: list[str] | None = None,
) -> Row:
    """Save the tenant's trunk, its password encrypted; a pipeline brings it to LiveKit.

    The password is never given back, so one that is left out is kept as long as it goes to nobody else: the address
    and the username stay the same. Raises Invalid if it is missing then.
    """
    before = await find_trunk(conn, tenant_id)
    stored = None if password is None else keyring.encrypt(password)
    if stored is None and before is not None and before.password is not None and username is not None:
        if (before.address, before.username) != (address, username):
            raise Invalid.field("password", "required with another address or username")
        stored = before.password
    values = {
        "address": address,
        "transport": transport,
        "username": username,
        "password": stored,
        "allowed_addresses": allowed_addresses or [],
        "updated_at": moment(conn),
        **_to_be_set_up(),
    }
    statement = upsert(conn, trunks).values(tenant_id=tenant_id, livekit_ids={}, **values)
    await conn.execute(statement.on_conflict_do_update(index_elements=["tenant_id"], set_=values))
    mark(conn, TRUNKS)
    return await get_trunk(conn, tenant_id)


async def find_trunk(conn: AsyncConnection, tenant_id: str) -> Row | None:
    """Give the tenant's trunk, if there is one."""
    return (await conn.execute(sa.select(trunks).where(trunks.c.tenant_id == tenant_id))).first()


async def get_trunk(conn: AsyncConnection, tenant_id: str) -> Row:
    """Give the tenant's trunk, or NotFound."""
    row = await find_trunk(conn, tenant_id)
    if row is None:
        raise NotFound(NO_TRUNK)
    return row


async def outbound_trunk(conn: AsyncConnection, tenant_id: str) -> str | None:
    """Give the id of LiveKit's trunk over which the tenant's phones are called, if there is one."""
    row = await find_trunk(conn, tenant_id)
    return None if row is None else row.livekit_ids.get("outbound")


async def delete_trunk(conn: AsyncConnection, tenant_id: str) -> None:
    """Forget the trunk; a pipeline removes what LiveKit has of it. NotFound if there is none."""
    gone = await conn.execute(trunks.delete().where(trunks.c.tenant_id == tenant_id))
    if gone.rowcount == 0:
        raise NotFound(NO_TRUNK)
    mark(conn, TRUNKS)


async def numbers_changed(conn: AsyncConnection, tenant_id: str) -> None:
    """Have the trunk brought to LiveKit again after a change of the tenant's numbers, if there is one."""
    await conn.execute(trunks.update().where(trunks.c.tenant_id == tenant_id).values(_to_be_set_up()))
    mark(conn, TRUNKS)


async def status(conn: AsyncConnection, tenant_id: str) -> dict[str, object]:
    """Give `{"connected", "provider", "reason"}`: whether a phone call could be made now, and if not, why.

    It is what a pipeline saw some seconds ago: what nobody has looked at for `STALE_AFTER` is not connected.
    """
    reason = await _reason(conn, tenant_id)
    return {"connected": reason is None, "provider": "sip", "reason": reason}


async def reason_of(conn: AsyncConnection, trunk: Row) -> str | None:
    """Why LiveKit does not have this trunk as it was saved: what keeps one `pending` may keep it so for ever."""
    reason: str | None = trunk.reason
    return await _reason(conn, trunk.tenant_id) if trunk.state == TrunkState.PENDING else reason


async def _reason(conn: AsyncConnection, tenant_id: str) -> str | None:
    trunk = await find_trunk(conn, tenant_id)
    if trunk is None:
        return NO_TRUNK
    if not await conn.scalar(sa.select(sa.exists().where(numbers.c.tenant_id == tenant_id))):
        return NO_NUMBERS
    seen = (await conn.execute(sa.select(telephony.c.looked_at, telephony.c.problem))).first()
    if seen is None or seen.looked_at is None or seen.looked_at < moment(conn) - STALE_AFTER:
        return NO_PIPELINE
    reason: str | None = seen.problem or trunk.reason
    return reason


async def is_look_due(conn: AsyncConnection, every_s: float) -> bool:
    """Whether `begin_look` would give a look now."""
    if (await conn.execute(sa.select(telephony.c.id))).first() is None:
        return True
    return bool(await conn.scalar(sa.select(sa.exists().where(_is_due(conn, every_s)))))


async def begin_look(conn: AsyncConnection, lease_s: float, every_s: float) -> Look | None:
    """Begin a look; None if another pipeline is looking, or nothing changed and one looked within `every_s` seconds.

    It is ours for `lease_s` seconds, and as long again with each `hold_look`.
    """
    first = upsert(conn, telephony).values(id=1, installation=uuid.uuid4().hex[:12])
    await conn.execute(first.on_conflict_do_nothing())
    token = str(uuid.uuid4())
    ours = {"looker": token, "looker_until": moment(conn) + timedelta(seconds=lease_s)}
    begin = telephony.update().where(_is_due(conn, every_s)).values(ours).returning(telephony.c.installation)
    installation = await conn.scalar(begin)
    return None if installation is None else Look(token, str(installation))


async def hold_look(conn: AsyncConnection, look: Look, lease_s: float) -> bool:
    """Keep the look; False if it took so long that it is another's now."""
    until = moment(conn) + timedelta(seconds=lease_s)
    return (await conn.execute(_held(look).values(looker_until=until))).rowcount == 1


async def end_look(conn: AsyncConnection, look: Look, problem: str | None, outcomes: Iterable[Outcome]) -> None:
    """Note what was seen, unless the look is another's by now; a trunk that was changed meanwhile is left to the next.

    `problem` is what keeps every phone from working.
    """
    seen = {"looked_at": moment(conn), "problem": problem, "looker": None, "looker_until": None}
    if (await conn.execute(_held(look).values(seen))).rowcount == 0:
        return
    for outcome in outcomes:
        state = TrunkState.READY if outcome.failure is None else TrunkState.FAILED
        values = {"state": state, "reason": outcome.failure, "livekit_ids": outcome.livekit_ids}
        same = (trunks.c.tenant_id == outcome.tenant_id, trunks.c.version == outcome.version)
        await conn.execute(trunks.update().where(*same).values(values))


def _to_be_set_up() -> dict[str, object]:
    return {"state": TrunkState.PENDING, "reason": PENDING, "version": str(uuid.uuid4())}


def _is_due(conn: AsyncConnection, every_s: float) -> sa.ColumnElement[bool]:
    now = moment(conn)
    return sa.and_(
        sa.or_(telephony.c.looker.is_(None), telephony.c.looker_until < now),
        sa.or_(
            telephony.c.looked_at.is_(None),
            telephony.c.looked_at <= now - timedelta(seconds=every_s),
            sa.exists().where(trunks.c.state == TrunkState.PENDING),
        ),
    )


def _held(look: Look) -> sa.Update:
    return telephony.update().where(telephony.c.looker == look.token)

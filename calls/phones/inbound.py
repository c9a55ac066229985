"""Calls that come in over a tenant's trunk: whoever sees one first writes it; the number called says who answers."""

import re
from dataclasses import dataclass

import sqlalchemy as sa
from livekit import api
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.agent_config import AgentSnapshot
from calls.agents import get_agent, snapshot
from calls.analysis.post_call import merge
from calls.errors import NotFound, PaymentRequired
from calls.phones.numbers import calling_number, find_called
from calls.placing.creation import NewCall, NewParticipant, create_calls
from calls.rooms import Rooms
from calls.tables import calls, numbers
from calls.tenants.credits import reserve

# Rooms of inbound calls are `inbound_<called number>_<random>`: their call has no row before it rings.
PREFIX = "inbound_"
TENANT_ATTRIBUTE = "callroom.tenant"
ANONYMOUS = "anonymous"

# A name, or a short number within a company. Whoever calls chooses it, and the agent reads it.
_NAME = re.compile(r"[\w.+*#-]{1,40}", re.ASCII)


@dataclass(frozen=True)
class Incoming:
    """A phone that calls us, as it is in its room: the number that it called and its own, as its carrier sent them."""

    tenant_id: str
    room_name: str
    room_identity: str
    dialled: str
    caller: str


async def find_incoming(rooms: Rooms, room_name: str) -> Incoming | None:
    """Give who calls in that room; None before they are there."""
    for one in await rooms.list_participants(room_name):
        tenant_id = one.attributes.get(TENANT_ATTRIBUTE)
        if one.kind == api.ParticipantInfo.Kind.SIP and tenant_id:
            dialled = one.attributes.get("sip.trunkPhoneNumber", "")
            return Incoming(tenant_id, room_name, one.identity, dialled, one.attributes.get("sip.phoneNumber", ""))
    return None


async def receive(conn: AsyncConnection, incoming: Incoming, price_micros_per_minute: int) -> str | None:
    """Write the call unless it is there; its id. None if no agent is to answer, so that it is to be refused."""
    number = await find_called(conn, incoming.tenant_id, incoming.dialled)
    if number is None or number.agent_id is None:
        return None
    # Of several who see it at once, the others wait here, and then find it.
    await conn.execute(sa.select(numbers.c.number).where(numbers.c.number == number.number).with_for_update())
    known: str | None = await conn.scalar(sa.select(calls.c.id).where(calls.c.room_name == incoming.room_name))
    if known is not None:
        return known
    try:
        agent = snapshot(await get_agent(conn, incoming.tenant_id, number.agent_id))
        reserved = await reserve(conn, incoming.tenant_id, price_micros_per_minute)
    except (NotFound, PaymentRequired):
        return None
    name = _caller(incoming.caller, number.number)
    caller = NewParticipant(
        "pstn",
        name,
        called_from=incoming.room_identity,
        price_micros_per_minute=price_micros_per_minute,
    )
    call = NewCall(
        tenant_id=incoming.tenant_id,
        agent=agent,
        participants=[caller],
        variables={"caller_number": name, "called_number": number.number},
        post_call=merge(AgentSnapshot.stored(agent).post_call, None).given(),
        reserved_micros=reserved,
        inbound_room=incoming.room_name,
    )
    await create_calls(conn, [call])
    return call.id


def _caller(sent: str, called: str) -> str:
    return calling_number(sent, called) or (sent if _NAME.fullmatch(sent) else ANONYMOUS)

"""The rules of placing a call: how large it may be, whose number it shows, who is not to be called, who pays.

They are asked when a call is made; of what may have changed by then, once more when a phone is dialled.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from calls.errors import Conflict, Invalid, PaymentRequired
from calls.phones import dnc
from calls.phones.numbers import caller_id
from calls.placing.creation import NewParticipant
from calls.settings import Settings
from calls.states import EndReason
from calls.tenants.credits import reserve
from calls.tenants.keys import Key

NOT_NOW = "This agent cannot take calls now."  # what a stranger reads of the tenant's credits and numbers


def check_size(settings: Settings, people: int, field: str) -> None:
    """A call has room for so many.

    Raises:
        Invalid: `field` asks for more.
    """
    if people > settings.max_participants:
        raise Invalid.field(field, f"expected at most {settings.max_participants} participants in one call")


async def with_caller_ids(
    conn: AsyncConnection,
    key: Key,
    people: Sequence[NewParticipant],
    paths: Sequence[str] | None = None,
) -> list[NewParticipant]:
    """Give each phone its caller ID: its own, else the key's, else the tenant's oldest number.

    Raises:
        Invalid: it is not one of the tenant's numbers, or there is none; `paths` name the fields. Whoever has a
            publishable key cannot help that, and is not told.
    """
    known: dict[str | None, str] = {}
    chosen = []
    for index, one in enumerate(people):
        if not one.is_phone:
            chosen.append(one)
            continue
        if one.from_number not in known:
            path = paths[index] if paths else f"participants[{index}].from_number"
            default = key.default_from_number
            try:
                known[one.from_number] = await caller_id(conn, key.tenant_id, one.from_number, default, path)
            except Invalid as error:
                if key.publishable:
                    raise Invalid(NOT_NOW) from error
                raise
        chosen.append(replace(one, from_number=known[one.from_number]))
    return chosen


async def check_dnc(conn: AsyncConnection, tenant_id: str, people: Sequence[NewParticipant]) -> None:
    """Nobody who does not want to be called is.

    Raises:
        Conflict: naming the numbers.
    """
    phones = [one.identity for one in people if one.is_phone]
    blocked = await dnc.blocked(conn, tenant_id, phones) if phones else set()
    if blocked:
        numbers = ", ".join(sorted(blocked))
        raise Conflict(f"On the do-not-call list: {numbers}.", code="dnc_conflict")


async def reserve_credits(conn: AsyncConnection, key: Key, people: Sequence[NewParticipant]) -> int:
    """Reserve a minute of each for a metered tenant's call, in micro-dollars: the last rule, for it changes something.

    Raises:
        PaymentRequired: the credits do not cover that. A secret key is told the figures, nobody else.
    """
    if not key.metered:
        return 0
    try:
        return await reserve(conn, key.tenant_id, sum(one.price_micros_per_minute for one in people))
    except PaymentRequired as error:
        if key.publishable:
            raise PaymentRequired(NOT_NOW) from error
        raise


async def refusal(conn: AsyncConnection, tenant_id: str, number: str, from_number: str) -> EndReason | None:
    """Why this number is not to be dialled from that one after all; None if it may be."""
    if await dnc.blocked(conn, tenant_id, [number]):
        return EndReason.DO_NOT_CALL
    try:
        await caller_id(conn, tenant_id, from_number)
    except Invalid:
        return EndReason.INVALID_CALLER_ID
    return None

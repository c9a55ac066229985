"""Phone numbers: one spelling (E.164) everywhere, and the numbers that a tenant calls from and is called at."""

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import phonenumbers
import sqlalchemy as sa
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.database.engine import upsert
from calls.errors import Conflict, Invalid, NotFound
from calls.phones import trunk as telephony
from calls.tables import agents, numbers

EXPECTED = "a phone number with its country code, as in +15551234567"
EXPECTED_DESTINATION = f"{EXPECTED}, or a SIP address, as in sip:desk@example.com"

Row = sa.Row[Any]

# The user of a `tel:` or `sip:` address, or what stands alone: without parameters (`;npdi`), host and headers.
_USER = re.compile(r"\s*(?:(?:tel|sips?):)?([^;@?]*)", re.IGNORECASE)
_PORTED = (";npdi", ";npdi=yes")  # somebody has looked up where the number is now
_ADDRESS = re.compile(
    r"sips?:[\w.!~*'()&=+$,;?/%-]+@(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?(?:;[\w.=-]+)*",
    re.IGNORECASE | re.ASCII,
)
_ABROAD = re.compile(r"\s*(?:(?:tel|sips?):)?(?:\+|00)", re.IGNORECASE)  # with its country's code, for certain
_SEPARATORS = re.compile(r"[\s()./-]")


def normalise(text: str) -> str:
    """Give any spelling of a phone number as E.164 (`+1 (555) 123-4567`, `0049 30 1234567` and `tel:` URIs too).

    A number that is possible counts, assigned or not. One without a country code is refused rather than
    guessed, and so is one with an extension, which E.164 cannot hold. Raises ValueError saying what was expected.
    """
    spelling = text.strip()
    if spelling.startswith("00"):
        spelling = f"+{spelling[2:]}"
    try:
        number = phonenumbers.parse(spelling, None)
    except NumberParseException:
        raise ValueError(EXPECTED) from None
    possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    if not possible or number.extension:
        raise ValueError(EXPECTED)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def normalise_destination(text: str) -> str:
    """Give where a call may be sent: a SIP address as it is, any spelling of a phone number as E.164.

    Raises ValueError saying what was expected.
    """
    if re.match(r"\s*sips?:", text, re.IGNORECASE):
        if _ADDRESS.fullmatch(text.strip()) is None:
            raise ValueError(EXPECTED_DESTINATION)
        return text.strip()
    try:
        return normalise(text)
    except ValueError:
        raise ValueError(EXPECTED_DESTINATION) from None


@lru_cache(maxsize=100_000)
def spellings(number: str) -> tuple[str, ...]:
    """Give the ways in which carriers write a called number (E.164): `+49…`, `0049…`, as at home, and these as ported.

    For LiveKit's bridge a plus may be missing, unless something follows the digits.
    """
    written = phonenumbers.format_number(phonenumbers.parse(number, None), PhoneNumberFormat.NATIONAL)
    national = phonenumbers.normalize_digits_only(written)
    ported = (f"{digits}{mark}" for mark in _PORTED for digits in (number, number[1:], national))
    return tuple(dict.fromkeys((number, f"00{number[1:]}", national, *ported)))


def meanings(own: Iterable[str]) -> dict[str, str]:
    """Give for each spelling of these numbers, as bare digits, the one number that it means.

    How one is written at home may be how another is: then it means neither. A number's own digits mean that number.
    """
    numbers = list(own)
    found: dict[str, str | None] = {}
    for number in numbers:
        for digits in map(bare, spellings(number)):
            found[digits] = number if found.get(digits, number) == number else None
    clear = {digits: number for digits, number in found.items() if number is not None}
    return clear | {bare(number): number for number in numbers}


def bare(dialled: str) -> str:
    """Give the digits of a called number as a carrier sent it, `tel:+49 30 1234567;npdi` too; nothing if it is none."""
    user = _USER.match(dialled)
    digits = _SEPARATORS.sub("", user[1] if user else "").removeprefix("+")
    return digits if digits.isascii() and digits.isdigit() else ""


def called_number(dialled: str, own: Iterable[str]) -> str | None:
    """Give which of these numbers (E.164) was called, from what a carrier sent; None if that is none or not clear."""
    return meanings(own).get(bare(dialled))


def calling_number(sent: str, called: str) -> str | None:
    """Give who calls `called` (E.164) in E.164, from what a carrier sent; None if that is no number.

    Without `+` or `00` it is as it is dialled where it calls, or has its country's code all the same: it begins with
    it, unless with the `0` or whatever a number at home begins with there.
    """
    with suppress(ValueError):
        return normalise(sent)
    digits = bare(sent)
    own = phonenumbers.parse(called, None)
    home = phonenumbers.region_code_for_number(own)
    prefix = phonenumbers.ndd_prefix_for_region(home or "", strip_non_digits=True)
    at_home, abroad = (digits, home), (f"+{digits}", None)
    is_home_first = prefix in (None, str(own.country_code)) or digits.startswith(prefix)
    for spelling, region in (at_home, abroad) if is_home_first else (abroad, at_home):
        with suppress(NumberParseException):
            number = phonenumbers.parse(spelling, region)
            if phonenumbers.is_valid_number(number):
                return phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return None


async def find_called(conn: AsyncConnection, tenant_id: str, dialled: str) -> Row | None:
    """Give the row of the tenant's number that was called, from what a carrier sent.

    None if it is not the tenant's, or may just as well be another tenant's as that is dialled at home: LiveKit hears no
    difference between `+5551234567` and `5551234567`, which in America is `+15551234567`.
    """
    rows = (await conn.execute(sa.select(numbers).where(numbers.c.tenant_id == tenant_id))).all()
    number = called_number(dialled, (row.number for row in rows))
    found = next((row for row in rows if row.number == number), None)
    if found is not None and not _ABROAD.match(dialled) and await _means_another(conn, found, bare(dialled)):
        return None
    return found


async def _means_another(conn: AsyncConnection, found: Row, digits: str) -> bool:
    alike = numbers.c.number.endswith(digits[-4:])  # those a number has in every spelling
    query = sa.select(numbers.c.number).where(numbers.c.tenant_id != found.tenant_id, alike)
    return any(digits in map(bare, spellings(other)) for other in await conn.scalars(query))


async def add_number(conn: AsyncConnection, tenant_id: str, number: str, agent_id: str | None = None) -> Row:
    """Register one of the tenant's own numbers, in E.164; its inbound calls go to `agent_id`.

    Adding it again only changes the agent. Raises NotFound for an unknown agent, Conflict for another tenant's number.
    """
    if agent_id is not None:
        await _agent(conn, tenant_id, agent_id)
    values = {"number": number, "tenant_id": tenant_id, "agent_id": agent_id, "created_at": moment(conn)}
    await conn.execute(upsert(conn, numbers).values(**values).on_conflict_do_nothing())
    owner = await conn.scalar(sa.select(numbers.c.tenant_id).where(numbers.c.number == number))
    if owner != tenant_id:
        raise Conflict("This number is registered by another tenant.", code="number_taken")
    if agent_id is not None:
        await conn.execute(numbers.update().where(*_own(tenant_id, number)).values(agent_id=agent_id))
    await telephony.numbers_changed(conn, tenant_id)
    return await get_number(conn, tenant_id, number)


async def get_number(conn: AsyncConnection, tenant_id: str, number: str) -> Row:
    """Give the tenant's number, or NotFound."""
    row = (await conn.execute(sa.select(numbers).where(*_own(tenant_id, number)))).first()
    if row is None:
        raise NotFound("Number not found.")
    return row


async def list_numbers(conn: AsyncConnection, tenant_id: str, limit: int, offset: int) -> tuple[list[Row], int]:
    """Give a page of the tenant's numbers, oldest first, and how many there are."""
    mine = numbers.c.tenant_id == tenant_id
    total = await conn.scalar(sa.select(sa.func.count()).select_from(numbers).where(mine))
    query = sa.select(numbers).where(mine).order_by(numbers.c.created_at, numbers.c.number)
    rows = (await conn.execute(query.limit(limit).offset(offset))).all()
    return list(rows), total or 0


async def attach_number(conn: AsyncConnection, tenant_id: str, number: str, agent_id: str | None) -> Row:
    """Let `agent_id` answer the calls to this number, or nobody. Raises NotFound for either."""
    await get_number(conn, tenant_id, number)
    if agent_id is not None:
        await _agent(conn, tenant_id, agent_id)
    await conn.execute(numbers.update().where(*_own(tenant_id, number)).values(agent_id=agent_id))
    return await get_number(conn, tenant_id, number)


async def delete_number(conn: AsyncConnection, tenant_id: str, number: str) -> None:
    """Forget the number; NotFound if it is not the tenant's (any more)."""
    gone = await conn.execute(numbers.delete().where(*_own(tenant_id, number)))
    if gone.rowcount == 0:
        raise NotFound("Number not found.")
    await telephony.numbers_changed(conn, tenant_id)


async def caller_id(
    conn: AsyncConnection,
    tenant_id: str,
    wanted: str | None = None,
    default: str | None = None,
    path: str = "from_number",
) -> str:
    """Choose the number that a leg calls from: the wanted one, else the key's default, else the tenant's oldest.

    `wanted` and `default` are in E.164. Raises Invalid, naming `path`, when it is not the tenant's or there is none.
    """
    chosen = wanted or default
    query = sa.select(numbers.c.number).where(numbers.c.tenant_id == tenant_id)
    if chosen is not None:
        query = query.where(numbers.c.number == chosen)
    number = await conn.scalar(query.order_by(numbers.c.created_at, numbers.c.number).limit(1))
    if number is None:
        expected = "one of your own numbers" if chosen else "required: you have no number of your own yet"
        raise Invalid.field(path, expected)
    return str(number)


def _own(tenant_id: str, number: str) -> tuple[sa.ColumnElement[bool], ...]:
    return numbers.c.tenant_id == tenant_id, numbers.c.number == number


async def _agent(conn: AsyncConnection, tenant_id: str, agent_id: str) -> None:
    query = sa.select(agents.c.id).where(
        agents.c.id == agent_id,
        agents.c.tenant_id == tenant_id,
        agents.c.deleted_at.is_(None),
    )
    if await conn.scalar(query) is None:
        raise NotFound("Agent not found.")

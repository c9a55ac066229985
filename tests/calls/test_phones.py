"""Phone numbers: their one spelling, and those that a tenant owns."""

import asyncio
import uuid

import pytest
import sqlalchemy as sa

from calls import phones
from calls.database import DEFAULT_TENANT, Database
from calls.errors import Conflict, Invalid, NotFound
from calls.tables import tenants

OURS, THEIRS = "+15551234567", "+442079460958"


@pytest.fixture
async def other_tenant(database: Database) -> str:
    tenant_id = str(uuid.uuid4())
    async with database.writing() as connection:
        await connection.execute(sa.insert(tenants).values(id=tenant_id, name="other"))
    return tenant_id


@pytest.mark.parametrize(
    "spelling",
    [
        "+15551234567",
        "+1 (555) 123-4567",
        "  +1.555.123.4567 ",
        "0015551234567",
        "00 1 555 123 4567",
        "tel:+1-555-123-4567",
        "+１５５５１２３４５６７",
    ],
)
def test_every_spelling_of_a_number_is_kept_as_one(spelling):
    assert phones.normalise(spelling) == "+15551234567"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody",
        "+",
        "5551234567",
        "(555) 123-4567",
        "+1555",
        "+1234567",
        "+99912345678",
        "+1555123456789012345",
        "+15551234567 ext. 5",
        "+1\x00555",
        "sip:+15551234567@host",
        "+1" + "5" * 5000,
    ],
)
def test_what_is_no_possible_number_with_a_country_code_is_refused_and_the_error_says_what_was_expected(text):
    with pytest.raises(ValueError, match=r"country code, as in \+15551234567"):
        phones.normalise(text)


async def test_a_number_has_one_owner_and_the_agent_that_answers_it(database, agent, other_tenant):
    async with database.writing() as connection:
        row = await phones.add_number(connection, DEFAULT_TENANT, OURS)
        assert (row.number, row.agent_id) == (OURS, None)
        await phones.add_number(connection, DEFAULT_TENANT, THEIRS, agent["id"])
        row = await phones.attach_number(connection, DEFAULT_TENANT, OURS, agent["id"])
        assert row.agent_id == agent["id"]
        with pytest.raises(Conflict):
            await phones.add_number(connection, other_tenant, OURS)
        page, total = await phones.list_numbers(connection, DEFAULT_TENANT, 1, 1)
        assert ([row.number for row in page], total) == ([THEIRS], 2)
        assert await phones.list_numbers(connection, other_tenant, 50, 0) == ([], 0)


async def test_an_unknown_agent_or_number_is_not_found(database, agent, other_tenant):
    async with database.writing() as connection:
        await phones.add_number(connection, DEFAULT_TENANT, OURS)
        for attempt in (
            phones.add_number(connection, DEFAULT_TENANT, THEIRS, str(uuid.uuid4())),
            phones.add_number(connection, other_tenant, THEIRS, agent["id"]),
            phones.attach_number(connection, DEFAULT_TENANT, OURS, str(uuid.uuid4())),
            phones.attach_number(connection, other_tenant, OURS, agent["id"]),
            phones.delete_number(connection, other_tenant, OURS),
        ):
            with pytest.raises(NotFound):
                await attempt
        await phones.delete_number(connection, DEFAULT_TENANT, OURS)
        with pytest.raises(NotFound):
            await phones.delete_number(connection, DEFAULT_TENANT, OURS)


async def test_two_tenants_that_register_a_number_at_once_leave_one_conflict(database, other_tenant):
    async def register(tenant_id: str) -> str:
        async with database.writing() as connection:
            return str((await phones.add_number(connection, tenant_id, OURS)).tenant_id)

    outcomes = await asyncio.gather(register(DEFAULT_TENANT), register(other_tenant), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "str"]


async def test_a_leg_calls_from_the_wanted_number_else_the_keys_else_the_oldest(database, other_tenant):
    async with database.writing() as connection:
        with pytest.raises(Invalid) as none_to_be_had:
            await phones.caller_id(connection, DEFAULT_TENANT)
        assert none_to_be_had.value.details[0].path == "from_number"
        await phones.add_number(connection, DEFAULT_TENANT, "+15550000002")
        await phones.add_number(connection, DEFAULT_TENANT, "+15550000001")
        await phones.add_number(connection, other_tenant, THEIRS)
        assert await phones.caller_id(connection, DEFAULT_TENANT) == "+15550000002"
        assert await phones.caller_id(connection, DEFAULT_TENANT, default="+15550000001") == "+15550000001"
        chosen = await phones.caller_id(connection, DEFAULT_TENANT, "+15550000002", default="+15550000001")
        assert chosen == "+15550000002"
        with pytest.raises(Invalid) as not_ours:
            await phones.caller_id(connection, DEFAULT_TENANT, THEIRS, path="participants[0].from_number")
        assert not_ours.value.details[0].path == "participants[0].from_number"

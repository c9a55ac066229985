"""The SIP trunk of a tenant, as it is kept and queued for provisioning."""

from typing import Any

import pytest
import sqlalchemy as sa

from calls import phones, telephony
from calls.database import DEFAULT_TENANT, Database
from calls.errors import NotFound
from calls.tables import jobs

TRUNK: dict[str, Any] = {"address": "sip.example.com", "transport": "udp", "username": "ada", "password": "secret"}


async def queued(database: Database) -> list[sa.Row[Any]]:
    async with database.reading() as connection:
        query = sa.select(jobs).where(jobs.c.kind == "provision_trunk").order_by(jobs.c.id)
        return list((await connection.execute(query)).all())


async def test_without_a_trunk_the_status_says_so(database):
    async with database.reading() as connection:
        status = await telephony.status(connection, DEFAULT_TENANT)
    assert status == {"connected": False, "provider": "sip", "reason": "No SIP trunk is configured."}


async def test_a_saved_trunk_is_provisioned_by_a_job_and_keeps_its_password_until_the_login_changes(database):
    async with database.writing() as connection:
        row = await telephony.put_trunk(connection, DEFAULT_TENANT, **TRUNK, allowed_addresses=["192.0.2.1"])
        assert (row.state, row.password, row.allowed_addresses) == ("pending", "secret", ["192.0.2.1"])
        row = await telephony.put_trunk(connection, DEFAULT_TENANT, address="b", transport="tls", username="ada")
        assert (row.address, row.transport, row.password, row.allowed_addresses) == ("b", "tls", "secret", [])
        row = await telephony.put_trunk(connection, DEFAULT_TENANT, address="b", transport="tls", username="bob")
        assert row.password is None
        assert (await telephony.status(connection, DEFAULT_TENANT))["connected"] is False
    assert len({job.ordering_key for job in await queued(database)}) == 1
    assert len(await queued(database)) == 3


async def test_what_livekit_made_of_the_trunk_is_its_status(database):
    async with database.writing() as connection:
        await telephony.put_trunk(connection, DEFAULT_TENANT, **TRUNK)
        await telephony.record_provisioned(connection, DEFAULT_TENANT, livekit_ids={}, failure="Phones are off.")
        status = await telephony.status(connection, DEFAULT_TENANT)
        assert (status["connected"], status["reason"]) == (False, "Phones are off.")
        await telephony.record_provisioned(connection, DEFAULT_TENANT, livekit_ids={"inbound": "ST_1"}, failure=None)
        status = await telephony.status(connection, DEFAULT_TENANT)
        assert (status["connected"], status["reason"]) == (True, None)


async def test_a_change_of_numbers_provisions_the_trunk_again_if_there_is_one(database):
    async with database.writing() as connection:
        await phones.add_number(connection, DEFAULT_TENANT, "+15551234567")
    assert await queued(database) == []
    async with database.writing() as connection:
        await telephony.put_trunk(connection, DEFAULT_TENANT, **TRUNK)
        await phones.delete_number(connection, DEFAULT_TENANT, "+15551234567")
    assert len(await queued(database)) == 2


async def test_a_deleted_trunk_is_gone_and_its_parts_in_livekit_are_queued_for_removal(database):
    async with database.writing() as connection:
        await telephony.put_trunk(connection, DEFAULT_TENANT, **TRUNK)
        await telephony.record_provisioned(connection, DEFAULT_TENANT, livekit_ids={"inbound": "ST_1"}, failure=None)
        await telephony.delete_trunk(connection, DEFAULT_TENANT)
        with pytest.raises(NotFound):
            await telephony.delete_trunk(connection, DEFAULT_TENANT)
    assert (await queued(database))[-1].payload["remove"] == {"inbound": "ST_1"}

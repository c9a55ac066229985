"""The SIP trunk of a tenant as it is kept, who may look at what LiveKit has of it, and what is said of that."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
import sqlalchemy as sa

from calls import tables
from calls.database.changes import TRUNKS
from calls.database.clock import moment
from calls.database.encryption import Keyring
from calls.database.engine import DEFAULT_TENANT, Database
from calls.errors import Invalid, NotFound
from calls.phones import numbers as phones
from calls.phones import trunk as telephony
from calls.phones.trunk import Look, Outcome, begin_look, end_look, hold_look, is_look_due

TRUNK: dict[str, Any] = {"address": "sip.example.com", "transport": "udp", "username": "ada", "password": "secret"}


async def save(database: Database, keyring: Keyring, **fields: Any) -> sa.Row[Any]:
    async with database.writing() as connection:
        return await telephony.put_trunk(connection, keyring, DEFAULT_TENANT, **(TRUNK | fields))


async def add_number(database: Database) -> None:
    async with database.writing() as connection:
        await phones.add_number(connection, DEFAULT_TENANT, "+15551234567")


async def begin(database: Database, every_s: float = 60, lease_s: float = 60) -> Look | None:
    async with database.writing() as connection:
        due = await is_look_due(connection, every_s)
        look = await begin_look(connection, lease_s, every_s)
    assert due == (look is not None)
    return look


async def end(database: Database, look: Look | None, *outcomes: Outcome, problem: str | None = None) -> None:
    assert look is not None
    async with database.writing() as connection:
        await end_look(connection, look, problem, outcomes)


def outcome(trunk: sa.Row[Any], failure: str | None = None) -> Outcome:
    return Outcome(trunk.tenant_id, trunk.version, {"outbound": "ST_1"}, failure)


async def reason(database: Database) -> object:
    async with database.reading() as connection:
        status = await telephony.status(connection, DEFAULT_TENANT)
    assert status["provider"] == "sip"
    assert status["connected"] == (status["reason"] is None)
    return status["reason"]


async def trunk_row(database: Database) -> sa.Row[Any]:
    async with database.reading() as connection:
        return await telephony.get_trunk(connection, DEFAULT_TENANT)


async def test_a_saved_trunk_keeps_its_password_encrypted_until_the_login_changes(database, keyring):
    row = await save(database, keyring, allowed_addresses=["192.0.2.1"])
    assert (row.state, keyring.decrypt(row.password), row.allowed_addresses) == ("pending", "secret", ["192.0.2.1"])
    row = await save(database, keyring, transport="tls", password=None)
    assert (row.transport, row.allowed_addresses, keyring.decrypt(row.password)) == ("tls", [], "secret")
    for change in ({"username": "bob"}, {"address": "b"}):  # it is shown to nobody else
        with pytest.raises(Invalid, match="password"):
            await save(database, keyring, **change, password=None)
    assert (await save(database, keyring, username=None, password=None)).password is None


async def test_whoever_keeps_trunks_is_woken_by_a_change_of_one_or_of_its_numbers(database, keyring):
    async def wakes(change: Awaitable[object]) -> bool:
        async with database.changes.watch(TRUNKS) as watch:
            await watch.wait(0)
            await change
            return bool(await watch.wait(20))

    assert await wakes(save(database, keyring))
    assert await wakes(add_number(database))

    async def delete() -> None:
        async with database.writing() as connection:
            await telephony.delete_trunk(connection, DEFAULT_TENANT)

    assert await wakes(delete())
    with pytest.raises(NotFound):
        await delete()


async def test_the_status_names_what_is_missing_first(database, keyring):
    assert await reason(database) == telephony.NO_TRUNK
    await save(database, keyring)
    assert await reason(database) == telephony.NO_NUMBERS
    await add_number(database)
    assert await reason(database) == telephony.NO_PIPELINE
    await end(database, await begin(database))
    assert await reason(database) == telephony.PENDING


async def test_what_the_last_look_saw_is_the_status(database, keyring):
    await add_number(database)
    await save(database, keyring)
    row = await trunk_row(database)
    await end(database, await begin(database), outcome(row, "LiveKit refused the trunk: why"))
    assert await reason(database) == "LiveKit refused the trunk: why"
    await end(database, await begin(database, every_s=0), outcome(row))
    assert await reason(database) is None
    assert (await trunk_row(database)).livekit_ids == {"outbound": "ST_1"}
    await end(database, await begin(database, every_s=0), outcome(row), problem="no bridge")
    assert await reason(database) == "no bridge"


async def test_what_nobody_has_looked_at_for_a_while_is_not_connected(database, keyring):
    await add_number(database)
    row = await save(database, keyring)
    row = await trunk_row(database)
    await end(database, await begin(database), outcome(row))
    assert await reason(database) is None
    async with database.writing() as connection:
        long_ago = moment(connection) - telephony.STALE_AFTER * 2
        await connection.execute(sa.update(tables.telephony).values(looked_at=long_ago))
    assert await reason(database) == telephony.NO_PIPELINE


async def test_a_trunk_that_was_changed_during_the_look_is_not_said_to_be_ready(database, keyring):
    await add_number(database)
    seen = await save(database, keyring)
    look = await begin(database)
    await save(database, keyring, address="another")
    await end(database, look, outcome(seen))
    assert (await trunk_row(database)).state == "pending"
    assert await reason(database) == telephony.PENDING


async def test_of_many_at_once_one_looks_and_then_nobody_until_it_is_time_or_something_changed(database, keyring):
    looks = await asyncio.gather(*(begin_in_own_transaction(database) for _ in range(6)))
    [look] = [one for one in looks if one is not None]
    assert await begin(database, every_s=0) is None
    await end(database, look)
    assert await begin(database) is None
    await save(database, keyring)
    assert await begin(database) is not None


async def begin_in_own_transaction(database: Database) -> Look | None:
    async with database.writing() as connection:
        return await begin_look(connection, 60, 60)


async def test_a_look_that_was_not_held_is_taken_over_and_its_first_looker_notes_nothing(database, keyring):
    await add_number(database)
    row = await save(database, keyring)
    dead = await begin(database, lease_s=0)
    assert dead is not None
    async with database.writing() as connection:
        assert await hold_look(connection, dead, 0)  # nobody else came
    taken = await begin(database)
    assert taken is not None
    assert taken.installation == dead.installation
    async with database.writing() as connection:
        assert not await hold_look(connection, dead, 60)
        assert await hold_look(connection, taken, 60)
    await end(database, dead, outcome(row))
    assert (await trunk_row(database)).state == "pending"
    await end(database, taken, outcome(row))
    assert (await trunk_row(database)).state == "ready"


async def test_a_change_of_numbers_has_the_trunk_brought_again(database, keyring):
    await add_number(database)
    await save(database, keyring)
    await end(database, await begin(database), outcome(await trunk_row(database)))
    assert await reason(database) is None
    async with database.writing() as connection:
        await phones.add_number(connection, DEFAULT_TENANT, "+15551234568")
    assert await reason(database) == telephony.PENDING
    assert await begin(database) is not None

"""What calls come to is counted as it happens, and is what a count of all of them would give."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from alembic import command

from calls.database.engine import DEFAULT_TENANT, Database
from calls.latency import Turn, write_turns
from calls.migrations import alembic_config, upgrade_schema
from calls.placing.creation import NewParticipant
from calls.states import EndReason
from calls.store import CallStore
from calls.usage import Figures, read_usage, steps
from calls.workers import leases


async def figures(database: Database, *by: str) -> dict[tuple[Any, ...], Figures]:
    today = datetime.now(UTC).date()
    span = (today - timedelta(days=1), today + timedelta(days=1))
    async with database.reading() as connection:
        return await read_usage(connection, DEFAULT_TENANT, *span, agent_id=None, by=by)


def turn(waited_ms: int) -> Turn:
    return Turn(1000 + waited_ms, 1000, 1000 + waited_ms, 1000 + waited_ms)


async def test_ends_and_answers_are_counted_and_a_count_of_all_calls_gives_the_same(
    database, place, running, finish, agent
):
    talked, token = await running(participants=[NewParticipant("webrtc", "ada", price_micros_per_minute=60)])
    async with database.writing() as connection:
        await write_turns(connection, talked.id, [turn(900), turn(910), turn(2000), turn(90_000)])
        began = datetime.now(UTC)
        await CallStore(connection, began + timedelta(seconds=20)).finish(talked.id, EndReason.CALLER_HUNG_UP)
        await leases.release(connection, talked.id, token)
    await finish((await place()).id, EndReason.NO_ANSWER)
    await finish((await place()).id, EndReason.NO_ANSWER)
    late = await place()
    ended = datetime.now(UTC)
    async with database.writing() as connection:
        token = await leases.take(connection, late.id, "worker", "agent-1")
        assert token is not None
        await CallStore(connection, ended).finish(late.id, EndReason.SHUT_DOWN)
    async with database.writing() as connection:  # what was before is known only now
        await CallStore(connection, ended - timedelta(seconds=10)).participant_joined(late.id, "ada")
        await CallStore(connection, ended - timedelta(seconds=10)).start(late.id)
    async with database.writing() as connection:
        await leases.release(connection, late.id, token)

    counted = await figures(database)
    [whole] = counted.values()
    assert (whole.calls, whole.completed, dict(+whole.failures)) == (4, 2, {"no_answer": 2})
    assert 30 <= whole.seconds <= 31
    assert whole.cost_micros > 0
    assert whole.answers == steps([900, 910, 2000, 90_000])
    assert (whole.percentile_ms(0.5), whole.percentile_ms(0.95)) == (950, None)

    by_agent = await figures(database, "day", "agent_id")
    assert [key[1] for key in by_agent] == [agent["id"]]
    async with database.writing() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "0016"))
        await connection.run_sync(upgrade_schema)
    [recounted] = (await figures(database)).values()
    assert (recounted.seconds, recounted.cost_micros) == (whole.seconds, whole.cost_micros)
    assert (recounted.completed, recounted.failures, recounted.answers) == (2, +whole.failures, whole.answers)


async def test_calls_may_end_while_others_turn_out_to_have_begun_after_all(database, place, running, finish):
    ended = datetime.now(UTC)
    late = [await place() for _ in range(8)]
    for call in late:
        await finish(call.id, EndReason.SHUT_DOWN)
    talking = [(await running())[0] for _ in range(8)]

    async def began(call_id: str) -> bool:
        async with database.writing() as connection:
            store = CallStore(connection, ended - timedelta(seconds=10))
            await store.participant_joined(call_id, "ada")
            return await store.start(call_id)

    both = zip(late, talking, strict=True)
    written = [write for one, other in both for write in (began(one.id), finish(other.id, EndReason.SHUT_DOWN))]
    assert all(await asyncio.gather(*written))
    [whole] = (await figures(database)).values()
    assert (whole.completed, +whole.failures) == (16, {})

"""How long reads take while four calls are being written, with many calls in the database."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bench.ground import Ground, ground
from bench.table import Line, percentile, show
from calls.database.engine import Database
from calls.store import CallStore
from calls.workers import leases

CALLS = 100_000
WRITERS = 4
ROUNDS = 400
GOAL_MS = 20
FIRST_WORDS_S = 30


async def run() -> bool:
    """Print the table; whether every goal was reached."""
    async with ground() as on:
        await on.fill(CALLS)
        async with AsyncExitStack() as stack:
            live = [await stack.enter_async_context(_conversation(on)) for _ in range(WRITERS)]
            for call_id in live:
                await _wait_for_words(on, call_id)
            times = await _read(on, live)
            await _check_that_they_write(on, live)
    lines = []
    for what, seconds in times.items():
        p99 = percentile(seconds, 0.99)
        measured = f"p50 {percentile(seconds, 0.5):.1f} ms, p99 {p99:.1f} ms"
        lines.append(Line(what, measured, f"p99 < {GOAL_MS} ms", p99 < GOAL_MS))
    show(f"Reads, {CALLS:,} calls, {WRITERS} conversations being written", lines)
    return all(line.reached is not False for line in lines)


async def _read(on: Ground, live: list[str]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for what, path in _requests(on, live).items():
            took, _answer = await on.timed("GET", path)
            times.setdefault(what, []).append(took)
    return times


def _requests(on: Ground, live: list[str]) -> dict[str, str]:
    call_id, talking = on.some_call(), random.choice(live)
    return {
        "GET /v1/calls (200 calls)": "/v1/calls",
        "GET /v1/calls?limit=50&cursor=": f"/v1/calls?limit=50&cursor={random.choice(on.call_ids[100:])}",
        "GET /v1/calls/active": "/v1/calls/active",
        "GET /v1/calls/:id": f"/v1/calls/{call_id}",
        "GET /v1/calls/:id/transcript": f"/v1/calls/{call_id}/transcript",
        "GET /v1/calls/:id/transcript, while it is spoken": f"/v1/calls/{talking}/transcript",
        "GET /v1/calls/:id/events": f"/v1/calls/{call_id}/events",
        "GET /v1/agents/:id": f"/v1/agents/{on.agent_id}",
    }


@asynccontextmanager
async def _conversation(on: Ground) -> AsyncIterator[str]:
    """The id of a call in progress, whose transcript a process of its own writes."""
    people = [{"transport": "webrtc", "identity": "ada"}]
    body = {"agent_id": on.agent_id, "participants": people}
    _, call = await on.timed("POST", "/v1/calls", body)
    database = Database(on.settings.database)
    async with database.writing() as connection:
        store = CallStore(connection)
        token = await leases.take(connection, call["id"], "bench", "agent")
        await store.start(call["id"])
    await database.close()
    arguments = [sys.executable, "-m", "bench.writer", on.settings.database, call["id"], str(token)]
    writer = await asyncio.create_subprocess_exec(*arguments)
    try:
        yield call["id"]
    finally:
        writer.terminate()
        await writer.wait()


async def _wait_for_words(on: Ground, call_id: str) -> None:
    async with asyncio.timeout(FIRST_WORDS_S):
        while not await _spoken(on, call_id):  # noqa: ASYNC110 - it is another process that speaks
            await asyncio.sleep(0.1)


async def _spoken(on: Ground, call_id: str) -> str:
    async with on.http.get(f"/v1/calls/{call_id}/transcript") as answer:
        return (await answer.json())["text"] if answer.ok else ""


async def _check_that_they_write(on: Ground, live: list[str]) -> None:
    before = [await _spoken(on, call_id) for call_id in live]
    await asyncio.sleep(2)
    after = [await _spoken(on, call_id) for call_id in live]
    if any(first == second for first, second in zip(before, after, strict=True)):
        raise RuntimeError("a conversation was not being written")

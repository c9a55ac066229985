"""How soon after a call its analysis is there, beside what one question to the model takes."""

import asyncio
import time
from typing import Any

from bench.ground import Ground, ground, process
from bench.table import Line, percentile, show
from calls.database.engine import Database
from calls.states import EndReason
from calls.store import CallStore
from calls.transcript import Segment, write_segments
from calls.workers import leases
from tests.providers import Chat, Providers

MODEL_S = 1.0  # what it takes to answer, whatever it is asked
ROUNDS = 20
TIMES, MORE_S = 1.3, 0.5
LOOK_S = 0.005
WITHIN_S = 60
POST_CALL = {
    "summary": {"enabled": True},
    "structured_extraction": {"json_schema": {"type": "object", "properties": {"guests": {"type": "integer"}}}},
    "evaluation": {"rubric": "Did the agent book a table?"},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "summary": {"summary": "A table for four was booked.", "sentiment": "positive"},
    "extraction": {"guests": 4},
    "evaluation": {"passed": True, "score": 0.9, "reasoning": "The agent booked it."},
}


async def run() -> bool:
    """Print the table; whether the goal was reached."""
    async with Providers(llm_s=MODEL_S) as model, ground(llm_url=model.url) as on:
        model.answer_with(_answer)
        async with process("pipeline", on.settings):
            database = Database(on.settings.database)
            await _analyse(on, database)  # whose first time it is
            took = [await _analyse(on, database) for _ in range(ROUNDS)]
            await database.close()
    goal_ms = (TIMES * MODEL_S + MORE_S) * 1000
    lines = [Line("one question to the model", f"{MODEL_S * 1000:.0f} ms")]
    for name, share in (("p50", 0.5), ("slowest", 1.0)):
        ms = percentile(took, share)
        measured = f"{ms:.0f} ms, {ms / 1000 / MODEL_S:.2f} x"
        goal = f"<= {goal_ms:.0f} ms ({TIMES} x + {MORE_S:g} s)"
        lines.append(Line(f"the result after the end, {name}", measured, goal, ms <= goal_ms))
    show(f"Summary, extraction and evaluation of a call, {ROUNDS} times", lines)
    return all(line.reached is not False for line in lines)


def _answer(chat: Chat) -> dict[str, Any]:
    return ANSWERS[chat.body["response_format"]["json_schema"]["name"]]


async def _analyse(on: Ground, database: Database) -> float:
    """Seconds from the end of a call to its whole analysis, as whoever asks the API sees it."""
    people = [{"transport": "webrtc", "identity": "ada"}]
    body = {"agent_id": on.agent_id, "participants": people, "post_call": POST_CALL}
    _, call = await on.timed("POST", "/v1/calls", body)
    call_id = call["id"]
    async with database.writing() as connection:
        token = await leases.take(connection, call_id, "bench", "agent")
        assert token is not None
        await CallStore(connection).start(call_id)
        said = [("agent", "Hello, this is Aria."), ("user", "A table for four."), ("agent", "It is booked.")]
        lines = [Segment(n, *line, n * 1000, n * 1000 + 900, is_final=True) for n, line in enumerate(said)]
        await write_segments(connection, call_id, token, lines)
    async with database.writing() as connection:
        await CallStore(connection).finish(call_id, EndReason.CALLER_HUNG_UP)
        await leases.release(connection, call_id, token)
    ended = time.perf_counter()
    async with asyncio.timeout(WITHIN_S):
        while True:
            _, shown = await on.timed("GET", f"/v1/calls/{call_id}")
            if shown["intelligence_status"] == "completed":
                break
            await asyncio.sleep(LOOK_S)
    took = time.perf_counter() - ended
    if shown["intelligence"]["errors"]:
        raise RuntimeError(f"the analysis has errors: {shown['intelligence']['errors']}")
    return took

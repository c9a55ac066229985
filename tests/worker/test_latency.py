"""What a worker measures of its turns, in the database and beside the sound."""

import pytest

from calls.database.engine import Database
from calls.latency import Turn, read_turns
from pipeline.loudness import measured, peaks
from tests.conftest import Until
from tests.providers import Providers
from tests.worker.conftest import Running, Stage, Talk

pytestmark = pytest.mark.restless

CLOSE_MS = 250  # how far the voice activity may be from what is loud


async def turns_in(database: Database, call_id: str) -> list[Turn]:
    async with database.reading() as connection:
        return await read_turns(connection, call_id)


async def turns_of(call: Talk) -> list[Turn]:
    return await turns_in(call.database, call.id)


async def test_each_answer_to_a_voice_is_a_turn_whose_parts_are_where_the_sound_says(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Do you have a table for two?", "And at nine?")
    providers.answer("Yes, at eight.", "Also at nine.")
    call = await stage.call(first_message="Hello, this is Ada.", post_call={"recording": {"enabled": True}})
    async with call.caller() as caller:
        await until(lambda: call.has_said("agent", "Hello, this is Ada."))
        assert await turns_of(call) == [], "nobody waits for a greeting"
        for answer in ("Yes, at eight.", "Also at nine."):
            await caller.say()
            await until(lambda answer=answer: call.has_said_also("agent", answer))
    await until(call.ended)
    turns = await turns_of(call)
    assert len(turns) == 2
    [recording] = await until(call.pieces)
    with recording.open("rb") as file:
        found = peaks(file, "ogg", turns[-1].first_sound_at_ms + 2000)
    for turn in turns:
        heard = measured(found, turn)
        assert heard == pytest.approx((turn.user_stopped_at_ms, turn.first_sound_at_ms), abs=CLOSE_MS)
        assert turn.end_of_turn_ms + turn.llm_ms + turn.tts_ms == turn.response_ms
        assert min(turn.end_of_turn_ms, turn.llm_ms, turn.tts_ms) >= 0
        assert (turn.phrase_at_ms, turn.measured_by) == (None, "worker")


async def test_one_moment_is_not_the_answer_and_without_a_transcript_a_turn_is_kept_as_well(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Do you have a table?")
    providers.answer("Yes, we have.")
    for model in ("first", "second"):
        providers.hang("llm", model=model)
    models = [{"model": model} for model in ("first", "second", "third")]
    call = await stage.call(llm=models, features={"transcription_enabled": False})
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        [turn] = await until(lambda: turns_of(call))
    await until(call.ended)
    assert await call.transcript() == []
    assert turn.phrase_at_ms is not None
    assert turn.decided_at_ms < turn.phrase_at_ms < turn.first_sound_at_ms
    assert turn.llm_ms > 4000, "the first two models have hung"


async def test_an_agent_that_takes_over_adds_its_turns_and_the_other_none(running: Running) -> None:
    turns = [Turn(1000 * number, 1000 * number - 300, 1000 * number + 200, 1000 * number + 500) for number in range(5)]
    before = running.writer()
    before.answered(turns[1])
    assert await before.flush()
    token = await running.take_over()
    before.answered(turns[2])
    assert not await before.flush()
    after = running.writer(token=token)
    after.answered(turns[3])
    after.answered(turns[4])
    assert await after.complete()
    assert await turns_in(running.database, running.call.id) == [turns[1], turns[3], turns[4]]

"""What a caller hears meanwhile who waits for a voice or a model, or for whom there are no words."""

import math
from itertools import pairwise
from typing import Literal

import pytest

from tests.awake import awake
from tests.conftest import Until
from tests.providers import Providers
from tests.worker.caller import LOUD, Caller
from tests.worker.conftest import Stage, Together
from tests.worker.test_latency import turns_of
from tests.worker.test_talk import BLOCK_S, loudness
from tests.worker.test_talk import LOUD as RECORDED_LOUD
from tests.worker.voices.box import MOMENT, SORRY
from worker.speaker.failures import LIMITS

pytestmark = pytest.mark.restless


def bursts(caller: Caller) -> list[tuple[float, float]]:
    """When the agent was heard: from, to; with a second of silence between two."""
    loud = [at for at, level in caller.heard if level > LOUD]
    starts = [after for before, after in pairwise([-math.inf, *loud]) if after - before > 1]
    ends = [before for before, after in pairwise([*loud, math.inf]) if after - before > 1]
    return list(zip(starts, ends, strict=True))


async def a_voice_that_hangs_at_the_greeting_leaves_nobody_in_silence_and_is_asked_for_it_once_more(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Hello?")
    providers.hang("tts", times=2)
    call = await stage.call(first_message="Good day, this is Ada.")
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        async with awake() as ran_s:
            await until(caller.agent_has_been_heard)
            assert ran_s() < 6
        await until(lambda: call.has_said("agent", f"{MOMENT} Good day, this is Ada."))
        await caller.say()
        await until(lambda: call.has_said("agent", "I see."))
        told = str(providers.chats[-1].messages)
        assert MOMENT not in told
        assert "this is Ada" in told
    await until(call.ended)
    assert SORRY not in await call.said("agent")


async def who_waits_for_a_slow_model_hears_that_it_takes_a_moment_and_then_a_tone_which_are_not_the_answer(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Do you have a table?")
    for model in ("first", "second", "third"):
        providers.hang("llm", model=model)
    models = [{"model": model} for model in ("first", "second", "third", "fourth")]
    call = await stage.call(llm=models, post_call={"recording": {"enabled": True}})
    async with call.caller() as caller, awake() as ran_s:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", "I see."))
        await until(caller.agent_listens)
        assert len(bursts(caller)) > 2
        assert all(ran_s(before, after) < 5 for (_, before), (after, _) in pairwise(bursts(caller)))
    await until(call.ended)
    assert await call.said("agent") == f"{MOMENT} I see."
    [turn] = await turns_of(call)
    assert turn.phrase_at_ms is not None
    assert turn.decided_at_ms < turn.phrase_at_ms < turn.first_sound_at_ms
    assert turn.llm_ms > 4000, "several models have hung"
    [recording] = await until(call.pieces)
    [moment] = [row for row in await call.transcript() if row.text == MOMENT]
    begin, end = (round(at_ms / 1000 / BLOCK_S) for at_ms in (moment.started_at_ms, moment.ended_at_ms))
    assert (loudness(recording)[1][begin:end] > RECORDED_LOUD).mean() > 0.3


async def in_a_language_without_words_a_tone_is_heard_and_no_english(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hang("tts")
    call = await stage.call(first_message="もしもし。", language="ja")
    async with call.caller() as caller:
        await until(lambda: call.has_happened("provider.failed"))
        await until(lambda: bursts(caller))
        assert caller.seconds_heard() < 1
        assert await call.said("agent") == ""
    await until(call.ended)


async def hear_an_answer(caller: Caller, until: Until) -> None:
    heard_s = caller.seconds_heard()
    await caller.say()
    await until(lambda: caller.seconds_heard() > heard_s + 0.2)


@pytest.mark.parametrize("kind", ["llm", "tts"])
async def test_in_a_language_without_words_each_failure_is_heard_and_the_end_of_the_call_too(
    stage: Stage, providers: Providers, until: Until, kind: Literal["llm", "tts"]
) -> None:
    providers.hear_with(lambda _utterance: "もしもし")
    providers.fail(kind, 503)
    call = await stage.call(language="ja", silence_reminder_s=200, silence_timeout_s=300)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        for _ in range(LIMITS[kind] - 1):
            await hear_an_answer(caller, until)
        heard_s = caller.seconds_heard()
        await caller.say()
        row = await until(call.ended)
        assert caller.seconds_heard() > heard_s + 0.2
    assert row.end_reason == "provider_failed"
    assert await call.said("agent") == ""


@pytest.mark.timeout(240)
async def test_who_waits_is_never_left_in_silence(together: Together) -> None:
    """As many calls at a time as there are booths."""
    await together(
        who_waits_for_a_slow_model_hears_that_it_takes_a_moment_and_then_a_tone_which_are_not_the_answer,
        a_voice_that_hangs_at_the_greeting_leaves_nobody_in_silence_and_is_asked_for_it_once_more,
        in_a_language_without_words_a_tone_is_heard_and_no_english,
    )

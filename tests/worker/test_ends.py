"""How calls end: each once, with a reason of its own, and with everything written."""

import asyncio
import io
import math
import sys
from typing import Any

import pytest
import sqlalchemy as sa
from livekit import api

from calls.phrases import ENGLISH, Phrases, Translation, translation_key
from calls.recordings.storage import Storage
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import jobs
from calls.tenants.keys import add_credits, create_tenant, get_tenant
from tests.conftest import Until, now
from tests.pipeline.sound import RATE, read_sound
from tests.providers import Chat, Providers, ToolCall
from tests.providers.script import Answer
from tests.worker.caller import Caller
from tests.worker.conftest import WITHOUT_A_WORD, Stage, Talk, take_over
from worker.talk import LAST_WORDS_S

pytestmark = pytest.mark.restless

HELLO = "Hello there."
ANALYSED = {"summary": {"enabled": True}}
RECORDED = {"recording": {"enabled": True}}
PATIENT: dict[str, Any] = {"silence_reminder_s": 600, "silence_timeout_s": 900}


async def _end_over_the_api(call: Talk) -> bool:
    async with call.database.writing() as connection:
        won = await CallStore(connection).finish(call.id, EndReason.ENDED_BY_API)
    await call.rooms.delete_room(call.room)
    return won


async def _times_ended(call: Talk) -> tuple[int, int]:
    """How often the call's end was written, and its post-call work queued."""
    query = sa.select(sa.func.count()).where(jobs.c.call_id == call.id, jobs.c.kind == "post_call")
    async with call.database.reading() as connection:
        queued = (await connection.execute(query)).scalar_one()
    return sum(message.startswith("Call completed") for message in await call.messages()), queued


async def by_the_agent(stage: Stage, until: Until) -> None:
    call = await stage.call(system_prompt="END", first_message=HELLO, **PATIENT, **WITHOUT_A_WORD)
    async with call.caller() as caller:
        await until(lambda: call.said("agent"))
        await caller.say()
        row = await until(call.ended)
    assert row.end_reason == "agent_hung_up"
    assert await call.said("agent") == f"{HELLO} It was a pleasure."


async def by_the_api_or_the_caller(stage: Stage, until: Until) -> None:
    call = await stage.call(first_message=HELLO, post_call=ANALYSED)
    async with call.caller() as caller:
        await until(lambda: call.said("agent"))
        won, _ = await asyncio.gather(_end_over_the_api(call), caller.hang_up())
        row = await until(call.ended)
    assert row.end_reason == ("ended_by_api" if won else "caller_hung_up")
    assert await _times_ended(call) == (1, 1)


async def by_deletion_of_the_room(stage: Stage, until: Until) -> None:
    call = await stage.call(first_message=HELLO, post_call=ANALYSED)
    async with call.caller():
        await until(lambda: call.said("agent"))
        await call.rooms.delete_room(call.room)
        row = await until(call.ended)
    assert row.end_reason == "room_deleted"
    assert await _times_ended(call) == (1, 1)


async def by_its_length(stage: Stage, until: Until) -> None:
    # On a busy machine the agent is heard late.
    call = await stage.call(max_duration_s=8, features={"transcription_enabled": False}, first_message=HELLO)
    async with call.caller() as caller:
        await until(caller.agent_has_been_heard)
        row = await until(call.ended)
    assert row.end_reason == "max_duration"
    assert 7.9 < (row.ended_at - row.started_at).total_seconds() < 60
    assert await call.transcript() == []


async def by_silence(stage: Stage, until: Until) -> None:
    call = await stage.call(silence_reminder_s=1, silence_timeout_s=3, language="de", **WITHOUT_A_WORD)
    async with call.caller():
        row = await until(call.ended)
    assert row.end_reason == "silence"
    said = [row.text for row in await call.transcript()]
    assert said == ["Sind Sie noch da?", "Ich höre Sie nicht mehr und lege jetzt auf. Auf Wiederhören."]


async def by_a_lost_connection(stage: Stage, until: Until) -> None:
    # LiveKit takes its time to see it, on a busy machine as long as an agent waits that nobody talks to.
    call = await stage.call(first_message=HELLO, post_call=ANALYSED | RECORDED, silence_timeout_s=120)
    caller = call.caller()
    command = [sys.executable, "-m", "tests.worker.caller", caller.url, caller.token]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await until(lambda: call.said("agent"))
    finally:
        process.kill()
        await process.wait()
    row = await until(call.ended, timeout=120)
    assert row.end_reason == "connection_lost"
    [lost] = [event for event in await call.events() if event.kind == "participant.left"]
    assert row.ended_at == lost.created_at, "nobody pays for the wait for their return"
    seconds = (row.ended_at - row.started_at).total_seconds()
    assert row.bill_duration == math.ceil(seconds)
    [recording] = await until(call.pieces)
    assert len(read_sound(recording)) / RATE == pytest.approx(seconds, abs=1)


async def by_used_up_credits(stage: Stage, until: Until) -> None:
    async with stage.database.writing() as connection:
        tenant_id = (await create_tenant(connection, "Acme", metered=True)).id
        await add_credits(connection, tenant_id, 4_000)
    monologue = HELLO * 20
    call = await stage.call(tenant_id=tenant_id, price_micros_per_minute=60_000, first_message=monologue)
    async with call.caller():
        row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "credits_used_up")
    told, why = [line.text for line in await call.transcript()]
    assert monologue.startswith(told)
    assert why == ENGLISH.credits_used_up
    assert (row.ended_at - row.started_at).total_seconds() > 4, "a thousand a second"
    async with stage.database.reading() as connection:
        tenant = await get_tenant(connection, tenant_id)
    assert (tenant.credits_micros, tenant.reserved_micros) == (4_000 - row.cost_micros, 0)
    assert -LAST_WORDS_S * 1000 < tenant.credits_micros <= 0


async def by_silence_in_a_language_whose_words_come_only_now(stage: Stage, until: Until) -> None:
    """The reminder finds no words and is left out, never said in English; then a translation is there."""
    call = await stage.call(language="ja", silence_reminder_s=1, silence_timeout_s=20)
    key = translation_key("ja", call.settings)
    async with call.caller() as caller:
        await until(lambda: _is_asked_for(call, "translate_phrases"))
        await until(lambda: call.has_status("in_progress"))
        await asyncio.sleep(2)
        assert caller.seconds_heard() == 0
        japanese = Translation(phrases=Phrases(silence="お電話を切ります。"))
        await Storage(call.settings).put_file(key, io.BytesIO(japanese.model_dump_json().encode()))
        row = await until(call.ended, timeout=100)
    assert row.end_reason == "silence"
    assert [line.text for line in await call.transcript()] == ["お電話を切ります。"]


async def _is_asked_for(call: Talk, kind: str) -> bool:
    async with call.database.reading() as connection:
        return bool(await connection.scalar(sa.select(sa.exists().where(jobs.c.kind == kind))))


def phone_that_rings(call: Talk) -> Caller:
    """As LiveKit's SIP bridge puts it into the room."""
    settings = call.settings
    token = api.AccessToken(settings.livekit_api_key, settings.livekit_api_secret.get_secret_value())
    grants = api.VideoGrants(room_join=True, room=call.room)
    token.with_identity("phone").with_kind("sip").with_attributes({"sip.callStatus": "ringing"}).with_grants(grants)
    return Caller(settings.livekit_url, token.to_jwt())


async def by_the_last_person_when_a_phone_is_not_picked_up(stage: Stage, until: Until) -> None:
    call = await stage.call(first_message=HELLO, post_call=ANALYSED)
    async with phone_that_rings(call):
        async with call.caller():
            await until(lambda: call.said("agent"))
        await until(lambda: call.has_happened("participant.left"))
        rang_until = now()
    row = await until(call.ended)
    assert row.end_reason == "caller_hung_up"
    assert row.ended_at > rang_until, "it might have been picked up"


async def by_a_caller_who_left_before_the_agent_came(stage: Stage, until: Until) -> None:
    call = await stage.place()
    for change in (CallStore.participant_joined, CallStore.participant_left):
        async with call.database.writing() as connection:
            await change(CallStore(connection), call.id, "alice")
    await call.open_room()
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("failed", "caller_hung_up")


async def not_at_all_when_the_agent_is_put_out(stage: Stage, until: Until) -> None:
    call = await stage.call(first_message=HELLO * 20)
    async with call.caller() as caller:
        await until(caller.agent_has_been_heard)
        agent = await until(lambda: caller.agent)
        await call.rooms.remove_participant(call.room, agent.identity)
        await until(lambda: call.has_happened("agent.lost"))
        [lost] = [event for event in await call.events() if event.kind == "agent.lost"]
        assert lost.data == {"reason": "cut_off"}
        assert await call.status() == "in_progress"
    await _end_over_the_api(call)


async def not_at_all_when_another_worker_has_it(stage: Stage, until: Until) -> None:
    call = await stage.call(first_message=HELLO * 20)
    async with call.caller() as caller:
        await until(caller.agent_has_been_heard)
        await until(lambda: call.has_status("in_progress"))
        assert await take_over(call.database, call.id)
        await until(lambda: caller.agent is None)
        assert await call.status() == "in_progress"
    await _end_over_the_api(call)


@pytest.mark.timeout(300)
async def test_each_end_has_its_own_reason_and_happens_once(stage: Stage, providers: Providers, until: Until) -> None:
    def model(chat: Chat) -> Answer:
        return ["It was a pleasure. ", ToolCall("end_call")] if chat.system == "END" else "I see."

    providers.answer_with(model)
    providers.hear_with(lambda _utterance: "That is all, goodbye.")
    # For half a minute the first two wait: for LiveKit to believe that a connection is lost, and for a long silence.
    long = (by_a_lost_connection, by_silence_in_a_language_whose_words_come_only_now)
    short = (
        (by_the_agent, by_the_api_or_the_caller, by_deletion_of_the_room),
        (by_its_length, by_silence, by_used_up_credits),
        (
            not_at_all_when_the_agent_is_put_out,
            not_at_all_when_another_worker_has_it,
            by_the_last_person_when_a_phone_is_not_picked_up,
            by_a_caller_who_left_before_the_agent_came,
        ),
    )
    async with asyncio.TaskGroup() as meanwhile:
        for way in long:
            meanwhile.create_task(way(stage, until))
        for ways in short:
            await asyncio.gather(*(way(stage, until) for way in ways))

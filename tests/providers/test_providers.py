"""The stand-ins are what the production plugins take them for."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise

import aiohttp
import numpy as np
import pytest
from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, APIStatusError, llm, stt
from livekit.plugins import deepgram, openai

from tests.conftest import Until
from tests.providers import Chat, InPieces, Interim, Providers, ToolCall, in_thread

RATE = 16_000
ONCE = APIConnectOptions(max_retry=0, timeout=60)
IMPATIENTLY = APIConnectOptions(max_retry=0, timeout=0.5)


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    async with Providers() as running:
        yield running


def audio(*stretches: tuple[float, float]) -> list[rtc.AudioFrame]:
    """50 ms frames of (seconds, amplitude) stretches."""
    wave = np.concatenate([level * np.sin(np.arange(int(s * RATE)) / 10) for s, level in stretches])
    pcm = (wave * 32767).astype("<i2")
    size = RATE // 20
    return [rtc.AudioFrame(pcm[i : i + size].tobytes(), RATE, 1, size) for i in range(0, len(pcm) - size + 1, size)]


async def recognize(providers: Providers, finals: int, *stretches: tuple[float, float]) -> list[stt.SpeechEvent]:
    """What the plugin makes of the audio, up to so many final results."""
    events: list[stt.SpeechEvent] = []
    async with aiohttp.ClientSession() as session:
        plugin = deepgram.STT(api_key="k", base_url=f"{providers.url}/listen", http_session=session)
        stream = plugin.stream(conn_options=ONCE)
        for frame in audio(*stretches):
            stream.push_frame(frame)
        try:
            while len(final(events)) < finals:
                events.append(await anext(stream))
        finally:
            await stream.aclose()
    return events


def is_final(event: stt.SpeechEvent) -> bool:
    return event.type is stt.SpeechEventType.FINAL_TRANSCRIPT


def final(events: list[stt.SpeechEvent]) -> list[stt.SpeechData]:
    return [event.alternatives[0] for event in events if is_final(event)]


async def ask(providers: Providers, chat: llm.ChatContext, options: APIConnectOptions = ONCE) -> str:
    model = openai.LLM(model="m", api_key="k", base_url=providers.url)
    async with model, model.chat(chat_ctx=chat, conn_options=options) as stream:
        return (await stream.collect()).text


def said(*words: str) -> llm.ChatContext:
    """A conversation in which user and assistant take turns, the user first."""
    context = llm.ChatContext.empty()
    for index, text in enumerate(words):
        context.add_message(role="assistant" if index % 2 else "user", content=text)
    return context


async def test_each_utterance_is_heard_as_its_scripted_words_at_its_own_time(providers: Providers) -> None:
    providers.hear("I need a table.", "For four people.")
    events = await recognize(providers, 2, (1, 0), (2, 0.2), (1, 0), (1, 0.2), (1, 0))
    first, second = final(events)
    assert (first.text, second.text) == ("I need a table.", "For four people.")
    assert (first.start_time, first.end_time) == pytest.approx((1, 3), abs=0.1)
    assert (second.start_time, second.end_time) == pytest.approx((4, 5), abs=0.1)
    assert [str(word) for word in first.words or []] == ["I", "need", "a", "table."]


async def test_interim_results_come_before_the_final_one(providers: Providers) -> None:
    providers.hear("I need a table for four people.")
    events = await recognize(providers, 1, (2, 0.2), (1, 0))
    kinds = [event.type for event in events]
    assert stt.SpeechEventType.INTERIM_TRANSCRIPT in kinds[: kinds.index(stt.SpeechEventType.FINAL_TRANSCRIPT)]


async def test_a_cough_is_an_utterance_without_words(providers: Providers) -> None:
    providers.hear(None, "Hello.")
    events = await recognize(providers, 1, (0.3, 0.2), (1, 0), (1, 0.2), (1, 0))
    assert [one.text for one in final(events)] == ["Hello."]
    assert [round(heard.duration_s, 1) for heard in providers.utterances] == [0.3, 1.0]


async def test_words_may_come_unconfirmed_or_in_pieces_or_not_at_all(providers: Providers) -> None:
    providers.hear(Interim("I need a table for four people."), InPieces("For four people,", "on Friday,", "at six."))
    events = await recognize(providers, 3, (2, 0.2), (1, 0), (2, 0.2), (1, 0))
    assert "I need a" in [event.alternatives[0].text for event in events if event.alternatives]
    assert [one.text for one in final(events)] == ["For four people,", "on Friday,", "at six."]
    assert all(one.end_time <= after.start_time + 0.01 for one, after in pairwise(final(events)))
    kinds = [event.type for event in events[events.index(next(one for one in events if is_final(one))) :]]
    assert kinds == [stt.SpeechEventType.FINAL_TRANSCRIPT] * 3
    providers.silence(times=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await recognize(providers, 1, (1, 0.2), (1, 0))
    providers.hear("Hello.")
    assert [one.text for one in final(await recognize(providers, 1, (1, 0.2), (1, 0)))] == ["Hello."]


async def test_final_results_may_be_held_back(providers: Providers, until: Until) -> None:
    providers.hear("Hello.")
    providers.hold()
    heard = asyncio.create_task(recognize(providers, 1, (1, 0.2), (1, 0)))
    await until(lambda: providers.utterances)
    await asyncio.wait({heard}, timeout=0.3)
    assert not heard.done()
    providers.confirm()
    assert [one.text for one in final(await heard)] == ["Hello."]


async def test_what_is_heard_may_depend_on_the_utterance(providers: Providers) -> None:
    providers.hear_with(lambda heard: "long" if heard.duration_s > 0.7 else "short")
    events = await recognize(providers, 2, (1, 0.2), (1, 0), (0.4, 0.2), (1, 0))
    assert [one.text for one in final(events)] == ["long", "short"]


async def test_the_model_answers_from_the_queue_once_for_each_point_of_a_conversation(providers: Providers) -> None:
    providers.answer("For how many?", "Done.")
    assert await ask(providers, said("A table")) == "For how many?"
    assert await ask(providers, said("A table, please.")) == "For how many?"
    assert await ask(providers, said("A table, please.", "For how many?", "Four.")) == "Done."
    assert [chat.last_user for chat in providers.chats] == ["A table", "A table, please.", "Four."]


async def test_the_model_calls_tools(providers: Providers) -> None:
    providers.answer(["Goodbye.", ToolCall("end_call", {"why": "done"})])
    model = openai.LLM(model="m", api_key="k", base_url=providers.url)
    async with model, model.chat(chat_ctx=said("Bye."), conn_options=ONCE) as stream:
        response = await stream.collect()
    assert response.text == "Goodbye."
    assert [(call.name, call.arguments) for call in response.tool_calls] == [("end_call", '{"why": "done"}')]


async def test_json_is_answered_by_the_schema_that_is_asked_for(providers: Providers) -> None:
    def model(chat: Chat) -> dict[str, str] | None:
        return {"summary": "A table."} if chat.schema else None

    providers.answer_with(model)
    schema = {"name": "s", "schema": {"type": "object", "properties": {"summary": {"type": "string"}}}}
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Summarize."}],
        "response_format": {"type": "json_schema", "json_schema": schema},
    }
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{providers.url}/chat/completions", json=body) as reply:
            message = (await reply.json())["choices"][0]["message"]
        assert json.loads(message["content"]) == {"summary": "A table."}
        providers.answer_with(None)
        async with http.post(f"{providers.url}/chat/completions", json=body) as reply:
            assert reply.status == 500


async def test_speech_lasts_as_long_as_its_text(providers: Providers) -> None:
    voice = openai.TTS(model="v", api_key="k", base_url=providers.url, response_format="pcm")
    async with voice.synthesize("x" * 30) as stream:
        frame = await stream.collect()
    await voice.aclose()
    assert frame.duration == pytest.approx(2, abs=0.05)
    assert providers.spoken == ["x" * 30]


async def test_services_fail_hang_and_recover(providers: Providers) -> None:
    providers.fail("stt", 401)
    with pytest.raises(APIStatusError):
        await recognize(providers, 1, (0.5, 0.2))
    providers.fail("llm", 503, times=1)
    with pytest.raises(APIStatusError):
        await ask(providers, said("Hello."))
    providers.hang("llm")
    with pytest.raises(APIConnectionError):
        await ask(providers, said("Hello."), IMPATIENTLY)
    providers.recover()
    assert await ask(providers, said("Hello.")) == "I see."


def test_they_also_run_in_a_thread_of_their_own() -> None:
    with in_thread() as providers:
        providers.answer("Hello.")
        assert asyncio.run(ask(providers, said("Hi."))) == "Hello."

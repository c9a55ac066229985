"""Calls of tools in the ways in which servers of language models send them."""

import json
from typing import Any

import openai
import pytest
from livekit.agents import llm
from livekit.plugins import openai as openai_plugin

from tests.providers import Providers, Raw
from worker.refusals import Refusals

CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "end_call", "arguments": "{}"}}
CUT = {**CALL, "function": {"name": "end_call", "arguments": '{"why": "the cal'}}
NAMELESS = {key: value for key, value in CALL.items() if key not in {"id", "index"}}
NO_ID = {**CALL, "id": None}


def delta(*, reason: str | None = None, **content: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": content, "finish_reason": reason}
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "scripted", "choices": [choice]}


def sent(*events: dict[str, Any], done: bool = True) -> Raw:
    lines = [f"data: {json.dumps(event)}" for event in events]
    return Raw(200, "\n\n".join([*lines, *(["data: [DONE]"] if done else [])]) + "\n\n")


async def calls_of(answer: Raw) -> tuple[str, list[str]]:
    """The text and the tools that LiveKit's plugin reads of an answer."""
    async with Providers() as providers:
        providers.answer(answer)
        http = openai.DefaultAsyncHttpxClient(transport=Refusals())
        async with openai.AsyncClient(base_url=providers.url, api_key="none", http_client=http) as client:
            model = openai_plugin.LLM(client=client, model="scripted")
            chat = llm.ChatContext.empty()
            chat.add_message(role="user", content="Bye.")
            text, names = "", []
            async with model.chat(chat_ctx=chat) as stream:
                async for chunk in stream:
                    if chunk.delta:
                        text += chunk.delta.content or ""
                        names += [call.name for call in chunk.delta.tool_calls]
    return text, names


@pytest.mark.parametrize("reason", ["tool_calls", "stop", "length", "function_call"])
@pytest.mark.parametrize("call", [CALL, NO_ID, NAMELESS], ids=["whole", "no id", "no id, no index"])
async def test_a_call_is_one_whatever_ends_it(call: dict[str, Any], reason: str) -> None:
    answer = sent(delta(content="Goodbye!"), delta(tool_calls=[call]), delta(reason=reason))
    assert await calls_of(answer) == ("Goodbye!", ["end_call"])


@pytest.mark.parametrize("done", [True, False])
async def test_a_call_is_one_though_nothing_ends_it(*, done: bool) -> None:
    answer = sent(delta(content="Goodbye!"), delta(tool_calls=[CALL]), delta(), done=done)
    assert await calls_of(answer) == ("Goodbye!", ["end_call"])
    with_reason = sent(delta(content="Goodbye!"), delta(tool_calls=[CALL], reason="length"), done=done)
    assert await calls_of(with_reason) == ("Goodbye!", ["end_call"])


async def test_several_calls_stay_several() -> None:
    second = {**CALL, "index": 1, "id": "call_2", "function": {"name": "look_up", "arguments": ""}}
    more = {"index": 1, "function": {"arguments": '{"table": 4}'}}
    answer = sent(delta(tool_calls=[CALL]), delta(tool_calls=[second]), delta(tool_calls=[more]), delta())
    assert await calls_of(answer) == ("", ["end_call", "look_up"])
    assert await calls_of(sent(delta(tool_calls=[NAMELESS, NAMELESS]), delta())) == ("", ["end_call", "end_call"])


async def test_a_call_that_was_cut_off_is_none() -> None:
    answer = sent(delta(content="Well."), delta(tool_calls=[CUT]), delta(reason="length"))
    assert await calls_of(answer) == ("Well.", [])


async def test_what_calls_nothing_stays_as_it_is() -> None:
    strange = Raw(200, ': ping\n\nevent: message\ndata: {"choices": []}\n\n' + str(sent(delta(content="Hm.")).body))
    assert await calls_of(strange) == ("Hm.", [])

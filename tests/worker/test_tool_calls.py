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
    lines = [f"data: {json.dumps(event, ensure_ascii=False)}" for event in events]
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


ONE_BY_ONE = {
    "each with its index": [{**CALL, "index": 0}, {**CALL, "index": 1, "id": "call_2"}],
    "no index": [{key: value for key, value in CALL.items() if key != "index"} | {"id": name} for name in ("a", "b")],
    "no index, no id": [NAMELESS, NAMELESS],
    "all of index 0": [{**CALL, "id": "a"}, {**CALL, "id": "b"}],
    "index null": [{**CALL, "index": None, "id": None}, {**CALL, "index": None, "id": None}],
}


@pytest.mark.parametrize("reason", ["tool_calls", "length", None])
@pytest.mark.parametrize("way", ONE_BY_ONE)
async def test_several_calls_stay_several(way: str, reason: str | None) -> None:
    one_by_one = [delta(tool_calls=[call]) for call in ONE_BY_ONE[way]]
    assert await calls_of(sent(*one_by_one, delta(reason=reason))) == ("", ["end_call", "end_call"])
    at_once = delta(tool_calls=ONE_BY_ONE[way])
    assert await calls_of(sent(at_once, delta(reason=reason))) == ("", ["end_call", "end_call"])


async def test_arguments_come_in_pieces_or_are_no_text() -> None:
    second = {**CALL, "index": 1, "id": "call_2", "function": {"name": "look_up", "arguments": ""}}
    more = [{"index": 1, "function": {"arguments": piece}} for piece in ('{"table"', ": 4}")]
    pieces = [delta(tool_calls=[one]) for one in (CALL, second, *more)]
    assert await calls_of(sent(*pieces, delta())) == ("", ["end_call", "look_up"])
    named = [{**CALL, "function": {"name": "look_up", "arguments": piece}} for piece in ('{"table"', ": 4}")]
    assert await calls_of(sent(*(delta(tool_calls=[one]) for one in named), delta())) == ("", ["look_up"])
    as_object = {**CALL, "function": {"name": "end_call", "arguments": {"why": "over"}}}
    assert await calls_of(sent(delta(tool_calls=[as_object]), delta())) == ("", ["end_call"])


async def test_what_a_content_filter_ended_calls_nothing() -> None:
    for events in (
        [delta(tool_calls=[CALL]), delta(reason="content_filter")],
        [delta(tool_calls=[CALL], reason="content_filter")],
    ):
        assert await calls_of(sent(delta(content="Well."), *events)) == ("Well.", [])


async def test_a_call_that_was_cut_off_is_none() -> None:
    answer = sent(delta(content="Well."), delta(tool_calls=[CUT]), delta(reason="length"))
    assert await calls_of(answer) == ("Well.", [])


async def test_what_calls_nothing_stays_as_it_is() -> None:
    strange = Raw(200, ': ping\n\nevent: message\ndata: {"choices": []}\n\n' + str(sent(delta(content="Hm.")).body))
    assert await calls_of(strange) == ("Hm.", [])


async def test_signs_that_end_lines_elsewhere_end_none_here() -> None:
    text = "One.\u2028Two.\u2029Three.\x85Four.\x0bFive."
    assert await calls_of(sent(delta(content=text), delta(tool_calls=[CALL]), delta())) == (text, ["end_call"])

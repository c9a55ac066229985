"""Servers of language models that do not take what an agent sends, on the wire."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from tests.providers import Chat, Providers, Raw, field
from worker.refusals import Refusals

TOOL = {"type": "function", "function": {"name": "end_call", "parameters": {}, "strict": True}}
REQUEST: dict[str, Any] = {
    "model": "scripted",
    "messages": [{"role": "user", "content": "Hello."}],
    "stream": True,
    "stream_options": {"include_usage": True},
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [TOOL],
}


def _is_strict(chat: Chat) -> bool:
    return any("strict" in tool["function"] for tool in chat.body.get("tools", []))


@pytest.fixture
async def scripted() -> AsyncIterator[Providers]:
    async with Providers() as providers:
        yield providers


@pytest.fixture
async def refusals() -> AsyncIterator[Refusals]:
    transport = Refusals()
    yield transport
    await transport.aclose()


@pytest.fixture
def client(scripted: Providers, refusals: Refusals) -> openai.AsyncClient:
    http = openai.DefaultAsyncHttpxClient(transport=refusals)
    return openai.AsyncClient(base_url=scripted.url, api_key="none", max_retries=0, http_client=http)


async def said(client: openai.AsyncClient) -> str:
    stream = await client.chat.completions.create(**REQUEST)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


@pytest.mark.parametrize(
    ("quirk", "left_out"),
    [
        (field.without("stream_options"), {"stream_options"}),
        (field.without("parallel_tool_calls"), {"parallel_tool_calls"}),
        (field.refusing(_is_strict, field.error("Unknown field: strict")), {"strict"}),
        (field.refusing(lambda chat: "tools" in chat.body, field.error("This model knows no functions.")), {"tools"}),
        (
            field.refusing(lambda chat: "stream_options" in chat.body or _is_strict(chat), Raw(422, "<p>No.</p>")),
            {"stream_options", "parallel_tool_calls", "strict"},
        ),
    ],
    ids=["stream_options", "parallel", "strict", "tools", "two of them, in no words"],
)
async def test_what_is_refused_is_left_out_and_from_then_on_not_sent(
    scripted: Providers, refusals: Refusals, client: openai.AsyncClient, quirk: field.Quirk, left_out: set[str]
) -> None:
    scripted.answer_with(quirk(lambda _: "Good day."))
    assert await said(client) == "Good day."
    assert set(refusals.left_out) == left_out
    sent = len(scripted.chats)
    assert await said(client) == "Good day."
    assert len(scripted.chats) == sent + 1
    if "tools" in left_out:
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(scripted.chats[-1].body)
    else:
        assert scripted.chats[-1].body["tools"]


async def test_a_request_that_is_refused_for_another_reason_teaches_nothing(
    scripted: Providers, refusals: Refusals, client: openai.AsyncClient
) -> None:
    scripted.answer_with(lambda _: field.TOO_LONG["openai"])
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        await said(client)
    assert not refusals.left_out
    scripted.answer_with(lambda _: "Good day.")
    assert await said(client) == "Good day."
    assert scripted.chats[-1].body["stream_options"]


async def test_of_several_tools_only_the_one_that_is_named_is_left_out(
    scripted: Providers, refusals: Refusals, client: openai.AsyncClient
) -> None:
    odd = {"type": "function", "function": {"name": "shop_find", "parameters": {"type": "array"}}}
    request = {**REQUEST, "tools": [TOOL, odd]}
    no = field.error("Invalid schema for function 'shop_find': array schema missing items.")
    scripted.answer_with(field.refusing(lambda chat: "shop_find" in chat.tools, no)(lambda _: "Good day."))
    await (await client.chat.completions.create(**request)).close()
    assert scripted.chats[-1].tools == ["end_call"]
    assert set(refusals.left_out) == {"tool shop_find"}

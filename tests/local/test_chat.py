"""OpenAI's chat, through its own client and LiveKit's plugin: shapes, not words, for the model is tiny."""

import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import openai
import pytest
from livekit.agents import APIConnectOptions, function_tool, llm
from livekit.plugins import openai as livekit_openai

HELLO: list[Any] = [{"role": "user", "content": "Hello."}]
TRANSCRIPT = "Caller: Hi, my name is Peter Brown. I want a table for two on Friday.\nAgent: It is booked."
BOOKING: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "the caller's full name"},
        "people": {"type": "integer", "description": "how many people come", "minimum": 1, "maximum": 20},
        "day": {"enum": ["Monday", "Friday", None], "description": "the day of the booking"},
        "wishes": {"type": "array", "items": {"type": "string"}, "description": "what else the caller wants"},
    },
    "required": ["name", "people", "day", "wishes"],
    "additionalProperties": False,
}


@pytest.fixture
async def client(local_url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{local_url}/v1", api_key="none", max_retries=0) as opened:
        yield opened


def _tool(name: str, description: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


async def test_the_models_are_listed(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["SmolLM2-135M-Instruct.Q4_1"]


async def test_an_answer_comes_whole(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="local", messages=HELLO, max_tokens=8)
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 8


async def test_an_answer_comes_word_by_word_with_the_usage_at_the_end(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="local", messages=HELLO, max_tokens=12, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(words) > 1
    assert chunks[-1].usage is not None


@pytest.mark.parametrize("stream", [False, True])
async def test_a_structured_answer_fits_its_schema(client: openai.AsyncOpenAI, *, stream: bool) -> None:
    answer: Any = await client.chat.completions.create(
        model="local",
        messages=[{"role": "system", "content": "Extract the booking."}, {"role": "user", "content": TRANSCRIPT}],
        response_format={"type": "json_schema", "json_schema": {"name": "booking", "schema": BOOKING}},
        stream=stream,
    )
    if stream:
        text = "".join([c.choices[0].delta.content or "" async for c in answer if c.choices])
    else:
        text = answer.choices[0].message.content
    jsonschema.validate(json.loads(text), BOOKING)
    assert json.loads(text)["name"] == "Peter Brown"


async def test_a_question_in_a_schema_is_answered_in_a_whole_sentence(client: openai.AsyncOpenAI) -> None:
    judged = {
        "reason": {"type": "string", "description": "Did the agent book the table for the caller?"},
        "passed": {"type": "boolean"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
    }
    schema: Any = {"type": "object", "properties": judged, "required": list(judged), "additionalProperties": False}
    answer = await client.chat.completions.create(
        model="local",
        messages=[{"role": "system", "content": "Judge the agent."}, {"role": "user", "content": TRANSCRIPT}],
        response_format={"type": "json_schema", "json_schema": {"name": "judged", "schema": schema}},
    )
    value = json.loads(answer.choices[0].message.content or "")
    jsonschema.validate(value, schema)
    assert value["reason"].endswith((".", "!", "?"))
    assert value["score"] in [tenth / 10 for tenth in range(11)]


@pytest.mark.parametrize(("name", "passes"), [("evaluation", False), ("extraction", True)])
async def test_only_callrooms_own_verdict_says_what_its_reasoning_says(
    client: openai.AsyncOpenAI, name: str, *, passes: bool
) -> None:
    """The model itself passes everybody."""
    refused = "Caller: I want to book a table.\nAgent: We do not book tables. Never call again."
    judged = {
        "reasoning": {"type": "string", "description": "Did the agent book the table for the caller?"},
        "passed": {"type": "boolean"},
    }
    schema: Any = {"type": "object", "properties": judged, "required": list(judged), "additionalProperties": False}
    answer = await client.chat.completions.create(
        model="local",
        messages=[{"role": "system", "content": "Judge the agent."}, {"role": "user", "content": refused}],
        response_format={"type": "json_schema", "json_schema": {"name": name, "schema": schema}},
    )
    value = json.loads(answer.choices[0].message.content or "")
    assert " not " in value["reasoning"]
    assert value["passed"] == passes


async def test_what_is_spoken_is_short_and_of_whole_sentences(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="local",
        messages=[{"role": "user", "content": "Tell me a very long story of a king and his castle."}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said.rstrip().endswith((".", "!", "?"))
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert 0 < chunks[-1].usage.completion_tokens < 120


async def test_livekits_plugin_gets_a_call_of_the_tool_that_it_requires(local_url: str) -> None:
    @function_tool
    async def end_call(reason: str) -> None:
        """Hang up the phone.

        Args:
            reason: why the call is over
        """

    plugin = livekit_openai.LLM(model="local", base_url=f"{local_url}/v1", api_key="none")
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Thank you, goodbye.")
    patient = APIConnectOptions(timeout=90)  # a busy machine thinks slowly
    async with plugin.chat(chat_ctx=context, tools=[end_call], tool_choice="required", conn_options=patient) as stream:
        calls = [call async for chunk in stream if chunk.delta for call in chunk.delta.tool_calls]
    await plugin.aclose()
    assert [call.name for call in calls] == ["end_call"]
    assert isinstance(json.loads(calls[0].arguments)["reason"], str)


async def test_the_named_tool_is_called_with_arguments_that_fit(client: openai.AsyncOpenAI) -> None:
    tools: Any = [_tool("end_call", "Hang up the phone"), _tool("book", "Book a table", people={"type": "integer"})]
    answer = await client.chat.completions.create(
        model="local",
        messages=[{"role": "user", "content": "A table for two, please."}],
        tools=tools,
        tool_choice={"type": "function", "function": {"name": "book"}},
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    [call] = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "book"
    assert isinstance(json.loads(call.function.arguments)["people"], int)


async def test_a_greeting_calls_no_tool(client: openai.AsyncOpenAI) -> None:
    tools: Any = [_tool("end_call", "Hang up the phone")]
    answer = await client.chat.completions.create(model="local", messages=HELLO, tools=tools, max_tokens=8)
    assert answer.choices[0].message.content
    assert not answer.choices[0].message.tool_calls


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages.0.role"),
        ({"temperature": 9}, "temperature"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "objekt"}}}},
            "response_format.json_schema.schema",
        ),
        ({"messages": [{"role": "user", "content": "word " * 9000}]}, "messages"),
    ],
)
async def test_a_wrong_request_gets_a_clear_error(
    client: openai.AsyncOpenAI, changed: dict[str, Any], param: str
) -> None:
    arguments: dict[str, Any] = {"model": "local", "messages": HELLO} | changed
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(**arguments)
    assert refused.value.param == param

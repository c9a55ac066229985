"""Servers that refuse parts of a request, or answer something that is no answer."""

import asyncio
import json

import pytest

from pipeline.llm import LlmFailed, LlmUnavailable, endpoint
from tests.pipeline.llm.conftest import SUMMARY, well
from tests.providers import Never, Raw, Trickle, field

EVALUATION = {"passed": True, "score": 0.9, "reasoning": "The agent booked it."}


@pytest.mark.parametrize(
    ("quirk", "requests"),
    [
        (field.without_schemas, 2),
        (field.without("response_format"), 3),
        (field.wordless, 5),
        (field.without("temperature"), 2),
        (field.without("temperature", "Bad Request"), 2),
        (field.without("seed"), 1),
        (field.without("max_tokens"), 1),
        (field.refusing(lambda chat: "temperature" in chat.body, Raw(404, "no endpoint for these parameters")), 2),
    ],
)
async def test_what_a_server_refuses_is_left_out_and_remembered(model, summary_of, quirk, requests):
    model.answer_with(quirk(well))
    assert (await summary_of()).value == SUMMARY
    assert len(model.chats) == requests
    assert (await summary_of()).value == SUMMARY
    assert len(model.chats) == requests + 1


async def test_several_refusals_of_one_server_are_found_out_together(model, summary_of, judgement_of):
    model.answer_with(field.without("temperature")(field.without_schemas(well)))
    assert (await summary_of()).value == SUMMARY
    asked = len(model.chats)
    assert (await judgement_of()).value == EVALUATION
    assert len(model.chats) == asked + 1
    assert model.chats[-1].body["response_format"] == {"type": "json_object"}


async def test_bounds_that_a_server_refuses_in_a_schema_are_kept_to_all_the_same(model, judgement_of):
    scores = iter([7, 0.9])
    model.answer_with(field.without_bounds(lambda _: {**EVALUATION, "score": next(scores)}))
    assert (await judgement_of()).value == EVALUATION
    assert "response_format" in model.chats[-1].body
    assert "7 is greater than the maximum of 1" in model.chats[-1].last_user


async def test_a_schema_of_a_user_that_is_refused_says_nothing_about_the_next(model, data_of, summary_of):
    odd = {"type": "object", "properties": {"guests": {"type": "integer"}, "odd": {"type": "string"}}}
    refused = field.error("response_format: a property called 'odd' is not known here")
    model.answer_with(field.refusing(lambda chat: "odd" in str(chat.schema), refused)(well))
    for _ in range(2):
        assert (await data_of(schema=odd)).value == {"guests": 4}
    assert len(model.chats) == 3
    assert (await data_of()).value == {"guests": 4}
    assert model.chats[-1].body["response_format"]["type"] == "json_schema"


async def test_a_server_that_takes_a_request_in_no_way_has_refused_it(model, summary_of):
    model.answer_with(lambda _: field.error("the model is called otherwise", 404))
    with pytest.raises(LlmFailed, match="refused the request with 404"):
        await summary_of()


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Raw(200, "<html><body>Sign in to the network</body></html>"), "no answer"),
        (Raw(200, ""), "no answer"),
        (Raw(200, "[]"), "no answer"),
        (Raw(200, {"choices": {"0": {}}}), "no answer"),
        (Raw(200, {"choices": "Hi"}), "no answer"),
        (Raw(200, {"choices": ["Hi"]}), "no answer"),
        (Raw(200, {"choices": [{"message": "Hi"}]}), "no answer"),
        (Raw(200, {"error": {"message": "Provider returned error", "code": 502}}), "answered 502"),
        (Raw(200, {"error": "loading the model"}), "answered 500"),
        (Raw(200, {"choices": []}), "answered 500"),
        (Raw(429, {"error": {"message": "Rate limit reached"}}, {"Retry-After": "20"}), "answered 429"),
        (Raw(529, {"type": "error", "error": {"type": "overloaded_error"}}), "answered 529"),
    ],
)
async def test_trouble_may_pass_also_where_it_calls_itself_a_success(model, summary_of, answer, complaint):
    model.answer(answer, SUMMARY)
    with pytest.raises(LlmUnavailable, match=complaint):
        await summary_of()
    assert (await summary_of()).value == SUMMARY


@pytest.mark.parametrize("usage", [None, [], [7], "7", {}, {"prompt_tokens": None}, {"prompt_tokens": "7"}])
async def test_an_answer_is_taken_whatever_the_server_says_of_its_tokens(model, summary_of, usage):
    message = {"role": "assistant", "content": json.dumps(SUMMARY)}
    model.answer(Raw(200, {"choices": [{"index": 0, "message": message}], "usage": usage}))
    assert (await summary_of("Caller: I need a table for four.\n" * 300)).value == SUMMARY


@pytest.mark.parametrize("answer", [Never(), Trickle()])
async def test_an_answer_that_does_not_come_to_its_end_is_not_waited_for(model, summary_of, monkeypatch, answer):
    monkeypatch.setattr(endpoint, "TIMEOUT_S", 0.3)
    model.answer(answer)
    async with asyncio.timeout(20):
        with pytest.raises(LlmUnavailable, match=r"did not answer in 0\.3 s"):
            await summary_of()


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_is_not_taken_is_said_at_once(model, summary_of, status):
    model.fail("llm", status)
    with pytest.raises(LlmFailed, match=f"refused the request with {status}"):
        await summary_of()
    assert model.chats == []


async def test_a_call_that_needs_nothing_of_this_costs_one_request(model, summary_of, data_of, judgement_of):
    model.answer_with(well)
    await summary_of()
    await data_of()
    await judgement_of()
    assert len(model.chats) == 3
    assert {chat.body["temperature"] for chat in model.chats} == {0}

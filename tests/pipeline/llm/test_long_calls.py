"""Calls that are longer than the model's context, however servers say so."""

import pytest

from pipeline.llm import LlmFailed, LlmUnavailable, endpoint
from pipeline.llm.condensing import split
from tests.pipeline.llm.conftest import SUMMARY, well
from tests.providers import field

TWO_HOURS = "\n".join(
    f"{'Caller' if number % 2 else 'Agent'}: {'important ' if number % 100 == 0 else ''}sentence number {number} "
    "of a call that goes on and on with words like these, and there is no end of it in sight for anybody."
    for number in range(1750)
)  # 40,000 words
MARKS = [f"sentence number {number} of" for number in range(0, 1750, 100)]


async def test_forty_thousand_words_are_read_to_the_last_by_a_model_of_eight_thousand_tokens(model, summary_of):
    model.answer_with(field.with_context(8000)(well))
    answer = await summary_of(TWO_HOURS)
    assert (answer.value, answer.condensed) == (SUMMARY, True)
    read = "\n".join(chat.last_user for chat in model.chats if "part" in chat.system and chat.tokens <= 8000)
    assert all(line in read for line in TWO_HOURS.splitlines())
    notes = model.chats[-1].last_user
    places = [notes.index(mark) for mark in MARKS]
    assert places == sorted(places)
    asked = len(model.chats)
    assert (await summary_of(TWO_HOURS)).value == SUMMARY
    assert all(chat.tokens <= 8000 for chat in model.chats[asked:])  # how much it takes is known by now


@pytest.mark.parametrize("words", field.TOO_LONG)
async def test_a_shorter_one_is_tried_whatever_the_server_says_of_it(model, summary_of, words):
    model.answer_with(field.with_context(6000, field.TOO_LONG[words])(well))
    answer = await summary_of("\n".join(TWO_HOURS.splitlines()[:400]))
    assert (answer.value, answer.condensed) == (SUMMARY, True)


async def test_a_server_that_cuts_off_what_does_not_fit_is_noticed(model, summary_of):
    model.answer_with(field.cutting_off(4000)(well))
    answer = await summary_of(TWO_HOURS)
    assert (answer.value, answer.condensed) == (SUMMARY, True)


async def test_a_language_of_long_tokens_is_not_taken_for_cut_off(model, summary_of):
    hindi = "\n".join("Caller: नमस्ते, मैं अपने बिल के बारे में बात करना चाहता हूँ।" for _ in range(80))
    model.answer_with(field.with_tokens_of(9)(well))
    for _ in range(2):
        answer = await summary_of(hindi)
        assert (answer.value, answer.condensed) == (SUMMARY, False)
    assert len(model.chats) == 3  # once it had to be found out
    assert not (await summary_of(TWO_HOURS)).condensed


async def test_a_server_that_repeats_a_caller_does_not_say_that_the_call_is_too_long(model, summary_of, data_of):
    call = "\n".join(["Caller: It took too long, and the cable is too large."] * 200)
    model.answer_with(field.repeating("temperature")(well))
    answer = await summary_of(call)
    assert (answer.value, answer.condensed) == (SUMMARY, False)
    assert not (await data_of(call)).condensed
    assert not (await summary_of(TWO_HOURS)).condensed


async def test_a_crash_that_speaks_of_length_says_nothing_about_the_next_call(model, summary_of):
    crashes = iter([field.error("Request failed: 'Caller: It took too long.'", 500)])
    model.answer_with(lambda chat: next(crashes, None) or well(chat))
    assert (await summary_of(TWO_HOURS)).condensed
    assert not (await summary_of(TWO_HOURS)).condensed


async def test_how_much_a_server_takes_is_asked_again_after_a_while(model, summary_of, monkeypatch):
    monkeypatch.setattr(endpoint, "ROOM_HOLDS_S", 0.0)
    model.answer_with(field.with_context(8000)(well))
    assert (await summary_of(TWO_HOURS)).condensed
    model.answer_with(well)
    assert not (await summary_of(TWO_HOURS)).condensed


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (field.error("Slow down.", 429), LlmUnavailable),
        (field.error("Bad Request"), LlmFailed),
        (field.TOO_LONG["openai"], LlmFailed),
    ],
)
async def test_what_fails_at_any_length_fails(model, summary_of, answer, error):
    model.answer_with(lambda _: answer)
    with pytest.raises(error):
        await summary_of(TWO_HOURS)
    assert len(model.chats) < 20


async def test_a_long_question_leaves_what_room_there_is_to_the_call(model, data_of, summary_of):
    model.answer_with(field.with_context(8000)(well))
    await summary_of(TWO_HOURS)
    schema = {"type": "object", "properties": {"guests": {"type": "integer", "description": "how many " * 1200}}}
    answer = await data_of(TWO_HOURS, schema=schema)
    assert (answer.value, answer.condensed) == ({"guests": 4}, True)
    endless = {"type": "object", "properties": {"guests": {"type": "integer", "description": "how many " * 9000}}}
    with pytest.raises(LlmFailed, match="too small"):
        await data_of(TWO_HOURS, schema=endless)


async def test_notes_that_are_no_shorter_are_no_notes(model, summary_of):
    echo = field.with_context(6000)(lambda chat: chat.last_user if "part" in chat.system else SUMMARY)
    model.answer_with(echo)
    with pytest.raises(LlmFailed, match="no shorter"):
        await summary_of(TWO_HOURS)


def test_a_line_that_is_longer_than_a_piece_goes_on_under_its_speakers_name():
    text = " ".join(f"word{number}" for number in range(500))
    pieces = split(["Agent: Hello.", f"ada: {text}", "Agent: I see."], 800)
    lines = [line for piece in pieces for line in piece]
    assert all(len("\n".join(piece).encode()) <= 800 for piece in pieces)
    assert {line.split(": ")[0] for line in lines[1:-1]} == {"ada"}
    assert " ".join(line.split(": ")[1] for line in lines[1:-1]) == text

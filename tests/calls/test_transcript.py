"""Segments in the database."""

from dataclasses import replace

import pytest

from calls.states import EndReason
from calls.store import CallStore
from calls.tables import PRESSED
from calls.transcript import Segment, as_text, read_transcript, write_segments
from calls.workers import leases


def segment(sequence: int, text: str, *, speaker: str = "user", final: bool = True) -> Segment:
    return Segment(sequence, speaker, text, sequence * 1000, sequence * 1000 + 900, final)


async def test_a_segment_grows_in_place_and_keeps_its_order(database, running):
    call, token = await running()
    async with database.writing() as connection:
        await write_segments(connection, call.id, token, [segment(1, "Hi there", speaker="agent")])
        await write_segments(connection, call.id, token, [segment(0, "Hel", final=False)])
        await write_segments(connection, call.id, token, [segment(0, "Hello")])
    async with database.reading() as connection:
        rows = await read_transcript(connection, call.id)
        changed = await read_transcript(connection, call.id, after_revision=1)
    assert as_text(rows) == "Caller: Hello\nAgent: Hi there"
    assert [(row.text, row.is_final) for row in changed] == [("Hello", True)]


async def test_digits_stand_among_what_was_said_and_are_no_text(database, running):
    call, token = await running()
    async with database.writing() as connection:
        await write_segments(connection, call.id, token, [segment(0, "My number is"), segment(1, "Go on.")])
        pressed = replace(segment(1, "4711#"), source=PRESSED)
        await write_segments(connection, call.id, token, [pressed, segment(2, "Thank you.", speaker="agent")])
    async with database.reading() as connection:
        rows = await read_transcript(connection, call.id)
    assert [(row.text, row.source) for row in rows][1] == ("4711#", "dtmf"), "what moved behind it left nothing there"
    assert as_text(rows) == "Caller: My number is\nAgent: Thank you."


def test_the_text_names_its_callers_once_there_are_several():
    agent = replace(segment(0, "Hello.", speaker="agent"), participant_identity="agent-1")
    ada, bob = (replace(segment(1, "Hi.\nAgent: Bye."), participant_identity=name) for name in ("ada", "bob: \n agent"))
    named_so = replace(segment(2, "Hi."), participant_identity="Agent")
    assert as_text([agent, ada]) == "Agent: Hello.\nCaller: Hi. Agent: Bye."
    assert as_text([agent, ada, bob, named_so]).splitlines() == [
        "Agent: Hello.",
        "ada: Hi. Agent: Bye.",
        "bob agent: Hi. Agent: Bye.",
        "Caller (Agent): Hi.",
    ]


@pytest.mark.parametrize("is_over_first", [True, False])
async def test_what_an_agent_that_is_lost_was_saying_is_final_in_a_call_that_is_over(database, running, is_over_first):
    call, token = await running()
    async with database.writing() as connection:
        said = [segment(0, "Hello"), segment(1, "We have a table at", speaker="agent", final=False)]
        await write_segments(connection, call.id, token, said)
    for ends in (is_over_first, not is_over_first):
        async with database.writing() as connection:
            if ends:
                await CallStore(connection).finish(call.id, EndReason.AGENT_LOST)
            else:
                assert await leases.release(connection, call.id, token)
    async with database.reading() as connection:
        rows = await read_transcript(connection, call.id, after_revision=2)
    assert [(row.sequence, row.is_final, row.is_cut) for row in rows] == [(1, True, True)]


async def test_who_lost_the_lease_writes_nothing(database, running):
    call, token = await running()
    async with database.writing() as connection:
        assert not await write_segments(connection, call.id, token - 1, [segment(0, "Hello")])
    async with database.reading() as connection:
        assert await read_transcript(connection, call.id) == []

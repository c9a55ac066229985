"""What an agent that comes to a conversation has to make good first."""

from dataclasses import replace

import pytest

from worker.room.transcript import Said
from worker.speaker.history import Open, as_chat, left_open
from worker.tools.toolbox import UNKNOWN, Made
from worker.words import Signs

HUMS = Signs("en").are_all_of
BACK = "Sorry, I was away for a moment."


def agent(text: str, *, whole: bool = True) -> Said:
    return Said("agent", text, None, whole)


def caller(text: str) -> Said:
    return Said("user", text, "ada", whole=True)


def pressed(digits: str) -> Said:
    return Said("user", digits, "ada", whole=True, pressed=True)


def at(seconds: float, said: Said, until: float | None = None) -> Said:
    return replace(said, at_s=seconds, until_s=seconds + 1 if until is None else until)


MOMENT = agent("One moment, please.")
HELLO, QUESTION = agent("Hello."), caller("Is there a table at eight?")
CUT = agent("We have one at seven, and", whole=False)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], Open.GREETING),
        ([HELLO], Open.NOTHING),
        ([HELLO, QUESTION], Open.ANSWER),
        ([HELLO, QUESTION, CUT], Open.REST),
        # the agent before this one was lost while, or after, it apologised
        ([HELLO, QUESTION, agent(BACK)], Open.ANSWER),
        ([HELLO, QUESTION, agent("Sorry, I was", whole=False)], Open.ANSWER),
        ([HELLO, QUESTION, CUT, agent(BACK)], Open.REST),
        ([HELLO, QUESTION, agent("At eight, yes."), agent(BACK), agent(BACK)], Open.NOTHING),
        ([agent(BACK)], Open.GREETING),
        ([HELLO, QUESTION, agent("One moment,")], Open.ANSWER),
        # who hums listens to what was cut; who says the same to a whole sentence answers it
        ([HELLO, QUESTION, CUT, caller("Mm-hm.")], Open.REST),
        ([HELLO, agent("Shall I book it?"), caller("Okay.")], Open.ANSWER),
        ([HELLO, QUESTION, CUT, caller("And at nine?")], Open.ANSWER),
        ([HELLO, pressed("4711#")], Open.ANSWER),
    ],
)
def test_what_was_left_open_is_seen_through_apologies_and_hums(said, expected):
    assert left_open(said, [], [BACK, "One moment, please."], HUMS) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([at(0.04, QUESTION, until=5.3), at(0.08, agent("Hello,", whole=False), until=0.4)], Open.ANSWER),
        ([at(0.04, QUESTION, until=5.3), at(0.08, HELLO, until=0.9)], Open.ANSWER),
        ([at(1.0, QUESTION), at(3.0, CUT, until=5.1), at(4.0, caller("Stop."), until=4.4)], Open.ANSWER),
        ([at(1.0, QUESTION), at(3.0, CUT, until=5.1), at(4.0, caller("Mm-hm."), until=4.4)], Open.REST),
        ([at(1.0, QUESTION), at(3.0, agent("At eight, yes."), until=6.0), at(4.0, caller("Mm-hm."))], Open.NOTHING),
    ],
)
def test_who_talks_on_while_an_agent_begins_is_owed_an_answer(said, expected):
    assert left_open(said, [], [BACK], HUMS) == expected


BYE, PARTED, AS_WELL = caller("That is all, goodbye."), agent("It was a pleasure."), caller("Okay, bye.")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([at(4.0, BYE), at(6.1, PARTED)], Open.HANG_UP),
        ([at(4.0, BYE), at(6.1, PARTED), at(7.0, AS_WELL)], Open.HANG_UP),
        ([at(4.0, BYE), at(6.1, agent("It was", whole=False))], Open.GOODBYE),
        ([at(4.0, BYE)], Open.GOODBYE),
        ([], Open.GOODBYE),  # of which nothing is transcribed
        ([at(4.0, BYE), at(6.1, PARTED), at(7.0, caller("No wait, one more thing."))], Open.ANSWER),
        ([at(4.0, BYE), at(6.1, PARTED), at(7.0, pressed("1"))], Open.ANSWER),
        ([at(4.0, caller("Bye. Oh no, wait."), until=6.5), at(6.1, agent("It was", whole=False))], Open.ANSWER),
    ],
)
def test_who_was_about_to_hang_up_is_to_do_so_unless_somebody_has_objected(said, expected):
    assert left_open(said, [], [BACK], HUMS, hangs_up_s=6.0) == expected


ASKED = Made("call_0", "book", {"at": 8}, started_at=5.0, ended_at=7.0, text="Booked.")
LOST = replace(ASKED, ended_at=None, text=UNKNOWN, failed=True)


@pytest.mark.parametrize(
    ("said", "made", "expected"),
    [
        ([at(4.0, QUESTION), at(6.0, MOMENT)], ASKED, Open.ANSWER),  # a word to pass the time is no answer
        ([at(4.0, QUESTION), at(6.0, MOMENT), at(7.5, agent("It is booked."))], ASKED, Open.NOTHING),
        (
            [at(4.0, QUESTION), at(6.0, MOMENT), at(6.5, caller("Well?")), at(6.8, agent("A moment."))],
            ASKED,
            Open.NOTHING,
        ),
        ([at(4.0, QUESTION), at(6.0, MOMENT), at(20.0, agent(BACK))], LOST, Open.ANSWER),
    ],
)
def test_whoever_waits_for_a_tool_is_still_to_be_told_what_came_of_it(said, made, expected):
    assert left_open(said, [made], [BACK], HUMS) == expected


def test_the_next_agent_reads_what_tools_have_answered_where_they_were_asked():
    items = as_chat([at(4.0, QUESTION), at(7.5, agent("It is booked."))], [ASKED, replace(LOST, started_at=9.0)]).items
    kinds = ["message", "function_call", "function_call_output", "message", "function_call", "function_call_output"]
    assert [item.type for item in items] == kinds
    [call, output, *_] = items[1:]
    assert call.type == "function_call"
    assert (call.name, call.arguments) == ("book", '{"at": 8}')
    assert output.type == "function_call_output"
    assert (output.output, output.is_error, output.call_id) == ("Booked.", False, call.call_id)


def test_the_next_agent_reads_digits_as_what_was_pressed():
    lines = [item.text_content for item in as_chat([HELLO, pressed("47#")], []).items if item.type == "message"]
    assert lines == ["Hello.", "[pressed on the phone's keys: 4 7 #]"]

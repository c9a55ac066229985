"""What an agent that comes to a conversation has to make good first."""

import pytest

from worker.room.transcript import Said
from worker.speaker.history import Open, as_chat, left_open
from worker.words import Signs

BACK = "Sorry, I was away for a moment."


def agent(text: str, *, whole: bool = True) -> Said:
    return Said("agent", text, None, whole)


def caller(text: str) -> Said:
    return Said("user", text, "ada", whole=True)


def pressed(digits: str) -> Said:
    return Said("user", digits, "ada", whole=True, pressed=True)


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
        # who hums listens to what was cut; who says the same to a whole sentence answers it
        ([HELLO, QUESTION, CUT, caller("Mm-hm.")], Open.REST),
        ([HELLO, agent("Shall I book it?"), caller("Okay.")], Open.ANSWER),
        ([HELLO, QUESTION, CUT, caller("And at nine?")], Open.ANSWER),
        ([HELLO, pressed("4711#")], Open.ANSWER),
    ],
)
def test_what_was_left_open_is_seen_through_apologies_and_hums(said, expected):
    assert left_open(said, BACK, Signs("en").are_all_of) == expected


def test_the_next_agent_reads_digits_as_what_was_pressed():
    lines = [item.text_content for item in as_chat([HELLO, pressed("47#")]).items if item.type == "message"]
    assert lines == ["Hello.", "[pressed on the phone's keys: 4 7 #]"]

"""What was said in a call before this agent came to it, as its language model reads it."""

from collections.abc import Callable, Sequence
from enum import Enum, auto

from livekit.agents import llm

from calls.transcript import AGENT
from worker.room.transcript import Said


class Open(Enum):
    """What a conversation that broke off was waiting for."""

    NOTHING = auto()
    GREETING = auto()
    ANSWER = auto()
    REST = auto()  # of the agent's own sentence


def left_open(said: Sequence[Said], apology: str, only_listens: Callable[[str], bool]) -> Open:
    """What is to be made good first.

    The `apology` of an agent that was lost in its turn made nothing good, and who `only_listens` to a sentence of the
    agent's that was cut asks for no answer.
    """
    lines = [one for one in said if not (one.speaker == AGENT and apology.startswith(one.text.strip()))]
    if not lines:
        return Open.GREETING
    *before, last = lines
    if last.speaker == AGENT:
        return Open.NOTHING if last.whole else Open.REST
    hums = bool(before) and before[-1].speaker == AGENT and not before[-1].whole and only_listens(last.text)
    return Open.REST if hums else Open.ANSWER


def as_chat(said: Sequence[Said]) -> llm.ChatContext:
    """The conversation so far; with several people, each line of theirs begins with the speaker's identity."""
    chat = llm.ChatContext.empty()
    people = {one.identity for one in said if one.speaker != AGENT}
    for one in said:
        if one.speaker == AGENT:
            chat.add_message(role="assistant", content=one.text, interrupted=not one.whole)
        else:
            text = as_pressed(one.text) if one.pressed else one.text
            chat.add_message(role="user", content=f"{one.identity}: {text}" if len(people) > 1 else text)
    return chat


def as_pressed(digits: str) -> str:
    """The digits that a caller has pressed, as a line that nobody takes for something that was said."""
    return f"[pressed on the phone's keys: {' '.join(digits)}]"

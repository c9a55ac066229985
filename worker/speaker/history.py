"""What was said in a call before this agent came to it, as its language model reads it."""

from collections.abc import Sequence
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


def left_open(said: Sequence[Said]) -> Open:
    """What is to be made good first."""
    if not said:
        return Open.GREETING
    if said[-1].speaker != AGENT:
        return Open.ANSWER
    return Open.NOTHING if said[-1].whole else Open.REST


def as_chat(said: Sequence[Said]) -> llm.ChatContext:
    """The conversation so far; with several people, each line of theirs begins with the speaker's identity."""
    chat = llm.ChatContext.empty()
    people = {one.identity for one in said if one.speaker != AGENT}
    for one in said:
        if one.speaker == AGENT:
            chat.add_message(role="assistant", content=one.text, interrupted=not one.whole)
        else:
            chat.add_message(role="user", content=f"{one.identity}: {one.text}" if len(people) > 1 else one.text)
    return chat

"""What was said in a call before this agent came to it, as its language model reads it."""

import json
import math
from collections.abc import Callable, Sequence
from enum import Enum, auto

from livekit.agents import llm

from calls.transcript import AGENT
from worker.room.transcript import Said
from worker.tools.toolbox import Made
from worker.words import is_parting


class Open(Enum):
    """What a conversation that broke off was waiting for."""

    NOTHING = auto()
    GREETING = auto()
    ANSWER = auto()
    REST = auto()  # of the agent's own sentence
    GOODBYE = auto()  # and then the agent's hanging up,
    HANG_UP = auto()  # or only that


def left_open(
    said: Sequence[Said],
    made: Sequence[Made],
    passing: Sequence[str],
    only_listens: Callable[[str], bool],
    hangs_up_s: float | None = None,
) -> Open:
    """What is to be made good first.

    What an agent has said in `passing`, as its apology for having been lost, made nothing good, and who `only_listens`
    to a sentence of the agent's that was cut asks for no answer. Whoever has waited for a tool is still to be told what
    came of it. An agent that began to hang up at `hangs_up_s` is to do so, unless somebody has objected since.
    It counts who spoke last, not who began last: who talked on while an agent began to speak is owed an answer.
    """
    lines = [
        one for one in said if not (one.speaker == AGENT and any(text.startswith(one.text.strip()) for text in passing))
    ]
    lines.sort(key=_last_counts_s)
    if hangs_up_s is not None and not any(_objects(one) for one in lines if one.until_s > hangs_up_s):
        until_then = [one for one in lines if one.speaker == AGENT or one.until_s <= hangs_up_s]
        has_parted = bool(until_then) and until_then[-1].speaker == AGENT and until_then[-1].whole
        return Open.HANG_UP if has_parted else Open.GOODBYE
    if not lines:
        return Open.GREETING
    *before, last = lines
    if made and _is_untold(made[-1], lines):
        return Open.ANSWER
    if last.speaker == AGENT:
        return Open.NOTHING if last.whole else Open.REST
    hums = bool(before) and before[-1].speaker == AGENT and not before[-1].whole and only_listens(last.text)
    return Open.REST if hums else Open.ANSWER


def _last_counts_s(one: Said) -> float:
    """Until when it is the last that was said. A sentence of the agent's that was cut is so only to who was silent."""
    return one.at_s if one.speaker == AGENT and not one.whole else one.until_s


def _objects(one: Said) -> bool:
    return one.speaker != AGENT and (one.pressed or not is_parting(one.text))


def _is_untold(last: Made, lines: Sequence[Said]) -> bool:
    """Whether nobody has said anything since a tool has answered, but a word to pass the time."""
    return all(one.at_s < (last.started_at if one.speaker != AGENT else _end(last)) for one in lines)


def _end(made: Made) -> float:
    return math.inf if made.ended_at is None else made.ended_at


def as_chat(said: Sequence[Said], made: Sequence[Made]) -> llm.ChatContext:
    """The conversation so far, with the calls of tools where they were made.

    With several people, each line of theirs begins with the speaker's name.
    """
    chat = llm.ChatContext.empty()
    people = {one.identity for one in said if one.speaker != AGENT}
    waiting = list(made)
    for one in said:
        while waiting and waiting[0].started_at <= one.at_s:
            chat.items += _as_items(waiting.pop(0))
        if one.speaker == AGENT:
            chat.add_message(role="assistant", content=one.text, interrupted=not one.whole)
        else:
            text = as_pressed(one.text) if one.pressed else one.text
            chat.add_message(role="user", content=f"{one.name or one.identity}: {text}" if len(people) > 1 else text)
    for asked in waiting:
        chat.items += _as_items(asked)
    return chat


def _as_items(made: Made) -> list[llm.ChatItem]:
    arguments = json.dumps(made.arguments or {}, ensure_ascii=False)
    output = {"call_id": made.id, "name": made.name, "output": made.text, "is_error": made.failed}
    return [
        llm.FunctionCall(call_id=made.id, name=made.name, arguments=arguments),
        llm.FunctionCallOutput.model_validate(output),
    ]


def as_pressed(digits: str) -> str:
    """The digits that a caller has pressed, as a line that nobody takes for something that was said."""
    return f"[pressed on the phone's keys: {' '.join(digits)}]"

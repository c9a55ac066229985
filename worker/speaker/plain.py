"""What of a text is said: no thoughts of the model, no stage directions, no marks, no emoji; a stream as it comes.

Voice, transcript and history all get what is left, so that what is shown is what was heard.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator

from livekit.agents.voice.transcription.filters import filter_emoji, filter_markdown

LONGEST = 80  # characters of a stage direction; what opens like one and goes on for longer is none

_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>(?:.*?</\1>|(?P<goes_on>.*)\Z)", re.DOTALL)
_MAY_BECOME_A_TAG = re.compile(r"</?[a-z]{0,9}\Z")
_ASIDE = re.compile(
    rf"(?<!\*)\*(?![*\s])(?P<starred>[^*\n]{{1,{LONGEST}}})(?<!\s)\*(?!\*)"
    rf"|[(（](?P<bracketed>[^()（）\n]{{1,{LONGEST}}})[)）]"
    rf"|\[[^\[\]\n]{{1,{LONGEST}}}\](?!\()|【[^【】\n]{{1,{LONGEST}}}】",
)
_MAY_BECOME_ASIDE = re.compile(
    rf"(?:(?<!\*)\*(?!\s)[^*\n]{{0,{LONGEST}}}|[(（][^()（）\n]{{0,{LONGEST}}}|\[[^\[\]\n]{{0,{LONGEST}}}\]?|"
    rf"【[^【】\n]{{0,{LONGEST}}})\Z",
)
_SENTENCE_ENDS = frozenset(".!?…:。！？：")
_FEW_WORDS = re.compile(r"[^\s\d.!?,;:…。！？、]+(?: [^\s\d.!?,;:…。！？、]+){0,3}")


async def plain(text: AsyncIterable[str]) -> AsyncIterator[str]:
    """What is said of `text`, whose pieces may end anywhere. Numbers and all that may be words stay as they are."""
    async for piece in filter_emoji(filter_markdown(_without_asides(_without_thoughts(text)))):
        if piece:
            yield piece


async def _without_thoughts(text: AsyncIterable[str]) -> AsyncIterator[str]:
    waiting = ""
    async for piece in text:
        waiting = _THOUGHT.sub(lambda thought: thought[0] if thought["goes_on"] is not None else "", waiting + piece)
        held = _THOUGHT.search(waiting) or _MAY_BECOME_A_TAG.search(waiting)
        said, waiting = (waiting, "") if held is None else (waiting[: held.start()], waiting[held.start() :])
        yield said
    yield _THOUGHT.sub("", waiting)


async def _without_asides(text: AsyncIterable[str]) -> AsyncIterator[str]:
    waiting, last = "", ""
    async for piece in text:
        said, waiting = _settled(waiting + piece, last, is_all=False)
        last = said.rstrip(" ")[-1:] or last
        yield said
    yield _settled(waiting, last, is_all=True)[0]


def _settled(text: str, last: str, *, is_all: bool) -> tuple[str, str]:
    """What of `text` is said for certain, and what is still to be decided; `last` was said before it."""
    said, done = "", 0
    for aside in _ASIDE.finditer(text):
        follows = text[aside.end() :].lstrip(" ")[:1]
        if not follows and not is_all:
            return said + text[done : aside.start()], text[aside.start() :]
        said += text[done : aside.start()]
        done = aside.end()
        if not _is_direction(aside, said.rstrip(" ")[-1:] or last, follows):
            said += aside[0]
        elif not said or said[-1].isspace():
            done = len(text) - len(text[done:].lstrip(" "))
    open_one = None if is_all else _MAY_BECOME_ASIDE.search(text, done)
    end = len(text) if open_one is None else open_one.start()
    return said + text[done:end], text[end:]


def _is_direction(aside: re.Match[str], before: str, after: str) -> bool:
    """Whether it says how something is said: `*laughs*`, `(pauses)`, `[sighs]`.

    Emphasis and remarks stand within a sentence, directions between two.
    """
    inner = aside["starred"] or aside["bracketed"]
    if inner is None:
        return True  # nothing in square brackets is ever meant to be said
    if before not in _SENTENCE_ENDS | {"", "\n"} or not _FEW_WORDS.fullmatch(inner):
        return False
    goes_on = after.islower() or after in set(",;.!?、，。")
    return not goes_on if aside["bracketed"] else not (goes_on and inner[:1].isupper())

"""What of a text is said: no thoughts of the model, no stage directions, no marks, no emoji; a stream as it comes.

Voice, transcript and history all get what is left, so that what is shown is what was heard.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator

from livekit.agents.voice.transcription.filters import filter_emoji, filter_markdown

LONGEST = 80  # characters of a stage direction; what opens like one and goes on for longer is none
HELD = 200  # characters that wait for the end of an emphasis, before its mark is taken for a mere star

_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>")
_WHOLE_THOUGHT = re.compile(rf"{_THOUGHT.pattern}.*?(?:</\1>|\Z)", re.DOTALL)  # or as much of it as there is
_MAY_BECOME_A_TAG = re.compile(r"<[a-z]{0,9}\Z")
_ASIDE = re.compile(
    rf"(?<!\*)\*(?![*\s])(?P<starred>[^*\n]{{1,{LONGEST}}})(?<!\s)\*(?!\*)"
    rf"|[(（](?P<bracketed>[^()（）\n]{{1,{LONGEST}}})[)）]"
    rf"|\[[^\[\]\n]{{1,{LONGEST}}}\](?!\()|【[^【】\n]{{1,{LONGEST}}}】",
)
_MAY_BECOME_ASIDE = re.compile(
    rf"(?:(?<!\*)\*(?!\s)[^*\n]{{0,{LONGEST}}}|[(（][^()（）\n]{{0,{LONGEST}}}|\[[^\[\]\n]{{0,{LONGEST}}}\]?|"
    rf"【[^【】\n]{{0,{LONGEST}}})\Z",
)
_GO_ON = frozenset(",;.!?、，。！？")
_BEFORE = frozenset(".!?…:。！？：\n") | {""}
_FEW_WORDS = re.compile(r"[^\s\d.!?,;:…。！？、]+(?: [^\s\d.!?,;:…。！？、]+){0,3}")


async def plain(text: AsyncIterable[str]) -> AsyncIterator[str]:
    """What is said of `text`, whose pieces may end anywhere. Numbers and all that may be words stay as they are."""
    async for piece in filter_emoji(_without_marks(_without_asides(_without_thoughts(text)))):
        if piece:
            yield piece


async def said_of(text: str) -> str:
    """What is said of a whole text."""

    async def whole() -> AsyncIterator[str]:
        yield text

    return "".join([piece async for piece in plain(whole())])


def is_said_of(text: str) -> bool:
    """Whether something of `text`, however it goes on, is said for certain."""
    certain = _MAY_BECOME_A_TAG.sub("", _WHOLE_THOUGHT.sub("", text))
    certain = _MAY_BECOME_ASIDE.sub("", _ASIDE.sub(" ", certain))
    return is_sayable(certain)


def is_sayable(text: str) -> bool:
    """Whether there is anything in it that makes a sound: dots alone do not."""
    return any(letter.isalnum() for letter in text)


async def _without_thoughts(text: AsyncIterable[str]) -> AsyncIterator[str]:
    waiting, end = "", ""  # in a thought, `end` is its closing tag
    async for piece in text:
        waiting += piece
        while True:
            if end:
                _, closed, after = waiting.partition(end)
                if not closed:
                    waiting = waiting[-len(end) :]
                    break
                waiting, end = after, ""
            opened = _THOUGHT.search(waiting)
            if opened is None:
                break
            yield waiting[: opened.start()]
            waiting, end = waiting[opened.end() :], f"</{opened[1]}>"
        held = len(waiting) if end else _tag_length(waiting)
        yield waiting[: len(waiting) - held]
        waiting = waiting[len(waiting) - held :]
    if not end:
        yield waiting


def _tag_length(text: str) -> int:
    """How much at the end of `text` may become a tag."""
    tag = _MAY_BECOME_A_TAG.search(text)
    return 0 if tag is None else len(tag[0])


async def _without_marks(text: AsyncIterable[str]) -> AsyncIterator[str]:
    """LiveKit's filter waits for the end of the line where an emphasis may end: here it gives that up in time."""
    pieces = aiter(text)
    waiting, is_over = 0, False

    async def stretch() -> AsyncIterator[str]:
        nonlocal waiting, is_over
        async for piece in pieces:
            waiting = 0 if "\n" in piece else waiting + len(piece)
            yield piece
            if waiting > HELD:
                return
        is_over = True

    while not is_over:
        waiting = 0
        async for said in filter_markdown(stretch()):
            waiting -= len(said)
            yield said


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
    if before not in _BEFORE or not _FEW_WORDS.fullmatch(inner):
        return False
    return after not in _GO_ON and not (after.islower() and inner[:1].isupper())

"""In which pieces a text is given to a voice that takes one request after the other: sentences, and none too long.

The first words are to be heard soon, and after that there is to be no hole: where a sentence would come too late, a
piece may be a clause.
"""

import asyncio
import re
import unicodedata
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from typing import Protocol

from livekit.agents.tokenize import blingfire

from worker.speaker.words.growing import Growing

SHORTEST = 20  # characters; shorter sentences go with the next
LONGEST = 300  # the smallest limit of a voice that we know of is 2,000, and the first words are to be heard soon
CLAUSE = 40  # a clause of so many is a piece where sentences have no end mark
NOTICED_S = 0.3  # by which a clause must be heard sooner than its sentence, where neither comes in time

_PAUSE = re.compile(r"[,;:，、；：。．！？!?…—\s]+(?!(?<=\d[,:，、：．])\d)")
_NO_END_MARKS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")  # Thai, Lao, Burmese, Khmer: spaces are pauses
_CLOSED = r"[\"'”’»)\]]*"
# Marks that stand within numbers and times too count before a blank, where there are any, unless a figure stands on
# either side.
_END_OF_CLAUSE = re.compile(
    rf"(?:(?<!\d)[,;:،؛]|(?<=\d)[,;:،؛](?!\s*\d)|[…!?؟।]|\.\.\.|\s[-–]){_CLOSED}\s+(?=\S)|—\s*"
    rf"|(?:(?<!\d)[，、：．]|(?<=\d)[，、：．](?=\D)|[；。！？]){_CLOSED}"
)
_NUMBER = re.compile(r"(?P<before>\n\s*)?(?<![\d.,:])\d{1,3}\.\Z")  # an ordinal, or what counts the lines of a list

_sentences = blingfire.SentenceTokenizer(min_sentence_len=1, retain_format=True)


async def pieces(
    text: Growing,
    start: int,
    *,
    lasts: Callable[[str], bool] = lambda _clause: False,
    due_at: Callable[[str], float] = lambda _piece: 0.0,
) -> AsyncGenerator[str, None]:
    """The text from that character on, as its pieces become whole, with all blanks.

    Args:
        text: what is to be said.
        start: the first character.
        lasts: whether a clause is long enough to be a piece, if the sentence is not heard in time.
        due_at: by when, by the loop's time, the voice must have that piece for it to be heard in time; asked whenever
            there is one.
    """
    loop = asyncio.get_running_loop()
    while True:
        waiting = text.text[start:]
        sentence = _whole(waiting, is_all=text.is_whole)
        if not sentence and text.is_whole:
            return
        clauses = [clause for clause in _clauses(sentence or waiting) if lasts(clause)]
        piece = _longest_in_time([*clauses, sentence] if sentence else clauses, due_at, loop.time())
        if not sentence:
            until = due_at(piece) if piece else None
            if until is None or until > loop.time():
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(until):
                        await text.grown()
                continue
        start += len(piece)
        yield piece


class _Fed(Protocol):
    def push_text(self, token: str) -> None: ...
    def end_input(self) -> None: ...


async def feed(text: Growing, start: int, stream: _Fed) -> None:
    """Give the text from that character on to a stream as it comes, and its end."""
    async for more in text.read(start):
        stream.push_text(more)
    stream.end_input()


def _whole(text: str, *, is_all: bool) -> str:
    """The first piece of a text that is whole for certain: a sentence is, once another has begun."""
    if not text.strip() or (len(text) < SHORTEST and not is_all):
        return text if is_all else ""
    long_enough = (end for end in _ends_of_sentences(text) if len(text[:end].strip()) >= SHORTEST)
    end = _end_of_piece(text[: next(long_enough, len(text))])
    if is_all and not text[end:].strip():
        return text
    return text[:end] if is_all or end < len(text) else ""


def _ends_of_sentences(text: str) -> Iterator[int]:
    """Where sentences end: not after a number with a point, as in "am 3. Mai" or "1. Open the door"."""
    end = 0
    for sentence in _sentences.tokenize(text):
        end += len(sentence)
        number = _NUMBER.search(sentence)
        if number is None:
            yield end
        elif number["before"]:
            yield end - len(sentence) + number.end("before")


def _clauses(text: str) -> list[str]:
    """The beginnings of a text that end where a speaker may pause, from the shortest on."""
    ends = {end for end in _ends_of_sentences(text) if end < len(text)}
    ends |= {pause.end() for pause in _END_OF_CLAUSE.finditer(text)}
    if _NO_END_MARKS.search(text):
        ends |= {pause.end() for pause in re.finditer(r"\s+(?=\S)", text)}
    return [text[:end] for end in sorted(ends)]


def _longest_in_time(beginnings: list[str], due_at: Callable[[str], float], now: float) -> str:
    """Of the beginnings of a text the longest that is heard in time, or else not noticeably later than the soonest."""
    due = [due_at(beginning) for beginning in beginnings]
    latest = min(now, max(due, default=now) - NOTICED_S)
    return max((beginning for beginning, at in zip(beginnings, due, strict=True) if at >= latest), key=len, default="")


def _end_of_piece(sentence: str) -> int:
    if _NO_END_MARKS.search(sentence):
        for pause in re.finditer(r"\s+", sentence[:LONGEST]):
            if pause.end() >= CLAUSE:
                return pause.end()
    if len(sentence) <= LONGEST:
        return len(sentence)
    pauses = [pause.end() for pause in _PAUSE.finditer(sentence, 0, LONGEST) if pause.end() >= SHORTEST]
    if pauses:
        return pauses[-1]
    end = LONGEST
    while end > SHORTEST and unicodedata.category(sentence[end]).startswith("M"):  # it belongs to the letter before
        end -= 1
    return end

"""In which pieces a text is given to a voice that takes one request after the other: sentences, and none too long."""

import asyncio
import re
import unicodedata
from collections.abc import AsyncGenerator
from itertools import accumulate, pairwise
from typing import Protocol

from livekit.agents import utils
from livekit.agents.tokenize import SentenceStream, SentenceTokenizer, blingfire
from livekit.agents.tokenize.token_stream import BufferedSentenceStream
from typing_extensions import override

from worker.speaker.growing import Growing

SHORTEST = 20  # characters; shorter sentences go with the next
LONGEST = 300  # the smallest limit of a voice that we know of is 2,000, and the first words are to be heard soon
CLAUSE = 40  # a clause of so many is a piece where sentences have no end mark

_PAUSE = re.compile(r"[,;:，、；：。．！？!?…—\s]+")
_NO_END_MARKS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")  # Thai, Lao, Burmese, Khmer: spaces are pauses


class Pieces(SentenceTokenizer):
    """Sentences as LiveKit's BlingFire finds them; those that are too long, or whose script has no ends, in clauses."""

    def __init__(self) -> None:
        self._sentences = blingfire.SentenceTokenizer(min_sentence_len=SHORTEST, retain_format=True)

    @override
    def tokenize(self, text: str, *, language: str | None = None) -> list[str]:
        return [piece for sentence in self._sentences.tokenize(text) for piece in _clauses(sentence)]

    @override
    def stream(self, *, language: str | None = None) -> SentenceStream:
        return BufferedSentenceStream(tokenizer=self._placed, min_token_len=1, min_ctx_len=SHORTEST)

    def _placed(self, text: str) -> list[tuple[str, int, int]]:
        pieces = self.tokenize(text)
        ends = accumulate(map(len, pieces), initial=0)
        return [(piece, start, end) for piece, (start, end) in zip(pieces, pairwise(ends), strict=True)]


class _Fed(Protocol):
    def push_text(self, token: str) -> None: ...
    def end_input(self) -> None: ...


async def pieces(text: Growing, start: int) -> AsyncGenerator[str, None]:
    """The text from that character on, as its pieces become whole, with all blanks."""
    stream = Pieces().stream()
    feeding = asyncio.create_task(feed(text, start, stream))
    try:
        async for piece in stream:
            yield piece.token
    finally:
        await utils.aio.cancel_and_wait(feeding)
        await stream.aclose()


async def feed(text: Growing, start: int, stream: _Fed) -> None:
    """Give the text from that character on to a stream as it comes, and its end."""
    async for more in text.read(start):
        stream.push_text(more)
    stream.end_input()


def _clauses(sentence: str) -> list[str]:
    clauses = []
    while (end := _end_of_clause(sentence)) < len(sentence):
        clauses.append(sentence[:end])
        sentence = sentence[end:]
    return [*clauses, sentence]


def _end_of_clause(text: str) -> int:
    if _NO_END_MARKS.search(text):
        for pause in re.finditer(r"\s+", text[:LONGEST]):
            if pause.end() >= CLAUSE:
                return pause.end()
    if len(text) <= LONGEST:
        return len(text)
    pauses = [pause.end() for pause in _PAUSE.finditer(text, 0, LONGEST) if pause.end() >= SHORTEST]
    if pauses:
        return pauses[-1]
    end = LONGEST
    while end > SHORTEST and unicodedata.category(text[end]).startswith("M"):  # it belongs to the letter before
        end -= 1
    return end

"""Writes the transcript of one call the way a worker does: `python -m bench.writer DATABASE_URL CALL_ID TOKEN`."""

import asyncio
import sys
from itertools import count

from calls.database.engine import Database
from worker.room.persistence import Persistence
from worker.room.transcript import TranscriptWriter

SENTENCE = [
    "Of",
    "course,",
    "I",
    "can",
    "book",
    "that",
    "table",
    "for",
    "you.",
    "For",
    "how",
    "many",
    "people",
    "shall",
    "it",
    "be?",
]
WORD_S = 0.3  # how quickly words are spoken, and how often a recognizer sends what it has
PAUSE_S = 0.8


async def main(database_url: str, call_id: str, token: int) -> None:
    database = Database(database_url, pool_size=1)
    writer = TranscriptWriter(database, call_id, token, Persistence(lambda _seconds: None))
    writing = asyncio.create_task(writer.run())
    at = 0.0
    for turn in count():
        assert not writing.done()
        segment = writer.begin(*(("user", "ada") if turn % 2 else ("agent", None)))
        for words in range(1, len(SENTENCE) + 1):
            await asyncio.sleep(WORD_S)
            text, final = " ".join(SENTENCE[:words]), words == len(SENTENCE)
            writer.update(segment, text, at, at + words * WORD_S, final=final)
        at += len(SENTENCE) * WORD_S + PAUSE_S
        await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

"""The stand-in for Deepgram's streaming recognition: it hears when somebody speaks, and is told what they say."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
from aiohttp import WSMsgType, web

from bench.conversation.latencies import Latencies

BLOCK_S = 0.01
LOUD = 0.01  # of full scale, as the root of a block's mean square
APART_S = 0.25  # a new sentence is not nearer to the one before
INTERIM_EVERY_S = 0.3
SLACK_S = 0.15  # the sound of a word may end so much before the word does


@dataclass(frozen=True)
class Script:
    """A sentence that is being spoken: its words, and when each ends, in seconds from the first sound."""

    words: list[str]
    ends_s: list[float]

    @classmethod
    def of(cls, pieces: list[dict[str, Any]]) -> "Script":
        """The script of pieces like `{"text": "for two", "begin_s": 1.2, "end_s": 1.7}`; words last by their length."""
        words: list[str] = []
        ends_s: list[float] = []
        for piece in pieces:
            said = piece["text"].split()
            letters = list(accumulate(len(word) for word in said))
            second = (piece["end_s"] - piece["begin_s"]) / letters[-1]
            words += said
            ends_s += [piece["begin_s"] + count * second for count in letters]
        return cls(words, ends_s)


@dataclass
class Line:
    """What the caller of one call says now."""

    script: Script = field(default_factory=lambda: Script([], []))
    number: int = 0

    def say(self, script: Script) -> None:
        self.script, self.number = script, self.number + 1


class Listener:
    """One socket of a recogniser. Times of the sound are seconds of its stream, others are of time.monotonic()."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        line: Line,
        latencies: Latencies,
        query: dict[str, str],
        log: Callable[[dict[str, Any]], None],
    ) -> None:
        self._socket = socket
        self._line = line
        self._latencies = latencies
        self._log = log
        self._rate = int(query.get("sample_rate", "16000"))
        self._interims = query.get("interim_results", "false") == "true"
        self._now_s = 0.0
        self._loud_until_s = -1.0
        self._loud_at = 0.0
        self._heard_number = 0
        self._script = Script([], [])
        self._began_s = 0.0
        self._given = 0  # of the script's words
        self._interim_s = 0.0
        self._ending: asyncio.Task[None] | None = None
        self._asked: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Run until either side closes the socket."""
        async for message in self._socket:
            if message.type == WSMsgType.BINARY:
                await self._take(message.data)
            elif message.type == WSMsgType.TEXT:
                kind = json.loads(message.data)["type"]
                if kind == "Finalize":
                    self._finalize()
                elif kind == "CloseStream":
                    await self._socket.send_json({"type": "Metadata", "duration": self._now_s})
                    break
        for task in [*self._asked, *([self._ending] if self._ending else [])]:
            task.cancel()

    async def _take(self, pcm: bytes) -> None:
        size = round(self._rate * BLOCK_S)
        samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float32) / 32768
        began_s, self._now_s = self._now_s, self._now_s + len(samples) / self._rate
        blocks = np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)
        loud = np.flatnonzero(np.sqrt((blocks**2).mean(axis=1)) > LOUD)
        if len(loud):
            self._hear(began_s + loud[0] * BLOCK_S, min(began_s + (loud[-1] + 1) * BLOCK_S, self._now_s))
        if self._waiting and self._ending is None and self._now_s - self._loud_until_s >= self._latencies.stt_s / 2:
            self._ending = asyncio.create_task(self._give(self._loud_at + self._latencies.stt_s, asked=False))
        elif self._interims and self._ending is None and self._now_s - self._interim_s >= INTERIM_EVERY_S:
            self._interim_s = self._now_s
            await self._send(self._heard_words(), final=False)

    def _hear(self, from_s: float, to_s: float) -> None:
        """Somebody was loud from one moment of the stream to another."""
        quiet_s = from_s - self._loud_until_s
        if self._line.number != self._heard_number and (quiet_s >= APART_S or self._given >= len(self._script.words)):
            self._script, self._heard_number, self._given = self._line.script, self._line.number, 0
            self._began_s = from_s
        self._loud_until_s, self._loud_at = to_s, time.monotonic() - (self._now_s - to_s)
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    @property
    def _waiting(self) -> bool:
        """Whether there are words that were spoken and not yet given."""
        return bool(self._heard_words())

    def _heard_words(self) -> list[str]:
        spoken_s = self._loud_until_s - self._began_s + SLACK_S
        until = int(np.searchsorted(self._script.ends_s, spoken_s, "right"))
        return self._script.words[self._given : until]

    def _finalize(self) -> None:
        """Give what was said so far, sooner than it would come by itself."""
        due = time.monotonic() + self._latencies.finalize_s
        if self._waiting:
            due = min(due, self._loud_at + self._latencies.stt_s)
        task = asyncio.create_task(self._give(due, asked=True))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _give(self, at: float, *, asked: bool) -> None:
        """Send what was said and not yet given, at its moment."""
        await asyncio.sleep(max(at - time.monotonic(), 0))
        if not asked:
            self._ending = None
        words = self._heard_words()
        self._given += len(words)
        if words:
            said = {"kind": "stt", "at": time.monotonic(), "loud_at": self._loud_at, "text": " ".join(words)}
            self._log({**said, "asked": asked})
        await self._send(words, final=True, asked=asked)

    async def _send(self, words: list[str], *, final: bool, asked: bool = False) -> None:
        if not words and not asked:
            return
        end_s = max(self._loud_until_s, 0.0)
        first = self._given - len(words) if final else self._given
        ends_s = [self._began_s + end for end in self._script.ends_s[first : first + len(words)]]
        starts_s = [max(self._began_s, ends_s[0] - 0.3), *ends_s[:-1]] if words else []
        shown = [
            {
                "word": word.lower().strip(".,?!"),
                "punctuated_word": word,
                "start": round(start, 3),
                "end": round(end, 3),
                "confidence": 0.99,
            }
            for word, start, end in zip(words, starts_s, ends_s, strict=True)
        ]
        start_s = starts_s[0] if starts_s else end_s
        alternative = {"transcript": " ".join(words), "confidence": 0.99 if words else 0.0, "words": shown}
        await self._socket.send_json(
            {
                "type": "Results",
                "channel_index": [0, 1],
                "start": round(start_s, 3),
                "duration": round(max(end_s - start_s, 0.0), 3),
                "is_final": final,
                "speech_final": final,
                "from_finalize": asked,
                "channel": {"alternatives": [alternative]},
                "metadata": {"request_id": "bench"},
            }
        )

"""Deepgram's streaming recognition, `WS /v1/listen`, with scripted words for real stretches of loud audio."""

import asyncio
import json
import uuid
from dataclasses import replace
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
from aiohttp import WSMsgType, web

from tests.providers.script import Corrected, Heard, InPieces, Interim, Script, Utterance

LOUD = 0.01
BLOCK_S = 0.02
ONSET_S = 0.06
INTERIM_EVERY_S = 0.3
CHARACTERS_PER_S = 15


class Timing(Protocol):
    """Seconds of quiet that end an utterance, and from there to its final result, which comes only when it may."""

    endpointing_s: float
    stt_s: float
    confirms: asyncio.Event


class Listener:
    """One STT socket: finds utterances in the PCM that comes in and sends what the script says of them."""

    def __init__(
        self, socket: web.WebSocketResponse, script: Script, timing: Timing, query: dict[str, str], stream: int
    ) -> None:
        self._socket = socket
        self._script = script
        self._timing = timing
        self._stream = stream
        self._rate = int(query.get("sample_rate", "16000"))
        self._wants_interim = query.get("interim_results", "false").lower() == "true"
        self._wants_events = query.get("vad_events", "false").lower() == "true"
        self._request_id = str(uuid.uuid4())
        self._pcm = b""
        self._now_s = 0.0
        self._loud_s = 0.0
        self._quiet_s = 0.0
        self._started_s: float | None = None
        self._interim_s = 0.0
        self._heard: Heard = ""
        self._text = ""

    async def serve(self) -> None:
        """Runs until either side closes the socket."""
        async for message in self._socket:
            if message.type == WSMsgType.BINARY:
                await self._take(message.data)
            elif message.type == WSMsgType.TEXT:
                kind = json.loads(message.data)["type"]
                if kind == "Finalize":
                    await self._finish(asked=True)
                elif kind == "CloseStream":
                    await self._finish()
                    metadata = {"type": "Metadata", "request_id": self._request_id, "duration": self._now_s}
                    await self._socket.send_json(metadata)
                    return

    async def _take(self, pcm: bytes) -> None:
        self._pcm += pcm
        size = int(self._rate * BLOCK_S) * 2
        while len(self._pcm) >= size:
            block, self._pcm = self._pcm[:size], self._pcm[size:]
            samples = np.frombuffer(block, "<i2").astype(np.float32) / 32768
            await self._hear(level=float(np.sqrt(np.mean(samples**2))))

    async def _hear(self, level: float) -> None:
        self._now_s += BLOCK_S
        self._loud_s = self._loud_s + BLOCK_S if level > LOUD else 0.0
        if self._started_s is None:
            if self._loud_s >= ONSET_S:
                await self._begin(self._now_s - self._loud_s)
            return
        self._quiet_s = 0.0 if level > LOUD else self._quiet_s + BLOCK_S
        if self._quiet_s >= self._timing.endpointing_s:
            await self._finish()
        elif self._now_s - self._interim_s >= INTERIM_EVERY_S:
            await self._guess()

    async def _begin(self, at_s: float) -> None:
        self._started_s, self._interim_s, self._quiet_s = at_s, self._now_s, 0.0
        self._heard = self._script.begin_utterance(self._stream, at_s)
        self._text = self._heard if isinstance(self._heard, str) else self._heard.text
        if self._wants_events:
            await self._socket.send_json({"type": "SpeechStarted", "channel": [0], "timestamp": at_s})

    async def _guess(self) -> None:
        self._interim_s = self._now_s
        started_s = self._started_s or 0.0
        said = self._text[: int((self._now_s - started_s) * CHARACTERS_PER_S)].rpartition(" ")[0]
        if self._wants_interim and said:
            await self._send(Utterance(self._stream, started_s, self._now_s - started_s, said), final=False)

    async def _finish(self, *, asked: bool = False) -> None:
        """Ends the utterance; `asked`: by a Finalize message, which is answered even if nobody speaks."""
        if self._started_s is None:
            if asked:
                await self._send(Utterance(self._stream, self._now_s, 0.0), final=True, asked=True)
            return
        started_s, self._started_s = self._started_s, None
        duration_s = self._now_s - self._quiet_s - started_s
        heard = self._script.end_utterance(self._stream, started_s, duration_s, self._text)
        await asyncio.sleep(self._timing.stt_s)
        await self._timing.confirms.wait()
        *pieces, last = _results(self._heard, heard)
        for piece in pieces:
            await self._send(piece, final=True, over=False)
        await self._send(last, final=True, asked=asked)

    async def _send(self, heard: Utterance, *, final: bool, over: bool = True, asked: bool = False) -> None:
        is_timed = self._script.timed == "all" or (final and self._script.timed == "final")
        words = _words(heard) if is_timed else []
        alternative = {"transcript": heard.text, "confidence": 0.99 if heard.text else 0.0, "words": words}
        await self._socket.send_json(
            {
                "type": "Results",
                "channel_index": [0, 1],
                "start": heard.start_s,
                "duration": heard.duration_s,
                "is_final": final,
                "speech_final": final and over,
                "from_finalize": asked,
                "channel": {"alternatives": [alternative]},
                "metadata": {"request_id": self._request_id},
            }
        )


def _results(script: Heard, heard: Utterance) -> list[Utterance]:
    """The final results of what was heard, in which each piece lasts as long as it is."""
    if isinstance(script, Interim):
        return [replace(heard, text="")]
    if isinstance(script, Corrected):
        return [replace(heard, text=text) for text in script.texts]
    if not isinstance(script, InPieces):
        return [heard]
    ends = list(accumulate(len(piece) for piece in script.pieces))
    second = heard.duration_s / ends[-1]
    return [
        Utterance(heard.stream, heard.start_s + (end - len(piece)) * second, len(piece) * second, piece)
        for piece, end in zip(script.pieces, ends, strict=True)
    ]


def _words(heard: Utterance) -> list[dict[str, Any]]:
    words = heard.text.split()
    ends = list(accumulate(len(word) for word in words))
    second = heard.duration_s / ends[-1] if words else 0.0
    return [
        {
            "word": word.lower().strip(".,?!"),
            "punctuated_word": word,
            "start": round(heard.start_s + (end - len(word)) * second, 3),
            "end": round(heard.start_s + end * second, 3),
            "confidence": 0.99,
        }
        for word, end in zip(words, ends, strict=True)
    ]

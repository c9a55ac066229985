"""The voices of an agent as one: where one fails, the next goes on within the same utterance.

A sentence that breaks off is said again from its beginning, by whoever goes on: half of it, in the middle of which the
next one begins, is understood by nobody.
"""

import asyncio
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, APIError, APITimeoutError, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from typing_extensions import override

from worker.ranking import Ranking
from worker.speaker.sound.output import Output
from worker.speaker.sound.pieced import Pieced
from worker.speaker.sound.prepared import Prepared
from worker.speaker.sound.promptness import Promptness
from worker.speaker.sound.streamed import Streamed
from worker.speaker.sound.voice import SAMPLE_RATE
from worker.speaker.words.growing import Growing
from worker.speaker.words.plain import is_sayable, said_of

ONCE = APIConnectOptions(max_retry=0)  # its own time-outs are not kept by every plugin: ours stand before them
TRIES = 2  # at least; each voice of the agent has one


@dataclass(frozen=True)
class Ahead:
    """A text that is said before it is to be heard."""

    text: str
    stream: tts.SynthesizeStream


class Speechless(Protocol):
    """Told that none has spoken, and whether somebody has waited in vain and then spoken himself."""

    def __call__(self, *, spoken_into: bool) -> None: ...


class Voices(tts.TTS[Any]):
    """Speaks with the first of an agent's voices that works.

    Args:
        ranking: the voices, of which some take whole texts and others a text as it comes.
        prepared: how the agent's own phrases sound.
        first_sound_s: how long a voice may take for its first sound, and after that for each next one.
        on_failed: one of them, at that place, has failed that had not before.
        on_spoken: one of them has spoken.
        on_speechless: none has spoken.
    """

    def __init__(
        self,
        ranking: Ranking[tts.TTS[Any]],
        prepared: Prepared,
        first_sound_s: float,
        on_failed: Callable[[int, Exception], None],
        on_spoken: Callable[[], None],
        on_speechless: Speechless,
    ) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True, aligned_transcript=True),
            sample_rate=SAMPLE_RATE,
            num_channels=1,
        )
        self.ranking = ranking
        self.prepared = prepared
        self.first_sound_s = first_sound_s
        self.promptness = [Promptness() for _ in range(len(ranking))]
        self.on_failed = on_failed
        self.on_spoken = on_spoken
        self.on_speechless = on_speechless
        self.ahead: Ahead | None = None

    async def say_ahead(self, text: str, *, is_constant: bool) -> None:
        """Begin to say this for nobody: when it is to be heard, its sound is there.

        What is the same in every call is kept, like the agent's own phrases.
        """
        said = await said_of(text)
        if is_sayable(said):
            if is_constant:
                self.prepared.include(said)
            stream = _Utterance(self, is_ahead=True)
            stream.push_text(said)
            stream.end_input()
            self.ahead = Ahead(said, stream)

    @override
    def prewarm(self) -> None:
        self.ranking[self.ranking.best].prewarm()

    @override
    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return self._synthesize_with_stream(text, conn_options=conn_options)

    @override
    def stream(self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> tts.SynthesizeStream:
        return _Utterance(self)

    @override
    async def aclose(self) -> None:
        if self.ahead is not None:
            await self.ahead.stream.aclose()
        closing = (self.ranking[place].aclose() for place in range(len(self.ranking)))
        await asyncio.gather(*closing, return_exceptions=True)


class _Utterance(tts.SynthesizeStream):
    _tts_attempt_span_name: ClassVar[str | None] = None

    def __init__(self, voices: Voices, *, is_ahead: bool = False) -> None:
        super().__init__(tts=voices, conn_options=ONCE)
        self._voices = voices
        self._is_ahead = is_ahead
        self._said = 0  # characters
        self._speakers: set[int] = set()
        self._place: int | None = None  # of the one that was asked last,
        self._began_s = 0.0  # when so much was heard;
        self._owed_at: float | None = None  # since then it owes a sound
        self._has_failed = False

    @override
    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[tts.SynthesizedAudio]) -> None:
        async for _ in event_aiter:
            pass

    @override
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(), sample_rate=SAMPLE_RATE, num_channels=1, mime_type="audio/pcm", stream=True
        )
        output_emitter.start_segment(segment_id=utils.shortuuid())
        text, output = Growing(), Output(output_emitter)
        reading = asyncio.create_task(self._read(text))
        try:
            if not await self._was_said_ahead(text, output):
                await self._speak(text, output)
            output.end()
        except asyncio.CancelledError:
            if self._place is not None and not self._is_ahead:
                self._break_off(self._place, output)
            raise
        except APIError:
            if not self._is_ahead:
                self._voices.on_speechless(spoken_into=False)
            raise
        finally:
            await utils.aio.cancel_and_wait(reading)

    def _break_off(self, place: int, output: Output) -> None:
        """Somebody has spoken into it: what it says, or because nothing has come of it."""
        voices, ranking = self._voices, self._voices.ranking
        if output.seconds > self._began_s:
            self._works(place)
            return
        was_down = ranking.is_down(place)
        waited_s = 0.0 if self._owed_at is None else asyncio.get_running_loop().time() - self._owed_at
        if ranking.waited(place, waited_s, voices.first_sound_s):
            self._has_failed = True
            if not was_down:
                voices.on_failed(place, APITimeoutError())
        if self._has_failed and not output.seconds and ranking.are_down:
            voices.on_speechless(spoken_into=True)

    async def _read(self, text: Growing) -> None:
        async for piece in self._input_ch:
            if isinstance(piece, str):
                text.add(piece)
        text.end()

    async def _speak(self, text: Growing, output: Output) -> None:
        if not await self._is_phrase(text):
            await self._say(text, output)
            if not output.seconds:
                output.pass_on(_silence())  # dots alone: LiveKit takes an utterance without sound for a failure
            return
        prepared = self._voices.prepared
        sound, has_substitute = await prepared.own(text.text), prepared.has_substitute(text.text)
        if sound is None and not (has_substitute and self._voices.ranking.are_down):
            pcm = output.record()
            try:
                await self._say(text, output)
            except APIError:
                if output.seconds or not has_substitute:
                    raise
            else:
                if self._speakers == {0} and not self._has_failed:  # else half of it may be there twice
                    await prepared.keep(text.text, bytes(pcm))
                return
        sound = sound or await prepared.any(text.text)
        if sound.text:
            output.show(text.text, 0, output.seconds, is_paced=True)
        output.play(_frame(sound.pcm))

    async def _was_said_ahead(self, text: Growing, output: Output) -> bool:
        """Whether just this text was begun to be said before; then that is heard, once."""
        ahead = self._voices.ahead
        if self._is_ahead or ahead is None:
            return False
        while not text.is_whole and ahead.text.startswith(text.text):
            await text.grown()
        if text.text != ahead.text or not text.is_whole:
            return False
        self._voices.ahead = None
        async with ahead.stream as stream:
            async for event in stream:
                output.pass_on(event.frame)
        return True

    async def _is_phrase(self, text: Growing) -> bool:
        """Whether it is one of the agent's own, which is known as soon as it is not."""
        while self._voices.prepared.may_become_phrase(text.text):
            if text.is_whole:
                return self._voices.prepared.is_phrase(text.text)
            await text.grown()
        return False

    async def _say(self, text: Growing, output: Output) -> None:
        """Have it said by whoever can; APIError if nobody can."""
        tries, ranking = 0, self._voices.ranking
        while await _goes_on(text, self._said):
            place, before = ranking.best, self._said
            self._place, self._began_s, self._owed_at = place, output.seconds, None
            self._mark_started()
            try:
                if ranking[place].capabilities.streaming:
                    await self._say_as_it_comes(place, text, output)
                else:
                    await self._say_in_pieces(place, text, output)
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises, the next one goes on
                output.rest()
                self._has_failed = True
                if not ranking.is_down(place):
                    self._voices.on_failed(place, error)
                ranking.failed(place)
                tries = 1 if self._said > before else tries + 1
                if tries == max(TRIES, len(ranking)):
                    raise APIConnectionError("no voice speaks", retryable=False) from None

    async def _say_in_pieces(self, place: int, text: Growing, output: Output) -> None:
        voices = self._voices
        pieced = Pieced(
            voices.ranking[place],
            voices.promptness[place],
            text,
            self._said,
            output,
            voices.first_sound_s,
            on_said=lambda: self._works(place),
        )
        try:
            await pieced.say(ONCE)
        finally:
            self._said, self._owed_at = pieced.said, pieced.owed_at

    async def _say_as_it_comes(self, place: int, text: Growing, output: Output) -> None:
        voice, sound_s = self._voices.ranking[place], self._voices.first_sound_s
        streamed = Streamed(voice, text, self._said, output, sound_s)
        try:
            await streamed.say(ONCE)
        finally:
            self._said, self._owed_at = streamed.said, streamed.owed_at
        self._works(place)

    def _works(self, place: int) -> None:
        self._speakers.add(place)
        self._voices.ranking.works(place)
        self._voices.on_spoken()


async def _goes_on(text: Growing, start: int) -> bool:
    """Whether anything that can be said comes from that character on."""
    while not is_sayable(text.text[start:]):
        if text.is_whole:
            return False
        await text.grown()
    return True


def _frame(pcm: bytes) -> rtc.AudioFrame:
    return rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // 2)


def _silence() -> rtc.AudioFrame:
    return _frame(bytes(SAMPLE_RATE // 10 * 2))

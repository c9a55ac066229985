"""One microphone's audio as speech recognition hears it: by one stream, and when that is of no use by the next."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from livekit.agents import APIConnectionError, APIConnectOptions, stt, utils

from worker.ranking import Ranking
from worker.room.kept import Frame, Kept

JUMP_S = 0.1  # a gap between frames that is longer than this moves the times of what follows
LAST_WORDS_S = 1.0  # how long the last result of a microphone that is gone is waited for; of a recording, longer
SETTLED = 2  # times as long after the last sound or result no more comes, though the microphone went only then
RETRY_S = (0.2, 0.5, 1.0, 1.4, 2.0)
CONNECT_S = 3.0  # a caller whom nobody can hear by then is told so,
CONNECT_OF_SEVERAL_S = 1.5  # unless another provider still can
PROVEN_S = 0.5  # a stream that lives so much longer than connecting may take is connected;
LIKELY_S = 1.0  # unless all others hung before, one that lives for so long is too
CLOSE_S = 1.0


class Recognition:
    """Hears one person by the best provider; what a stream had not finished, the next one hears again.

    Seconds count only while this process runs: it is told of them.

    Args:
        providers: shared by all who are heard in a call.
        words_s: how long one that takes whole recordings may take for the last of them.
        on_open: called when another stream begins, with how much it hears again, in seconds.
        on_event: gets what a stream says.
        on_works: told the place of a provider whose stream has begun to find words,
        on_failed: and of one that was of no use, and why.
    """

    def __init__(
        self,
        providers: Ranking[stt.STT[Any]],
        words_s: float,
        *,
        on_open: Callable[[float], None],
        on_event: Callable[[stt.SpeechEvent], None],
        on_works: Callable[[int], None],
        on_failed: Callable[[int, Exception], None],
    ) -> None:
        self.kept = Kept()
        self.place = 0  # of the present provider
        self._providers = providers
        self._words_s = words_s
        self._connect_s = CONNECT_S if len(providers) == 1 else CONNECT_OF_SEVERAL_S
        self._on_open = on_open
        self._on_event = on_event
        self._on_works = on_works
        self._on_failed = on_failed
        self._stream: stt.RecognizeStream | None = None
        self._limit = asyncio.Timeout(None)
        self._closing: set[asyncio.Task[None]] = set()
        self._ended = False
        self._times = _Times()
        self._now_s = 0.0
        self._opened_s = 0.0
        self.answers = False  # something has come from the present stream,
        self._finds_words = False  # and words too
        self._why: Exception | None = None  # the present stream is left
        self._failures = 0  # of streams that broke or did not come about, one after the other
        self._deaf_since_s: float | None = None
        self._hung = False  # there was no connection for as long as one may take
        self._active_s = -math.inf  # when a stream last got a sound, or gave a result

    @property
    def is_open(self) -> bool:
        """Whether there is a stream, which may still be about to connect."""
        return self._stream is not None

    @property
    def gives_interims(self) -> bool:
        """Whether the present provider tells what it hears while it is said."""
        return self._providers[self.place].capabilities.interim_results

    @property
    def deaf_s(self) -> float:
        """For how long no stream could be had; 0 while there is one, though it may find no words."""
        all_failed = self._failures >= len(self._providers)
        may_take_s = self._connect_s + PROVEN_S if self._hung and all_failed else LIKELY_S
        if self._deaf_since_s is None or (self.is_open and self._age_s > may_take_s):
            return 0.0
        return self._now_s - self._deaf_since_s

    @property
    def is_cut_off(self) -> bool:
        """Whether no stream can be had at the moment."""
        return self.deaf_s > 0

    @property
    def may_return(self) -> bool:
        """Whether a provider that is wanted more may be tried again."""
        return self.is_open and self._providers.best < self.place

    @property
    def _age_s(self) -> float:
        return self._now_s - self._opened_s

    @property
    def _last_words_s(self) -> float:
        return LAST_WORDS_S if self.gives_interims else LAST_WORDS_S + self._words_s

    def wait(self, seconds: float) -> None:
        """So much time has passed."""
        self._now_s += seconds

    def moment(self, second: float) -> float:
        """Which moment of `time.monotonic` a second of the present stream is."""
        return self._times.at(second)

    def hear(self, frame: Frame) -> None:
        """The next audio."""
        self.kept.add(frame)
        if self._stream is not None:
            self._push(self._stream, frame)

    def replace(self, why: Exception | None) -> None:
        """Leave the present stream: its provider failed by that, or it is to be a new or a better one."""
        if self._stream is not None:
            self._why = why
            self._leave_in(0.0)

    def end(self) -> None:
        """No more comes; what was said until now still becomes text."""
        if not self._ended:
            self._ended = True
            self._ask_for_last_words()

    def finish(self) -> None:
        """All that is known to have been said is text: wait for no end of the stream, of which not every plugin tells.

        But while a result may come, it is waited for as if this had not been called: one result may be of less than
        the voice has said, and what is no voice to the voice activity may be words.
        """
        if self._stream is not None and self._now_s - self._active_s > SETTLED * self._last_words_s:
            self._leave_in(0.0)

    async def run(self) -> None:
        """Until the audio has ended and its last words are text, or nobody can be reached for them."""
        try:
            while True:
                self.place = self._providers.best
                why = await self._listen(self._providers[self.place])
                if why is None:
                    if self._ended:
                        return
                    continue
                self._fail(why)
                if self._ended and self._failures >= len(RETRY_S):
                    return
                # Each provider is tried at once; then all of them again, less and less often.
                if (tries := self._failures - len(self._providers)) >= 0:
                    await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])
        finally:
            if self._closing:
                await asyncio.wait(self._closing, timeout=CLOSE_S)
            await utils.aio.cancel_and_wait(*self._closing)

    async def _listen(self, recogniser: stt.STT[Any]) -> Exception | None:
        """Until the stream is of no use: why, or None if that is fine."""
        self._opened_s, self._why, self._times = self._now_s, None, _Times()
        self.answers = self._finds_words = False
        try:
            options = APIConnectOptions(max_retry=0, timeout=self._connect_s)
            stream = recogniser.stream(conn_options=options)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises, another may do better
            return error
        try:
            heard_again_s = 0.0
            for frame in self.kept.again():
                self._push(stream, frame)
                heard_again_s += frame.audio.duration
            self._on_open(heard_again_s)
            async with asyncio.timeout(None) as self._limit:
                self._stream = stream
                if self._ended:
                    self._ask_for_last_words()
                while True:
                    try:
                        event = await anext(stream)
                    except StopAsyncIteration:
                        return None if self._ended else APIConnectionError("it ended")
                    except Exception as error:  # noqa: BLE001 - as above
                        return error
                    self._take(event)
        except TimeoutError:
            return self._why
        finally:
            self._stream = None
            # It may take its time: the other end of it need not answer.
            task = asyncio.create_task(stream.aclose(), name="end of a stream")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _take(self, event: stt.SpeechEvent) -> None:
        if event.type == stt.SpeechEventType.RECOGNITION_USAGE:
            return
        self.answers, self._deaf_since_s, self._active_s = True, None, self._now_s
        if not self._finds_words and has_words(event):
            self._finds_words = True
            self._providers.works(self.place)
            self._on_works(self.place)
        self._on_event(event)

    def _fail(self, why: Exception) -> None:
        connected = self._age_s > self._connect_s + PROVEN_S
        if connected:
            self._deaf_since_s = None
        if why is self._why:  # it was silent, and there was a stream
            self._failures = 0
        else:
            if self._deaf_since_s is None:
                self._deaf_since_s = self._now_s if connected or self.answers else self._opened_s
            self._hung = not (connected or self.answers) and self._age_s > self._connect_s / 2
            if connected or (self.answers and self._age_s > LIKELY_S):  # else it may break again and again
                self._failures = 0
            self._failures += 1
        self._providers.failed(self.place)
        self._on_failed(self.place, why)

    def _push(self, stream: stt.RecognizeStream, frame: Frame) -> None:
        frame.second = self._times.add(frame.at, frame.audio.duration)
        if frame.sounds:
            self._active_s = self._now_s
        with suppress(RuntimeError):  # it broke a moment ago; the next one hears this again
            stream.push_frame(frame.audio)

    def _ask_for_last_words(self) -> None:
        if self._stream is not None:
            with suppress(RuntimeError):
                self._stream.end_input()
            self._leave_in(self._last_words_s)

    def _leave_in(self, seconds: float) -> None:
        with suppress(RuntimeError):  # it is being left already
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)


def has_words(event: stt.SpeechEvent) -> bool:
    """Whether it tells words, for certain or not."""
    return bool(event.alternatives and event.alternatives[0].text.strip())


class _Times:
    """Which moment a second of a stream is."""

    def __init__(self) -> None:
        self._position = 0.0
        self._marks: list[tuple[float, float]] = []  # from this second of the stream on, add this much

    def add(self, at: float, duration: float) -> float:
        """The stream gets so many seconds of what was heard `at`; from which second of it on they stand."""
        offset = at - self._position
        if not self._marks or abs(offset - self._marks[-1][1]) > JUMP_S:
            self._marks.append((self._position, offset))
        self._position += duration
        return self._position - duration

    def at(self, second: float) -> float:
        offset = next((offset for start, offset in reversed(self._marks) if start <= second + 1e-6), 0.0)
        return second + offset

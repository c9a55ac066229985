"""Nobody waits in silence: who is owed something hears that it takes a moment, and after that a tone now and then."""

import asyncio
import time
from collections.abc import Callable

from livekit.agents import AgentSession, utils

from calls.transcript import AGENT
from worker.room.clock import Clock
from worker.room.transcript import TranscriptWriter
from worker.speaker.sound.files import tone
from worker.speaker.sound.prepared import Prepared, Sound
from worker.speaker.sound.voice import SAMPLE_RATE, Voice
from worker.speaker.words.language import Language
from worker.speaker.words.plain import said_of

FIRST_S = 3.0  # of silence; that somebody has stopped speaking is known only some tenths later
NEXT_S = 3.3
TURN_S = 3.5  # who has spoken so shortly before the agent begins to think waits since then,
AT_LEAST_S = 0.5  # and what it says next may be about to begin
LOOK_S = 0.1
WHOLE = 0.95  # of a sound: all of its words


class Patience:
    """Puts it in between what the session says. It stands in the transcript, and the model does not know of it.

    Args:
        has_words: whether somebody else tells those who wait, in words.
        awaited_since: when somebody stopped speaking whose words take long to come, if so, by `time.monotonic`.
        is_deaf: whether the agent hears nobody, and has said so.
        is_expected: whether nobody waits for the agent's words, as while it presses keys, or nobody is there.
    """

    def __init__(
        self,
        session: AgentSession[None],
        voice: Voice,
        prepared: Prepared,
        language: Language,
        clock: Clock,
        transcript: TranscriptWriter | None,
        *,
        has_words: Callable[[], bool],
        awaited_since: Callable[[], float | None],
        is_deaf: Callable[[], bool],
        is_expected: Callable[[], bool],
    ) -> None:
        self._session = session
        self._voice = voice
        self._prepared = prepared
        self._language = language
        self._clock = clock
        self._transcript = transcript
        self._has_words = has_words
        self._awaited_since = awaited_since
        self._is_deaf = is_deaf
        self._is_expected = is_expected

    async def run(self) -> None:
        """Watch until cancelled."""
        heard_at, owed_at, asked, asked_at = time.monotonic(), None, False, 0.0
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            heard_at = now if self._session.user_state == "speaking" else max(heard_at, self._voice.sounded_at)
            if not self._owes():
                owed_at, asked = None, asked and heard_at == asked_at
                continue
            owed_at = self._awaited_since() or owed_at or now
            since = heard_at if heard_at > owed_at - TURN_S else owed_at
            if now - since < (NEXT_S if asked else FIRST_S) or now - owed_at < AT_LEAST_S:
                continue
            if self._language.wants_silence("moment"):
                continue
            in_words = not (asked or self._has_words() or self._is_deaf())
            asked = True
            await self._ask(in_words=in_words)
            heard_at = asked_at = time.monotonic()

    def _owes(self) -> bool:
        """Whether the agent is to be heard, and is not."""
        if not (self._voice.is_audible and self._voice.is_dry) or self._is_expected():
            return False
        speech = self._session.current_speech
        is_awaited = speech is not None and not speech.interrupted
        is_thinking = self._session.agent_state == "thinking"
        return is_awaited or is_thinking or self._is_deaf() or self._awaited_since() is not None

    async def _ask(self, *, in_words: bool) -> None:
        moment = self._language.phrase("moment") if in_words else None
        sound = await self._prepared.any(await said_of(moment)) if moment else Sound(tone(), "")
        began_at = self._clock.now()
        playing = asyncio.create_task(self._voice.put_in(sound.pcm))
        try:
            while not playing.done():
                if self._session.user_state == "speaking":
                    self._voice.cut_in()
                await asyncio.wait({playing}, timeout=LOOK_S)
        finally:
            await utils.aio.cancel_and_wait(playing)
        self._write(_as_far(sound, playing.result()), began_at)

    def _write(self, text: str, began_at: float) -> None:
        if text and self._transcript is not None:
            segment = self._transcript.begin(AGENT, None)
            self._transcript.update(segment, text, began_at, self._clock.now(), final=True)


def _as_far(sound: Sound, seconds: float) -> str:
    """What of its words is heard in so long: whole ones."""
    part = seconds / (len(sound.pcm) / 2 / SAMPLE_RATE)
    if part >= WHOLE:
        return sound.text
    return sound.text[: round(len(sound.text) * part)].rpartition(" ")[0]

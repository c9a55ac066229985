"""Who is heard in the room: an ear for each microphone, and what all of them together give to an agent session."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection
from functools import partial
from typing import Any

from livekit import rtc
from livekit.agents import stt, utils

from worker.room.ear import Ear, Listener
from worker.room.merged_activity import MergedActivity
from worker.room.mix import Mix

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 2.0
DEAF_S = 8.0  # a caller waits no longer to be understood
RESTART_S = (0.0, 0.2, 1.0)  # an ear that died listens again after so long,
HEALTHY_S = 10.0  # and one that then listened for so long has overcome it


class Attachment:
    """What one agent session hears, until `close`: the mix of all microphones, their voice activity, and the words."""

    def __init__(self, ears: Collection[Ear]) -> None:
        self.audio = Mix(ears)
        self.vad = MergedActivity(ears)
        self._events = utils.aio.Chan[stt.SpeechEvent]()

    def events(self) -> AsyncIterator[stt.SpeechEvent]:
        """What each person said for certain, one after the other; among several on a line of its own with the name."""
        return self._events

    def send(self, event: stt.SpeechEvent) -> None:
        """Let the session know of this."""
        if not self._events.closed:
            self._events.send_nowait(event)

    def close(self) -> None:
        """Nothing more is heard."""
        self.audio.close()
        self._events.close()


class Hearing:
    """Keeps an ear at each microphone; a session may be attached to them, detached, and another attached.

    While none is, the ears go on with transcript and recording, and what they hear waits for nobody.

    Args:
        recognizer: makes the STT streams.
        listener: what the ears need of the call.
    """

    def __init__(self, recognizer: stt.STT[Any], listener: Listener) -> None:
        self._recognizer = recognizer
        self._listener = listener
        self._ears: dict[str, Ear] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._attached: Attachment | None = None
        self._deaf = False
        self._unheard: set[Ear] = set()
        self._last: str | None = None

    @property
    def last(self) -> str | None:
        """The name in the room of the one from whom something came last, and who may have left since."""
        return self._last

    def attributed(self, identity: str, name: str, text: str) -> str:
        """What came from somebody, as the model reads it: among several people on a line of its own with the name."""
        people = {ear.identity for ear in self._ears.values()} | {identity, self._last or identity}
        self._last = identity
        return f"\n{name}: {text}" if len(people) > 1 else text

    def attach(self) -> Attachment:
        """What a new session hears from now on; the one before hears nothing more."""
        if self._attached is not None:
            self._attached.close()
        for ear in self._ears.values():
            ear.unmixed.clear()
        self._attached = Attachment(self._ears.values())
        return self._attached

    def attend(self, track: rtc.RemoteTrack, participant: rtc.RemoteParticipant) -> None:
        """Listen to a participant's microphone until `ignore`."""
        ear = Ear(
            participant,
            self._recognizer,
            self._listener,
            on_final=self._on_final,
            on_broken=self._judge,
            on_understood=self._note_heard,
        )
        self._ears[track.sid] = ear
        task = asyncio.create_task(self._listen(ear, track), name="ear")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._listener.on_ears(len(self._ears))

    def ignore(self, track: rtc.RemoteTrack) -> None:
        """A track is gone; what was said on it still becomes text."""
        ear = self._ears.pop(track.sid, None)
        if ear is not None:
            ear.close()
            self._unheard.discard(ear)
            self._listener.on_ears(len(self._ears))

    async def aclose(self) -> None:
        """Stop listening, once what was said until now is text."""
        for ear in self._ears.values():
            ear.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT_S)
            await utils.aio.cancel_and_wait(*self._tasks)
        if self._attached is not None:
            self._attached.close()
        self._ears.clear()
        self._listener.on_ears(0)

    async def _listen(self, ear: Ear, track: rtc.RemoteTrack) -> None:
        """Let the ear listen, and if it dies listen again: to what it had not understood yet, and to what follows."""
        deaths = 0
        try:
            while True:
                began_at = time.monotonic()
                try:
                    await ear.listen(track)
                except Exception as error:  # noqa: BLE001 - whatever it was, this person is to be heard
                    deaths = 1 if time.monotonic() - began_at > HEALTHY_S else deaths + 1
                    # Neither the error's text nor its trace: they may hold what was said.
                    logger.error("an ear died", extra={"error": _kinds(error), "times": deaths})  # noqa: TRY400
                    if deaths > len(RESTART_S):
                        self._listener.on_failed()
                        return
                    await asyncio.sleep(RESTART_S[deaths - 1])
                else:
                    return
        finally:
            ear.settle()

    def _on_final(self, ear: Ear, heard: stt.SpeechData) -> None:
        if self._attached is None:
            return
        line = partial(self.attributed, ear.identity, ear.name, heard.text)
        if self._listener.holds(heard.text, line):
            return  # the agent goes on; no turn is taken
        # The session's clock is not ours: without times it takes those of its voice activity.
        words = stt.SpeechData(language=heard.language, text=line(), confidence=heard.confidence)
        self._attached.send(stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[words]))

    def _judge(self) -> None:
        """One stream that broke is nothing; recognition that has not worked for a while has failed.

        For everybody, and there is no call any more; or for some, whom the others at least hear.
        """
        ears = self._ears.values()
        deaf = {ear for ear in ears if ear.deaf_s > DEAF_S}
        if self._deaf or not deaf:
            return
        if len(deaf) == len(ears):
            self._deaf = True
            self._listener.on_deaf()
            return
        for ear in deaf - self._unheard:
            self._unheard.add(ear)
            self._listener.on_unheard(ear.identity)

    def _note_heard(self, ear: Ear) -> None:
        if ear in self._unheard:
            self._unheard.discard(ear)
            self._listener.on_heard(ear.identity)


def _kinds(error: Exception) -> str:
    errors = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
    return ", ".join(type(one).__name__ for one in errors)

"""Who is heard in the room: an ear for each microphone, and what all of them together give to an agent session."""

import asyncio
import logging
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Collection
from functools import partial
from typing import Any

from livekit import rtc
from livekit.agents import stt, utils

from worker.parts import in_a_row
from worker.ranking import Ranking
from worker.room.ear import Ear, Listener
from worker.room.lateness import Lateness
from worker.room.merged_activity import MergedActivity
from worker.room.wordless import Early
from worker.turns.curve import MOST_S
from worker.turns.marks import Marks
from worker.turns.turn_end import TurnEnd
from worker.words import ASKS

logger = logging.getLogger(__name__)

CLOSE_S = 2.0  # so much longer than words may take, the last ones are waited for at the end,
LONGEST_CLOSE_S = 8.0  # and no longer than this: a call waits for its end, too
CUT_OFF_S = 3.0  # without speech recognition for anybody, and the people are told,
DEAF_S = 30.0  # and then the call cannot go on
UNHEARD_S = 8.0  # without it for one of several people
LOOK_S = 0.1
RESTART_S = (0.0, 0.2, 1.0)  # an ear that died listens again after so long,
HEALTHY_S = 10.0  # and one that then listened for so long has overcome it


# Words with what joins them, hyphens in addresses alone: "twenty-five" is "twenty five".
_TOLD_APART = re.compile(rf"\w+(?:[.,:'&@/+]\w+|-\w+(?=[\w-]*[.@]\w))*|[?;{ASKS}%‰°$€£¥+#@&/]|[-−](?=\d)")


class Attachment:
    """What one agent session hears, until `close`: everybody's voice activity, words, and ends of turns.

    `on_beat` is called whenever time has passed for the ears, or one of them is gone; an ear would die of its error.

    Args:
        ears: a view of those that are in the room, or were a moment ago.
        marks: what is known of the recogniser's.
        eager: how likely an early request to the language model may be in vain, from 0 to 1.
        only_listens: whether who says this while another speaks wants that one to go on.
    """

    def __init__(self, ears: Collection[Ear], marks: Marks, eager: float, only_listens: Callable[[str], bool]) -> None:
        self._ears = ears
        self._only_listens = only_listens
        self.vad = MergedActivity(ears, only_listens)
        self.turn_end = TurnEnd(ears, marks, eager)
        self.on_beat: Callable[[], None] | None = None
        self.told = 0  # so many pieces that were said for certain the session has got,
        self.understood = 0  # and so many there were, with those that the agent keeps
        self._events = utils.aio.Chan[stt.SpeechEvent]()
        self._guessed = ""

    def events(self) -> AsyncIterator[stt.SpeechEvent]:
        """What each person said for certain, one after the other; among several on a line of its own with the name."""
        return self._events

    @property
    def voice_s(self) -> float:
        """For how long somebody has been speaking, to the last sound; 0 if nobody is."""
        speaking = (ear.activity for ear in self._ears if ear.activity.speaking)
        return max((one.speech_s - one.silence_s for one in speaking), default=0.0)

    @property
    def quiet_s(self) -> float:
        """For how long nobody's voice has been heard."""
        return min((ear.activity.silence_s for ear in self._ears), default=math.inf)

    @property
    def has_something_to_say(self) -> bool:
        """Whether words were heard that are not certain yet, and more than signs of listening."""
        return any(ear.unconfirmed and not self._only_listens(ear.unconfirmed) for ear in self._ears)

    @property
    def has_words(self) -> bool:
        """Whether words were heard that are not certain yet, signs of listening among them."""
        return any(ear.unconfirmed for ear in self._ears)

    @property
    def writes_late(self) -> bool:
        """Whether of somebody nothing is written before they have fallen silent."""
        return any(ear.writes_late for ear in self._ears)

    @property
    def words_due_s(self) -> float:
        """How long after a voice its words are waited for, where none are written before; else 0."""
        return max((ear.words_due_s for ear in self._ears), default=0.0)

    @property
    def may_say_more(self) -> bool:
        """Whether somebody speaks, or has spoken and the words are still to come, or to be taken for a turn."""
        return self.turn_end.has_words or any(
            ear.activity.speaking or ear.activity.voice_s > 0 or ear.goes_on for ear in self._ears
        )

    def look(self) -> None:
        """Take note of what the ears have heard by now."""
        self.vad.look()
        if self.on_beat is not None:
            self.on_beat()

    def say(self, said: stt.SpeechData, text: str) -> None:
        """Let the session know of what was said for certain, as this text.

        If only capitals and marks of sentences are others than in the guess, it keeps that: LiveKit would begin the
        answer anew.
        """
        self.turn_end.hear_words(text)
        guessed, self._guessed = self._guessed, ""
        if guessed and _words(guessed) == _words(text) and self.turn_end.may_be_asked(text):
            text = guessed
        self.turn_end.hear_certain(text)
        self.told += 1
        self._send(stt.SpeechEventType.FINAL_TRANSCRIPT, said, text)

    def guess(self, said: stt.SpeechData) -> None:
        """Let the session know of words that may be all of a turn, so that their answer is begun."""
        if self.turn_end.may_be_asked(said.text):
            self._guessed = said.text
            self.turn_end.hear_words(said.text)
            self._send(stt.SpeechEventType.PREFLIGHT_TRANSCRIPT, said, said.text)

    def close(self) -> None:
        """Nothing more is heard."""
        self._events.close()

    def _send(self, kind: stt.SpeechEventType, said: stt.SpeechData, text: str) -> None:
        if not self._events.closed:
            # The session's clock is not ours: without times it takes those of its voice activity.
            words = stt.SpeechData(language=said.language, text=text, confidence=said.confidence)
            self._events.send_nowait(stt.SpeechEvent(type=kind, alternatives=[words]))


class Hearing:
    """Keeps an ear at each microphone; a session may be attached to them, detached, and another attached.

    While none is, the ears go on with transcript and recording, and what they hear waits for nobody.

    Args:
        providers: who turns speech into words.
        words_s: how long after the end of a speech what was said is waited for.
        listener: what the ears need of the call.
        sets_marks: whether the first of the providers sets marks in what it writes; None if that is not known.
    """

    def __init__(
        self,
        providers: Ranking[stt.STT[Any]],
        words_s: float,
        listener: Listener,
        *,
        sets_marks: bool | None,
    ) -> None:
        self._providers = providers
        self._words_s = words_s
        self._listener = listener
        self._marks = Marks(are_set=sets_marks)
        self._early = Early()
        self._lateness = Lateness()
        self._ears: dict[str, Ear] = {}
        self._heard: list[Ear] = []  # these, and those whose microphones went a moment ago
        self._tasks: set[asyncio.Task[None]] = set()
        self._fading: set[asyncio.Task[None]] = set()
        self._attached: Attachment | None = None
        self._failed: set[int] = set()  # the places of providers that have not begun to understand since they failed
        self._cut_off = False
        self._telling: asyncio.Task[None] | None = None
        self._deaf = False
        self._unheard: set[Ear] = set()
        self._last: str | None = None

    @property
    def is_cut_off(self) -> bool:
        """Whether no provider can be reached for anybody."""
        return bool(self._ears) and all(ear.is_cut_off for ear in self._ears.values())

    @property
    def has_told_of_cut_off(self) -> bool:
        """Whether that is so, and the people know it."""
        return self._cut_off and self.is_cut_off and self._telling is not None and self._telling.done()

    @property
    def words_awaited_since(self) -> float | None:
        """When somebody stopped speaking whose words take long to come, by `time.monotonic`."""
        return min((at for ear in self._ears.values() if (at := ear.words_awaited_since) is not None), default=None)

    @property
    def voiced_at(self) -> float:
        """When the last sound of anybody's voice ended, by `time.monotonic`; not after 0 before the first."""
        return max((ear.voiced_at for ear in self._heard), default=0.0)

    @property
    def last(self) -> str | None:
        """The name in the room of the one from whom something came last, and who may have left since."""
        return self._last

    def attributed(self, identity: str, name: str, text: str) -> str:
        """What came from somebody, as the model reads it: among several people on a line of its own with the name."""
        people = {ear.identity for ear in self._ears.values()} | {identity, self._last or identity}
        self._last = identity
        return f"\n{name}: {text}" if len(people) > 1 else text

    def attach(self, eager: float, only_listens: Callable[[str], bool]) -> Attachment:
        """What a new session hears from now on, as `Attachment` has it; the one before hears nothing more."""
        if self._attached is not None:
            self._attached.close()
        self._attached = Attachment(self._heard, self._marks, eager, only_listens)
        return self._attached

    def attend(self, track: rtc.RemoteTrack, participant: rtc.RemoteParticipant) -> None:
        """Listen to a participant's microphone until `ignore`, or to the next one: each person has one ear."""
        for sid in [sid for sid, ear in self._ears.items() if ear.identity == participant.identity]:
            self._drop(sid)
        ear = Ear(
            participant,
            self._providers,
            self._words_s,
            self._early,
            self._lateness,
            self._listener,
            on_said=self._pass_on,
            on_guess=self._guess,
            on_wordless=self._miss_words,
            on_understood=self._note_heard,
            on_works=self._failed.discard,
            on_failed=self._note_failed,
            on_cut_off=self._judge,
            on_beat=self._look,
            on_late=self._note_late,
        )
        self._ears[track.sid] = ear
        self._heard.append(ear)
        listening = asyncio.create_task(self._listen(ear, track), name="ear")
        fading = asyncio.create_task(self._fade(ear, listening), name="ear that is gone")
        for task, tasks in ((listening, self._tasks), (fading, self._fading)):
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        self._listener.on_ears(len(self._ears))

    def ignore(self, track: rtc.RemoteTrack) -> None:
        """A track is gone; what was said on it still becomes text, and ends a turn no sooner than if it were there."""
        if track.sid in self._ears:
            self._drop(track.sid)

    def _drop(self, sid: str) -> None:
        ear = self._ears.pop(sid)
        ear.close()
        self._unheard.discard(ear)
        self._listener.on_ears(len(self._ears))
        if self._attached is not None:
            self._attached.look()

    async def aclose(self) -> None:
        """Stop listening, once what was said until now is text."""
        if self._telling is not None:
            self._telling.cancel()
        for ear in self._ears.values():
            ear.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=min(self._words_s + CLOSE_S, LONGEST_CLOSE_S))
        await utils.aio.cancel_and_wait(*self._tasks, *self._fading)
        if self._attached is not None:
            self._attached.close()
        self._ears.clear()
        self._heard.clear()
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
                    deaths = in_a_row(deaths, began_at, HEALTHY_S)
                    # Neither the error's text nor its trace: they may hold what was said.
                    known = {"error": _kinds(error), "times": deaths}
                    logger.error("an ear died", extra=known)  # noqa: TRY400 - see above
                    if deaths > len(RESTART_S):
                        self._listener.on_failed()
                        return
                    await asyncio.sleep(RESTART_S[deaths - 1])
                else:
                    return
        finally:
            ear.settle()

    async def _fade(self, ear: Ear, listening: asyncio.Task[None]) -> None:
        """Whoever is gone has fallen silent, no more: with another device they may go on with their sentence."""
        await asyncio.wait([listening])
        await ear.fall_silent(MOST_S)
        self._heard.remove(ear)
        if self._attached is not None:
            self._attached.look()

    def _look(self, ear: Ear) -> None:
        if self._attached is not None and self._is_first(ear):  # one beat is enough for all
            self._attached.look()

    def _note_late(self, ear: Ear, seconds: float) -> None:
        if self._is_first(ear):
            self._listener.on_late(seconds)

    def _is_first(self, ear: Ear) -> bool:
        return ear is next(iter(self._ears.values() or self._heard), None)

    def _pass_on(self, ear: Ear, said: stt.SpeechData, piece: int) -> None:
        if self._attached is None:
            return
        goes_on = piece > 0 and ear.identity == self._last
        line = partial(str if goes_on else partial(self.attributed, ear.identity, ear.name), said.text)
        self._attached.understood += 1
        if self._listener.holds(said.text, ear.said_since, line):
            return  # the agent goes on; no turn is taken
        self._attached.say(said, line())

    def _guess(self, ear: Ear, said: stt.SpeechData) -> None:
        # Of several, another may speak before it is certain; who is alone after others is still told with the name.
        is_alone = len(self._ears) == 1 and self._last in {None, ear.identity}
        if self._attached is not None and is_alone:
            self._attached.guess(said)

    def _miss_words(self, ear: Ear) -> None:
        """One speech without words may be a noise; many, for long, are a person whom nobody understands."""
        if ear.unanswered.is_deaf:
            if not any(ear.unanswered.may_be_heard(other.unanswered) for other in self._ears.values()):
                self._give_up()
                return
            self._note_unheard(ear)
        if ear.unanswered.count == 1:
            self._listener.on_wordless()
        else:
            self._listener.on_cut_off()

    def _note_failed(self, place: int, why: Exception) -> None:
        if place not in self._failed:
            self._failed.add(place)
            self._listener.on_provider_failed(place, why)
        self._judge()

    def _judge(self) -> None:
        """One stream that broke is nothing; recognition that has not worked for a while has failed.

        For everybody: they are told, and in the end there is no call any more. Or for some, whom the others at least
        hear.
        """
        if not self._is_deaf(CUT_OFF_S):
            self._cut_off = False
        elif not self._cut_off:
            self._cut_off = True
            self._telling = asyncio.create_task(self._tell(), name="nobody is heard")
        if self._is_deaf(DEAF_S):
            self._give_up()
            return
        deaf = {ear for ear in self._ears.values() if ear.deaf_s > UNHEARD_S}
        if len(deaf) == len(self._ears):
            return
        for ear in deaf:
            self._note_unheard(ear)

    async def _tell(self) -> None:
        while self._cut_off and self._is_deaf(CUT_OFF_S) and not self._listener.on_cut_off():  # noqa: ASYNC110 - no event
            await asyncio.sleep(LOOK_S)

    def _is_deaf(self, seconds: float) -> bool:
        return bool(self._ears) and all(ear.deaf_s > seconds for ear in self._ears.values())

    def _give_up(self) -> None:
        if not self._deaf:
            self._deaf = True
            self._listener.on_deaf()

    def _note_unheard(self, ear: Ear) -> None:
        if ear not in self._unheard:
            self._unheard.add(ear)
            self._listener.on_unheard(ear.identity)

    def _note_heard(self, ear: Ear) -> None:
        self._cut_off = False
        if ear in self._unheard:
            self._unheard.discard(ear)
            self._listener.on_heard(ear.identity)


def _words(text: str) -> list[str]:
    """What tells one text from another: whether it asks, and what stands beside numbers, but not how it is written."""
    return _TOLD_APART.findall(text.casefold().replace("’", "'"))


def _kinds(error: Exception) -> str:
    errors = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
    return ", ".join(type(one).__name__ for one in errors)

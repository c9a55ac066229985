"""One participant's microphone: its voice activity, and what it says as words."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, assert_never

from livekit import rtc
from livekit.agents import APITimeoutError, LanguageCode, stt

from worker.ranking import Ranking
from worker.room.activity import SAMPLE_RATE, WINDOW_S, Activity
from worker.room.awaited import Awaited, Missing
from worker.room.clock import Clock
from worker.room.kept import FRAME_S, Frame
from worker.room.lateness import Lateness
from worker.room.microphone import Microphone
from worker.room.presence import name_of
from worker.room.recognition import Recognition, has_words
from worker.room.transcript import TranscriptWriter
from worker.room.unanswered import Unanswered
from worker.room.utterance import EARLIER_S, PAUSE_S, Utterance
from worker.room.wordless import Early, Wordless
from worker.turns.end_model import Predict
from worker.turns.intonation import Intonation

STEP_S = 0.1  # of a longer step of time only so much counts: the machine stood still
LOOK_S = 2 * WINDOW_S  # whether time passes without a frame
LINGERS_S = 0.075  # of silence are voice to the voice activity: 0.05 to 0.11 at 9 of 10 ends in recordings
REST_S = 0.5  # words that end so shortly before the voice are all of what it said
GUESS_S = 0.03  # of silence may be an end: one window
SOUND_DB = -66.0  # below full scale: what is softer nobody understands
UNKNOWN_S, LONGEST_S = 1.0, 2.0  # words are due so long after a voice as long as nothing is known, and no longer
QUIET_S = 1.0  # of nobody's words, in which nothing is lost by going to another provider


@dataclass(frozen=True)
class Listener:
    """What the ears need of the call.

    Args:
        on_audio: gets each frame of a participant, by identity.
        on_words: gets what a participant has said for certain, by identity.
        on_ears: told how many ears there are, whenever that changes.
        on_late: told again and again how many seconds later than it should the event loop does something; once for all
            ears, for it is the same one.
        on_cut_off: called when speech recognition has not worked for anybody for some seconds, again and again until
            it gives True: then the people know. Also once for each speech after `on_wordless` that again had no words.
        on_deaf: called once when it has not for so long that there is no call any more.
        on_wordless: called when somebody's speech held no words that could be understood, and the one before did.
        on_unheard: told the identity of one of several for whom alone it has not worked for a while,
        on_heard: and told it again once it does.
        on_provider_failed: told the place of a provider that does not work, once until it does, and why.
        on_failed: called when an ear died again and again.
        predict_end: says how likely a voice has finished.
        holds: asked whether the agent keeps what somebody has said until it has finished what it is saying; it gets
            that, and a way to have it as the model reads it.
    """

    clock: Clock
    transcript: TranscriptWriter | None
    on_audio: Callable[[str, rtc.AudioFrame], None]
    on_words: Callable[[str, str], None]
    on_ears: Callable[[int], None]
    on_late: Callable[[float], None]
    on_cut_off: Callable[[], bool]
    on_deaf: Callable[[], None]
    on_wordless: Callable[[], object]
    on_unheard: Callable[[str], None]
    on_heard: Callable[[str], None]
    on_provider_failed: Callable[[int, Exception], None]
    on_failed: Callable[[], None]
    predict_end: Predict
    holds: Callable[[str, float, Callable[[], str]], bool]


class Ear:
    """Hears one participant.

    Args:
        providers: who turns speech into words.
        words_s: how long after the end of a speech what was said is waited for.
        early: what is known of the providers by all who are heard,
        lateness: and this, too.
        on_said: gets a piece that was said for certain, and its number in the utterance, from 0.
        on_wordless: called when a speech held no words that could be understood.
        on_guess: gets what seems to have been said by who has fallen silent, before that is certain.
        on_understood: called whenever words came.
        on_works: told the place of a provider that begins to understand,
        on_failed: and of one that was of no use, and why; `deaf_s` and `unanswered` say how bad that is.
        on_cut_off: called again and again while no provider can be reached.
        on_beat: called whenever time has passed: with each frame, and where none come all the same.
        on_late: told again and again how many seconds later than it should the event loop does something.
    """

    def __init__(
        self,
        participant: rtc.RemoteParticipant,
        providers: Ranking[stt.STT[Any]],
        words_s: float,
        early: Early,
        lateness: Lateness,
        listener: Listener,
        *,
        on_said: Callable[["Ear", stt.SpeechData, int], None],
        on_wordless: Callable[["Ear"], None],
        on_guess: Callable[["Ear", stt.SpeechData], None],
        on_understood: Callable[["Ear"], None],
        on_works: Callable[[int], None],
        on_failed: Callable[[int, Exception], None],
        on_cut_off: Callable[[], None],
        on_beat: Callable[["Ear"], None],
        on_late: Callable[["Ear", float], None],
    ) -> None:
        self.identity = participant.identity
        self.name = name_of(participant)
        self.activity = Activity()
        self.intonation = Intonation(listener.predict_end)
        self._listener = listener
        self._on_said = on_said
        self._on_wordless = on_wordless
        self._on_guess = on_guess
        self._on_understood = on_understood
        self._on_cut_off = on_cut_off
        self._on_beat = on_beat
        self._on_late = on_late
        self._beat_at = time.monotonic()
        self._intake: asyncio.Task[None] | None = None
        self._gone = False
        self._recognition = Recognition(
            providers,
            words_s,
            on_open=self._begin_anew,
            on_event=self._understand,
            on_works=on_works,
            on_failed=on_failed,
        )
        self._awaited = Awaited(words_s)
        self._utterance = Utterance(self.identity, self.name, listener.clock, listener.transcript, self._say)
        self._result = stt.SpeechData(LanguageCode(""), text="")  # the last one
        self._since_result_s = 0.0
        self._guessed = ""  # what was told as a guess last
        self._wordless = Wordless(early)
        self._early = early
        self._lateness = lateness
        self._none_until = -math.inf  # when the last speech ended in which the recogniser found no words

    @property
    def deaf_s(self) -> float:
        """For how long no provider could be reached for this person; 0 while there is one."""
        return self._recognition.deaf_s

    @property
    def is_cut_off(self) -> bool:
        """Whether no provider can be reached for this person."""
        return self._recognition.is_cut_off

    @property
    def voiced_at(self) -> float:
        """When this person's last sound of voice ended, by `time.monotonic`; not after 0 before the first."""
        activity = self.activity
        ended_at = time.monotonic() - activity.silence_s if activity.speaking else activity.ended_at
        return ended_at - LINGERS_S

    @property
    def unanswered(self) -> Unanswered:
        """The speeches of this person in which nobody found words."""
        return self._awaited.unanswered

    @property
    def words_awaited_since(self) -> float | None:
        """When the speech ended whose words take longer to come than somebody waits for in silence."""
        return self.voice_ended_at if self._awaited.takes_long and not self.is_cut_off else None

    @property
    def voice_ended_at(self) -> float:
        """When the last speech ended, by `time.monotonic`."""
        return self.activity.ended_at

    @property
    def is_in_sentence(self) -> bool:
        """Whether words were heard that are not certain yet."""
        return self._utterance.in_doubt

    @property
    def unconfirmed(self) -> str:
        """The words that were heard and are not certain yet."""
        return self._utterance.unconfirmed

    @property
    def said_since(self) -> float:
        """When the words began that were told last, by `time.monotonic`."""
        return self._utterance.piece_began_at

    @property
    def goes_on(self) -> bool:
        """Whether there is more than the words that are certain: heard as words, or only as a voice as yet."""
        return self._utterance.in_doubt or self._awaited.are_likely

    @property
    def words_take_s(self) -> float:
        """How long this person's words usually take until they are certain; 0 if that is not known."""
        return self._lateness.usual_s(self._recognition.place) or 0.0

    @property
    def writes_late(self) -> bool:
        """Whether its recogniser, as far as is known, writes nothing before this person has fallen silent."""
        place = self._recognition.place
        is_known = not self._recognition.gives_interims or self._lateness.usual_s(place) is not None
        return is_known and self._early.behind_s(place) is None

    @property
    def words_due_s(self) -> float:
        """How long after a voice its words are waited for, where none are written before; else 0."""
        near = self.activity.near
        has_none = not near.speaking and near.ended_at <= self._none_until
        if has_none or self.is_cut_off or not (self.writes_late and self._awaited.are_likely):
            return 0.0
        return min(self._lateness.usual_s(self._recognition.place) or UNKNOWN_S, LONGEST_S)

    async def listen(self, track: rtc.RemoteTrack) -> None:
        """Until the track ends, or `close`; returns once the last words are text. May be called again if it fails."""
        async with asyncio.TaskGroup() as tasks:
            self._intake = tasks.create_task(self._take_in(track), name="microphone")
            watching = tasks.create_task(self._watch(), name="words that are to come")
            recognising = tasks.create_task(self._recognition.run(), name="recognition")
            recognising.add_done_callback(lambda _: watching.cancel())

    def close(self) -> None:
        """Hear nothing more; what was said until now still becomes text."""
        self._end_input()
        if self._intake is not None:
            self._intake.cancel()

    async def fall_silent(self, seconds: float) -> None:
        """Let time pass once nothing is heard any more, until there has been silence for so long."""
        while self.activity.silence_s < seconds:
            before = time.monotonic()
            await asyncio.sleep(LOOK_S)
            self.activity.wait(min(time.monotonic() - before, STEP_S))
            self._on_beat(self)

    def settle(self) -> None:
        """Nothing more will be understood: what was heard and never confirmed is final."""
        self._utterance.close()

    async def _take_in(self, track: rtc.RemoteTrack) -> None:
        if self._gone:
            return
        microphone = Microphone(track, SAMPLE_RATE, int(FRAME_S * 1000), self._hear)
        try:
            await microphone.listen()
        finally:
            await microphone.aclose()
        self._end_input()

    def _end_input(self) -> None:
        self._gone = True
        self._recognition.end()

    def _hear(self, frame: rtc.AudioFrame) -> None:
        at = time.monotonic() - frame.duration
        self._listener.on_audio(self.identity, frame)
        self.activity.hear(frame)
        self.intonation.hear(frame, self.activity)
        self._guess()
        sounds = self.activity.loudness.now_db > SOUND_DB
        self._recognition.hear(Frame(frame, at, self.activity.any.silence_s, sounds))
        self._beat()

    async def _watch(self) -> None:
        while True:
            due = time.monotonic() + LOOK_S
            await asyncio.sleep(LOOK_S)
            self._on_late(self, time.monotonic() - due)
            if time.monotonic() - self._beat_at > WINDOW_S:
                self._beat()

    def _beat(self) -> None:
        before, self._beat_at = self._beat_at, time.monotonic()
        self._wait(min(self._beat_at - before, STEP_S))
        self._on_beat(self)

    def _wait(self, seconds: float) -> None:
        near = self.activity.near
        self.activity.wait(seconds)
        self._recognition.wait(seconds)
        self._since_result_s += seconds
        self._wordless.wait(seconds, speaking=self.activity.speaking, silence_s=near.silence_s)
        listening = self._recognition.is_open and not self.is_cut_off
        if self.activity.speaking and listening and self._says_nothing:
            self.activity.ignore(self._wordless.seconds)
        missing = self._awaited.wait(
            seconds,
            speaking=near.speaking,
            voice=near.voice_s > 0,
            listening=listening,
            in_doubt=self._utterance.in_doubt,
        )
        if missing is not None:
            self._do_without(missing)
        if self._utterance.is_open and not self._utterance.in_doubt and self._since_result_s > PAUSE_S:
            if self._awaited.quiet_s > PAUSE_S or self._says_no_more:
                self._utterance.close(self.activity.near.ended_at)
        elif not self._has_something_to_say:
            if self._gone:
                self._recognition.finish()
            elif self._recognition.may_return and self._awaited.quiet_s > QUIET_S:
                self._recognition.replace(None)
        if self.is_cut_off:
            self._on_cut_off()

    def _do_without(self, missing: Missing) -> None:
        match missing:
            case Missing.SOUND:
                self._recognition.replace(APITimeoutError())
                return
            case Missing.STREAM:
                self._recognition.replace(None)
                return
            case Missing.LITTLE:
                return
            case Missing.CONFIRMATION:
                self._utterance.count_as_said()
                self._utterance.close(self.activity.near.ended_at)
            case Missing.WORDS:
                self._on_wordless(self)
            case Missing.NOTHING:
                pass
            case _:
                assert_never(missing)
        if self._recognition.answers:  # else nobody may have heard it yet
            self._recognition.kept.drop()

    def _begin_anew(self, heard_again_s: float) -> None:
        self._awaited.begin(heard_again_s, interim=self._recognition.gives_interims)

    def _understand(self, event: stt.SpeechEvent) -> None:
        kinds = stt.SpeechEventType
        words = has_words(event)
        self._awaited.hear(words=words)
        if words:
            self._on_understood(self)
        if event.type == kinds.END_OF_SPEECH:
            self._utterance.end()
            if not self._utterance.in_doubt and self._says_no_more:
                self._utterance.close(self.activity.near.ended_at)
        near = self.activity.near
        if event.type == kinds.FINAL_TRANSCRIPT and not words and not near.speaking:
            self._none_until = near.ended_at
        if event.type not in {kinds.INTERIM_TRANSCRIPT, kinds.FINAL_TRANSCRIPT} or not words:
            return
        self._result = result = event.alternatives[0]
        final = event.type == kinds.FINAL_TRANSCRIPT
        if is_timed := _is_timed(result):
            began_at, ended_at = map(self._recognition.moment, (result.start_time, result.end_time))
        else:
            voice_began_at, ended_at = self._said_from_to()
            began_at = self._utterance.begins_at(voice_began_at, final=final)
            ended_at = max(began_at, ended_at)
        if is_timed and self._utterance.knows(result.text, began_at, ended_at, final=final):
            return
        self._note_words(result, began_at, ended_at, final=final)
        if final:
            self._lateness.note(self._recognition.place, time.monotonic() - ended_at)
            self._awaited.understand(earlier=ended_at < near.began_at - EARLIER_S)
            if is_timed or not near.speaking:
                self._recognition.kept.drop(result.end_time if is_timed else math.inf)
        self._since_result_s = 0.0
        self._utterance.hear(result.text, began_at, ended_at, final=final, timed=is_timed)
        self._guess()

    def _said_from_to(self) -> tuple[float, float]:
        """From when to when words were said of which the recogniser does not tell it."""
        activity, now = self.activity, time.monotonic()
        near, voice = activity.near, activity.any
        if self._awaited.any or not (voice.speaking or voice.began_at > near.ended_at):
            return near.began_at, now - near.silence_s if near.speaking else near.ended_at
        return max(voice.began_at, near.ended_at), now if voice.speaking else voice.ended_at

    def _note_words(self, result: stt.SpeechData, began_at: float, ended_at: float, *, final: bool) -> None:
        """They tell how loud this person is, and that the voice says something."""
        near = self.activity.near
        speech_s = near.speech_s if near.speaking else 0.0
        age_s = time.monotonic() - ended_at if _is_timed(result) else None
        place = self._recognition.place
        is_new = self._wordless.understand(result.text, place=place, final=final, speech_s=speech_s, age_s=age_s)
        self.activity.understand(began_at, ended_at, certain=final, new=is_new)

    def _guess(self) -> None:
        if (text := self._utterance.unconfirmed) != self._guessed and self.activity.silence_s >= GUESS_S:
            self._guessed = text
            if text:
                self._on_guess(self, replace(self._result, text=text))

    @property
    def _says_nothing(self) -> bool:
        """Whether the voice has been without words for so long that it is hardly this person's."""
        wordless, recognition = self._wordless, self._recognition
        if not wordless.is_long:  # which is so nearly always, and quickly known
            return False
        is_own = self.activity.loudness.is_own
        return wordless.seconds >= wordless.longest_s(recognition.place, answers=recognition.answers, is_own=is_own)

    @property
    def _has_something_to_say(self) -> bool:
        return self._awaited.any or self._utterance.is_open

    @property
    def _says_no_more(self) -> bool:
        """Whether the words so far are all of what the voice said, or it has begun to say something else."""
        if self._gone:
            return True
        near = self.activity.near
        if near.speaking:
            return near.began_at > self._utterance.ended_at
        return near.ended_at < self._utterance.ended_at + REST_S

    def _say(self, text: str, piece: int) -> None:
        self._listener.on_words(self.identity, text)
        self._on_said(self, replace(self._result, text=text), piece)


def _is_timed(result: stt.SpeechData) -> bool:
    """Whether it tells when its words were said; some plugins give the beginning of the stream for both times then."""
    return result.end_time > result.start_time

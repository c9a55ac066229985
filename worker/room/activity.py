"""One person's voice activity: whether they speak, and for how long they have spoken or been silent."""

import time

import numpy as np
from livekit import rtc
from livekit.local_inference import VAD, VAD_WINDOW_SAMPLES

from worker.room.loudness import Loudness
from worker.room.speech import Speech

SAMPLE_RATE = 16_000
WINDOW_S = VAD_WINDOW_SAMPLES / SAMPLE_RATE
WINDOW_BYTES = VAD_WINDOW_SAMPLES * 2
VOICE = 0.5  # so likely a window is voice when nobody spoke before it,
STILL_VOICE = 0.35  # and so likely within a speech
GAP_S = 0.1  # audio that is so late counts as silence
APART_S = 0.5  # of silence part what was ignored from what is not,
LOUDER_DB = 6.0  # as does so much more than it had: somebody else speaks


class Activity(Speech):
    """Silero's judgement of a mono microphone at 16 kHz, a window of 32 ms at a time.

    It is itself the voice that counts for whose turn it is: `near`, as long as that is not to be ignored.
    """

    def __init__(self) -> None:
        super().__init__()
        self.any = Speech()  # whatever sounds like a voice
        self.near = Speech()  # less what is so soft that it must be behind this person
        self.loudness = Loudness(WINDOW_S)
        self._model = VAD()
        self._pending = bytearray()
        self._unheard_s = 0.0
        self._ignored_db: float | None = None  # how loud what is ignored was

    def hear(self, frame: rtc.AudioFrame) -> None:
        """The next audio of this person."""
        self._unheard_s = 0.0
        self._pending += frame.data
        while len(self._pending) >= WINDOW_BYTES:
            window = np.frombuffer(self._pending[:WINDOW_BYTES], np.int16)
            del self._pending[:WINDOW_BYTES]
            likely = self._model.predict(window)
            voice = likely >= VOICE or (self.any.speaking and likely > STILL_VOICE)
            self.loudness.hear(window, voice=voice)
            self._judge(WINDOW_S, voice=voice)

    def wait(self, seconds: float) -> None:
        """So much time has passed, in steps that are short against a pause: audio that does not come is silence."""
        self._unheard_s += seconds
        if self._unheard_s > GAP_S:
            self._judge(seconds, voice=False)

    def ignore(self, seconds: float) -> None:
        """What sounded like a voice for so long now was none, and does not become one by going on."""
        self._ignored_db = self.loudness.loudest_db
        self.voice_s, self.silence_s = 0.0, seconds
        self.end()

    def understand(self, began_at: float, ended_at: float, *, certain: bool, new: bool) -> None:
        """Words came: however soft they were, it was no silence while they were said.

        Args:
            began_at: when the first of them did, by `time.monotonic`,
            ended_at: and the last one.
            certain: whether they are.
            new: whether they are others than those before; what sounds like a voice then is one after all.
        """
        were_soft = self.loudness.understand(certain=certain, began_at=began_at, ended_at=ended_at)
        if not new:
            return
        self._ignored_db = None
        voice_until = time.monotonic() - self.any.silence_s
        if voice_until < began_at:  # they were too soft to sound like a voice
            said_until = min(ended_at, time.monotonic())
        else:
            said_until = voice_until if were_soft else min(ended_at, voice_until)  # soft ones may be going on
        if (silence_s := time.monotonic() - said_until) < self.silence_s:
            self.silence_s, self.ended_at = silence_s, said_until

    def _judge(self, seconds: float, *, voice: bool) -> None:
        self.any.step(seconds, voice=voice)
        near = voice and not self.loudness.is_soft
        self.near.step(seconds, voice=near)
        if self._ignored_db is not None and (
            self.near.silence_s >= APART_S or (near and self.loudness.now_db > self._ignored_db + LOUDER_DB)
        ):
            self._ignored_db = None
        self.step(seconds, voice=near and self._ignored_db is None)

"""One person's voice activity: whether they speak, and for how long they have spoken or been silent."""

import numpy as np
from livekit import rtc
from livekit.local_inference import VAD, VAD_WINDOW_SAMPLES

SAMPLE_RATE = 16_000
WINDOW_S = VAD_WINDOW_SAMPLES / SAMPLE_RATE
WINDOW_BYTES = VAD_WINDOW_SAMPLES * 2
START_S = 0.05  # of voice make a speech
END_S = 0.25  # of silence end it
VOICE = 0.5  # so likely a window is voice when nobody spoke before it,
STILL_VOICE = 0.35  # and so likely within a speech
GAP_S = 0.1  # audio that is so late counts as silence


class Activity:
    """Silero's judgement of a mono microphone at 16 kHz, a window of 32 ms at a time."""

    def __init__(self) -> None:
        self.speaking = False
        self.speech_s = 0.0  # how long the present or last speech has lasted, its pauses included
        self.voice_s = 0.0  # how long the voice has gone on without a pause until now
        self.silence_s = 0.0  # how long there has been none
        self._model = VAD()
        self._pending = bytearray()
        self._unheard_s = 0.0

    def hear(self, frame: rtc.AudioFrame) -> None:
        """The next audio of this person."""
        self._unheard_s = 0.0
        self._pending += frame.data
        while len(self._pending) >= WINDOW_BYTES:
            window = np.frombuffer(self._pending[:WINDOW_BYTES], np.int16)
            del self._pending[:WINDOW_BYTES]
            likely = self._model.predict(window)
            self._judge(WINDOW_S, voice=likely >= VOICE or (self.speaking and likely > STILL_VOICE))

    def wait(self, seconds: float) -> None:
        """So much time has passed, in steps that are short against a pause: audio that does not come is silence."""
        self._unheard_s += seconds
        if self._unheard_s > GAP_S:
            self._judge(seconds, voice=False)

    def _judge(self, seconds: float, *, voice: bool) -> None:
        if voice:
            self.voice_s += seconds
            self.silence_s = 0.0
        else:
            self.voice_s = 0.0
            self.silence_s += seconds
        if self.speaking:
            self.speech_s += seconds
            self.speaking = self.silence_s < END_S
        elif self.voice_s >= START_S:
            self.speech_s = self.voice_s
            self.speaking = True

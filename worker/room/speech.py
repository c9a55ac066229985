"""For how long a voice has spoken or been silent, as it is told by short steps of time."""

import time

START_S = 0.05  # of voice make a speech
END_S = 0.25  # of silence end it


class Speech:
    """One voice; seconds are those that it is told of, moments are of `time.monotonic`."""

    def __init__(self) -> None:
        self.speaking = False
        self.speech_s = 0.0  # how long the present or last speech has lasted, its pauses included
        self.voice_s = 0.0  # how long the voice has gone on without a pause until now
        self.silence_s = 0.0  # how long there has been none
        self.began_at = 0.0  # the present or last speech
        self.ended_at = 0.0  # the last one

    def step(self, seconds: float, *, voice: bool) -> None:
        """So much time has passed, with or without a voice."""
        if voice:
            self.voice_s += seconds
            self.silence_s = 0.0
        else:
            self.voice_s = 0.0
            self.silence_s += seconds
        if self.speaking:
            self.speech_s += seconds
            if self.silence_s >= END_S:
                self.end()
        elif self.voice_s >= START_S:
            self.speech_s = self.voice_s
            self.speaking = True
            self.began_at = time.monotonic() - self.speech_s

    def end(self) -> None:
        """It is over, since its silence began."""
        self.speaking = False
        self.ended_at = time.monotonic() - self.silence_s

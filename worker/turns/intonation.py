"""How likely a person has finished, by the sound of the last words."""

import asyncio
import logging
from collections import deque
from functools import partial

import numpy as np
from livekit import rtc
from livekit.local_inference import EOT_MAX_SAMPLES

from worker.room.activity import WINDOW_S, Activity
from worker.turns.end_model import Predict

logger = logging.getLogger(__name__)

LISTEN_S = 0.2 - WINDOW_S / 2  # of silence make the model sure; it was made for 0.2 s, and more tells it less


class Intonation:
    """LiveKit's local end-of-turn model on one microphone at 16 kHz: it judges each silence once."""

    def __init__(self, predict: Predict) -> None:
        self.likely_whole: float | None = None  # from 0 to 1; None while somebody speaks, and where it is not known
        self._predict = predict
        self._recent: deque[rtc.AudioFrame] = deque()
        self._samples = 0
        self._silence = 0  # the number of the present one
        self._judged = True
        self._judging = False

    @property
    def is_judging(self) -> bool:
        """Whether it will be known in a moment."""
        return self._judging

    def hear(self, frame: rtc.AudioFrame, activity: Activity) -> None:
        """The next audio of this person, which `activity` has heard already."""
        self._recent.append(frame)
        self._samples += frame.samples_per_channel
        while self._samples - self._recent[0].samples_per_channel >= EOT_MAX_SAMPLES:
            self._samples -= self._recent.popleft().samples_per_channel
        if activity.speaking and activity.silence_s < LISTEN_S:
            if self._judged:
                self._silence += 1
                self._judged = self._judging = False
                self.likely_whole = None
        elif not self._judged and activity.silence_s >= LISTEN_S:
            self._judge()

    def _judge(self) -> None:
        self._judged = self._judging = True
        pcm = np.concatenate([np.frombuffer(frame.data, np.int16) for frame in self._recent])[-EOT_MAX_SAMPLES:]
        predicting = asyncio.ensure_future(self._predict(pcm))
        predicting.add_done_callback(partial(self._learn, self._silence))

    def _learn(self, silence: int, predicted: asyncio.Future[float]) -> None:
        if predicted.cancelled():
            return
        error = predicted.exception()  # nobody else asks for it, not even of a silence that is over
        if silence != self._silence:
            return
        self._judging = False
        if error is not None:  # the words and the silence decide
            logger.warning("a voice could not be judged", extra={"error": type(error).__name__})
            return
        self.likely_whole = predicted.result()

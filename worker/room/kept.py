"""The last audio of a microphone, so that a stream which takes over hears again what was not understood."""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from livekit import rtc

from worker.room.activity import WINDOW_S

FRAME_S = WINDOW_S  # so each frame can be judged as it comes, and is not one that has to wait for its rest
KEPT_S = 35.0  # what is said until a call without speech recognition ends, and a little before
END_S = 1.5  # of silence tell a recogniser that a sentence is over; more of it is not heard again,
LEAD_S = 0.5  # but what comes just before the next voice is


@dataclass
class Frame:
    """A frame of audio: when it began, by `time.monotonic`, and at which second of the present stream.

    The voice has been silent for `silence_s` then; `sounds` says whether anything could be understood in it at all.
    """

    audio: rtc.AudioFrame
    at: float
    silence_s: float
    sounds: bool = True
    second: float = 0.0


class Kept:
    """What the present stream got, as far as it has not been understood."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque(maxlen=int(KEPT_S / FRAME_S))

    def add(self, frame: Frame) -> None:
        """The next one."""
        self._frames.append(frame)

    def drop(self, until: float = math.inf) -> None:
        """What began before that second of the stream is understood, or never will be."""
        while self._frames and self._frames[0].second < until:
            self._frames.popleft()

    def again(self) -> Iterable[Frame]:
        """What another stream is to hear: nothing of long silences, which are dropped."""
        needed: list[Frame] = []
        voice_at = self._frames[-1].at if self._frames else 0.0
        for frame in reversed(self._frames):
            if frame.silence_s == 0:
                voice_at = frame.at
            if frame.silence_s < END_S or voice_at - frame.at < LEAD_S:
                needed.append(frame)
        self._frames.clear()
        self._frames.extend(reversed(needed))
        return self._frames

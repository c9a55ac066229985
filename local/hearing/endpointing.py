"""Where speech starts, pauses and ends in a stream of samples."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import faster_whisper
import numpy as np
import onnxruntime as ort

from local.hearing.audio import RATE, Samples
from local.hearing.recogniser import LONGEST_UTTERANCE_S

_WINDOW = 512  # samples per decision of Silero's model
_CONTEXT = 64  # samples of the window before, which the model wants in front
_WINDOW_S = _WINDOW / RATE
_SPEECH, _SILENCE = 0.5, 0.35
_WINDOWS_TO_START = 3
_PRE_ROLL_WINDOWS = 12  # kept from before the start: the first consonant is quiet
_PAUSE_S = 0.064  # of silence, after which recognition may start on the guess that the speech is over
_LONGEST_WINDOWS = int((LONGEST_UTTERANCE_S - 1) / _WINDOW_S)

SHORTEST_ENDPOINT_S = 0.2


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech with a little silence around it; `start` in seconds from the start of the stream."""

    start: float
    audio: Samples

    @property
    def duration(self) -> float:
        return len(self.audio) / RATE


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    at: float


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    utterance: Utterance


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    pass


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """`finished` is false where somebody speaks on and the utterance was cut for its length."""

    utterance: Utterance
    finished: bool


SpeechEvent = SpeechStarted | SpeechPaused | SpeechResumed | SpeechEnded


def load_vad() -> ort.InferenceSession:
    """Silero's voice activity model, as faster-whisper ships it; may be shared by many endpointers."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = Path(faster_whisper.__file__).parent / "assets" / "silero_vad_v6.onnx"
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


class Endpointer:
    """One per stream. `feed` is about 0.2 ms of work per window of 32 ms."""

    def __init__(self, vad: ort.InferenceSession, endpoint_s: float) -> None:
        self._vad = vad
        self._endpoint_s = max(endpoint_s, SHORTEST_ENDPOINT_S)
        self._h = self._c = np.zeros((1, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)
        self._rest = np.zeros(0, np.float32)
        self._before: deque[Samples] = deque(maxlen=_PRE_ROLL_WINDOWS)
        self._windows: list[Samples] = []
        self._silence_s = 0.0
        self._loud = 0
        self._paused = False
        self._heard_windows = 0

    @property
    def now(self) -> float:
        """Seconds of audio looked at so far."""
        return self._heard_windows * _WINDOW_S

    @property
    def speaking(self) -> Utterance | None:
        """The utterance under way, as far as it has come; none in silence and in a pause."""
        return self._utterance() if self._windows and not self._paused else None

    def feed(self, samples: Samples) -> list[SpeechEvent]:
        data = np.concatenate([self._rest, samples])
        whole = len(data) // _WINDOW * _WINDOW
        self._rest = data[whole:]
        events: list[SpeechEvent] = []
        for window in data[:whole].reshape(-1, _WINDOW):
            self._heard_windows += 1
            probability = self._probability(window)
            events += self._in_speech(window, probability) if self._windows else self._in_silence(window, probability)
        return events

    def finish(self) -> list[SpeechEnded]:
        """Ends the utterance under way, if any, without waiting for silence."""
        return [self._end(finished=True)] if self._windows else []

    def _probability(self, window: Samples) -> float:
        inputs = {"input": np.concatenate([self._context, window])[None], "h": self._h, "c": self._c}
        probability, self._h, self._c = self._vad.run(None, inputs)
        self._context = window[-_CONTEXT:]
        return float(probability.ravel()[0])

    def _in_silence(self, window: Samples, probability: float) -> list[SpeechEvent]:
        self._before.append(window)
        self._loud = self._loud + 1 if probability > _SPEECH else 0
        if self._loud < _WINDOWS_TO_START:
            return []
        self._windows = list(self._before)
        self._before.clear()
        self._silence_s, self._paused, self._loud = 0.0, False, 0
        return [SpeechStarted(max(0.0, self.now - _WINDOWS_TO_START * _WINDOW_S))]

    def _in_speech(self, window: Samples, probability: float) -> list[SpeechEvent]:
        self._windows.append(window)
        self._silence_s = self._silence_s + _WINDOW_S if probability < _SILENCE else 0.0
        if self._silence_s >= self._endpoint_s:
            return [self._end(finished=True)]
        if len(self._windows) >= _LONGEST_WINDOWS:
            return [self._end(finished=False)]
        if self._paused and self._silence_s == 0.0:
            self._paused = False
            return [SpeechResumed()]
        if not self._paused and self._silence_s >= _PAUSE_S:
            self._paused = True
            return [SpeechPaused(self._utterance())]
        return []

    def _utterance(self) -> Utterance:
        audio = np.concatenate(self._windows)
        return Utterance(self.now - len(audio) / RATE, audio)

    def _end(self, *, finished: bool) -> SpeechEnded:
        ended = SpeechEnded(self._utterance(), finished)
        self._windows = []
        return ended

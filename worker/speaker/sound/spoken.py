"""What the agent says, as text that follows its voice word by word: an interrupted sentence ends where it was cut."""

from livekit.agents.voice import io
from typing_extensions import override

from calls.transcript import AGENT
from worker.room.clock import Clock
from worker.room.transcript import TranscriptWriter
from worker.speaker.sound.voice import Voice


class Spoken(io.TextOutput):
    """The end of a `Paced`: each word comes when it is heard, `flush` after the last."""

    def __init__(self, voice: Voice, clock: Clock, transcript: TranscriptWriter) -> None:
        super().__init__(label="Spoken", next_in_chain=None)
        self._voice = voice
        self._clock = clock
        self._transcript = transcript
        self._segment: int | None = None
        self._text = ""
        self._all_words = False
        self._cut = False
        voice.on("playback_finished", self._voice_stopped)

    @override
    async def capture_text(self, text: str) -> None:
        self._text += text
        if not self._text.strip():
            return
        if self._segment is None:
            self._segment = self._transcript.begin(AGENT, None)
        self._write(self._clock.now(), final=False)

    @override
    def flush(self) -> None:
        if self._voice.ended_at < self._voice.started_at:
            self._all_words = True  # its last word is still being heard
        else:
            self._finish()

    def _voice_stopped(self, event: io.PlaybackFinishedEvent) -> None:
        self._cut = event.interrupted
        if self._all_words:
            self._finish()

    def _finish(self) -> None:
        if self._segment is not None:
            if self._cut:
                self._transcript.cut(self._segment)
            self._write(self._clock.at(self._voice.ended_at), final=True)
        self._segment, self._text, self._all_words = None, "", False

    def _write(self, ended_at: float, *, final: bool) -> None:
        assert self._segment is not None
        started_at = self._clock.at(self._voice.started_at)
        self._transcript.update(self._segment, self._text.strip(), started_at, max(ended_at, started_at), final=final)

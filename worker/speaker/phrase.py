"""What an agent says of itself, heard in any language: where there are no words yet, as two soft tones."""

from collections.abc import AsyncIterator

from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.voice import SpeechHandle

from worker.speaker.sound.files import tone
from worker.speaker.sound.voice import SAMPLE_RATE
from worker.speaker.words.language import Language


def say_phrase(
    session: AgentSession[None], language: Language, key: str, *, allow_interruptions: bool = True
) -> SpeechHandle | None:
    """Say the phrase of that name in `Phrases`; None if the agent is to be silent.

    Raises RuntimeError if the session has ended.
    """
    if text := language.phrase(key):
        return session.say(text, allow_interruptions=allow_interruptions)
    if language.wants_silence(key):
        return None
    return session.say("", audio=_tones(), allow_interruptions=allow_interruptions, add_to_chat_ctx=False)


async def _tones() -> AsyncIterator[rtc.AudioFrame]:
    pcm = tone()
    yield rtc.AudioFrame(pcm, SAMPLE_RATE, 1, len(pcm) // 2)

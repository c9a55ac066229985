"""In the quiet moments of a call the agent's voice says the phrases of its own that are not kept yet, for nobody."""

import asyncio
import logging

from livekit.agents import AgentSession

from worker.speaker.sound.onset import Onset
from worker.speaker.sound.resampled import Resampled
from worker.speaker.sound.voices import ONCE, Voices
from worker.speaker.words.language import Language

logger = logging.getLogger(__name__)

QUIET_S = 3.0  # of an agent that neither speaks nor owes an answer: who speaks to it has just begun, or nobody does
LONGEST_S = 15.0  # for one phrase
LOOK_S = 0.25


class Rehearsal:
    """One phrase at a time, and none after the first that fails: whether the voice works is for others to judge."""

    def __init__(self, session: AgentSession[None], voices: Voices, language: Language) -> None:
        self._session = session
        self._voices = voices
        self._language = language

    async def run(self) -> None:
        """Return when all are kept, or one cannot be had or kept: it would be paid for again and again."""
        loop = asyncio.get_running_loop()
        quiet_since = loop.time()
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                if self._is_busy():
                    quiet_since = loop.time()
                elif loop.time() - quiet_since >= QUIET_S and not await self._goes_on():
                    return
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises, a call goes on without
            logger.info("a phrase could not be prepared", extra={"error": type(error).__name__})

    def _is_busy(self) -> bool:
        """Whether the voice is needed, or does not work just now."""
        speaks = self._session.agent_state != "listening" or self._session.current_speech is not None
        return speaks or self._voices.ranking.is_down(0)

    async def _goes_on(self) -> bool:
        """Prepare one phrase, if one is missing; whether there may be another."""
        prepared = self._voices.prepared
        missing = await prepared.missing()
        if not missing:
            return not self._language.is_known
        return await prepared.keep(missing[0], await self._said(missing[0]))

    async def _said(self, text: str) -> bytes:
        pcm, resampled, onset = bytearray(), Resampled(), Onset()
        async with (
            asyncio.timeout(LONGEST_S),
            self._voices.ranking[0].synthesize(text, conn_options=ONCE) as stream,
        ):
            async for event in stream:
                for frame in resampled.push(event.frame):
                    pcm += b"".join(heard.data for heard in onset.push(frame))
        for frame in resampled.flush():
            pcm += b"".join(heard.data for heard in onset.push(frame))
        return bytes(pcm)

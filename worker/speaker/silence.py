"""When nobody speaks: ask once, and later end the call politely."""

import asyncio
from collections.abc import Callable

from livekit.agents import AgentSession
from livekit.agents.voice import SpeechHandle

from worker.speaker.words.language import Language

LOOK_EVERY_S = 0.1


class Silence:
    """Watches a session for quiet.

    Args:
        session: the running session.
        language: in which the agent asks.
        reminder_s: seconds of quiet until it asks.
        timeout_s: seconds of quiet, the question not counted, until it says goodbye.
        is_expected: whether the people are quiet because they wait for the agent, or are yet to come.
    """

    def __init__(
        self,
        session: AgentSession[None],
        language: Language,
        reminder_s: float,
        timeout_s: float,
        is_expected: Callable[[], bool],
    ) -> None:
        self._session = session
        self._language = language
        self._reminder_s = reminder_s
        self._timeout_s = timeout_s
        self._is_expected = is_expected
        self._reminded = False
        self._reminder: SpeechHandle | None = None
        self._quiet_since = 0.0

    def begin_anew(self) -> None:
        """Something came from the people."""
        self._quiet_since = asyncio.get_running_loop().time()
        self._reminded, self._reminder = False, None

    async def wait(self) -> None:
        """Return once the agent has said goodbye to a caller who says nothing."""
        loop = asyncio.get_running_loop()
        self.begin_anew()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._session.user_state == "speaking" or self._is_expected():
                self.begin_anew()
            elif self._reminder is not None and not self._reminder.done():
                continue
            elif self._session.agent_state in {"speaking", "thinking"} or self._session.current_speech is not None:
                self._quiet_since = loop.time()
            elif loop.time() - self._quiet_since >= self._timeout_s:
                goodbye = self._say("silence")
                if goodbye is None:
                    return
                await goodbye.wait_for_playout()
                if not goodbye.interrupted:
                    return
                self.begin_anew()
            elif not self._reminded and loop.time() - self._quiet_since >= self._reminder_s:
                self._reminded, self._reminder = True, self._say("reminder")

    def _say(self, key: str) -> SpeechHandle | None:
        text = self._language.phrase(key)
        return self._session.say(text) if text else None

"""What is said while the agent speaks and does not stop it: it is not lost, and is answered when its time has come."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from livekit.agents import AgentSession, SpeechCreatedEvent, UserStateChangedEvent
from livekit.agents.voice import SpeechHandle

from worker.words import last_question

UNDERSTOOD_S = 1.0  # of a question, and a word is said to it, not to the sentence before
LISTENING_S = 1.0  # of quiet after a question, and a sign of listening to it was the answer
WORDS_S = 2.5  # from the end of what somebody says until it is a turn, which takes with it what was said before
LOOK_S = 0.05


@dataclass(frozen=True)
class _Said:
    line: Callable[[], str]
    began_at: float
    only_listens: bool
    is_hum: bool


class Held:
    """Keeps lines until the agent has finished what it is saying.

    Words are answered then. A sign of listening ("mm-hm", "sure") is an answer only if it began when half of what the
    agent asks last had been heard, or a word ("sure") when a second of it had, and nothing else comes; else it was what
    it seemed, and is forgotten.

    Args:
        heard_at: when so much of what the agent said last had been heard, from 0 to 1, by `time.monotonic`.
        answer: has the agent answer a line.
    """

    def __init__(
        self,
        session: AgentSession[None],
        heard_at: Callable[[float], float],
        answer: Callable[[str], None],
    ) -> None:
        self._session = session
        self._heard_at = heard_at
        self._answer = answer
        self._said: list[_Said] = []
        self._waiting: asyncio.Task[None] | None = None
        self._stirs = 0
        self.turns = 0  # that have taken what was kept
        session.on("user_state_changed", self._person_stirs)
        session.on("speech_created", self._agent_stirs)

    @property
    def has_words(self) -> bool:
        """Whether there is more than signs of listening."""
        return any(not one.only_listens for one in self._said)

    def keep(
        self,
        speech: SpeechHandle | None,
        line: Callable[[], str],
        began_at: float,
        *,
        only_listens: bool,
        is_hum: bool = False,
    ) -> None:
        """Keep what was said while the agent says this, or nothing.

        `line` gives it as the model reads it; it was begun at `began_at`, by `time.monotonic`.
        """
        self._said.append(_Said(line, began_at, only_listens, is_hum))
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = asyncio.create_task(self._hand_over(speech), name="held words")

    def take(self) -> list[str]:
        """The words that were kept, for a turn that comes after them; nothing is kept any longer."""
        self.turns += 1
        said, self._said = self._said, []
        return [one.line() for one in said if not one.only_listens]

    async def wait_for_turn(self, turns: int, heard_until: float = -math.inf) -> bool:
        """Give way to whoever is speaking or spoken to just now, who may go on with what is still to be answered.

        Args:
            turns: how many there were when that was so.
            heard_until: when somebody was last heard whose words may still be to come, by `time.monotonic`.

        Returns:
            Whether there was another turn, which has taken it.
        """
        until = heard_until + WORDS_S
        while self.turns == turns:
            now = time.monotonic()
            if self._session.user_state == "speaking":
                until = now + WORDS_S
            elif now >= until and self._session.current_speech is None:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    def close(self) -> None:
        """Answer nothing more."""
        if self._waiting is not None:
            self._waiting.cancel()

    async def _hand_over(self, speech: SpeechHandle | None) -> None:
        if speech is not None:
            await speech.wait_for_playout()
            if speech.interrupted:  # by a turn, which takes the words
                self._said = [one for one in self._said if not one.only_listens]
                return
        if self.has_words:
            await self.wait_for_turn(self.turns)
        else:
            asked_at, hum_at = self._asked_at(speech)
            self._said = [one for one in self._said if one.began_at >= (hum_at if one.is_hum else asked_at)]
            if not (self._said and await self._is_quiet(LISTENING_S)):
                self._said.clear()
        said, self._said = self._said, []
        if said:
            self._answer(" ".join(one.line() for one in said).strip())

    def _asked_at(self, speech: SpeechHandle | None) -> tuple[float, float]:
        """From when on a word, and a hum, answer the last question of what was said; never if there is none."""
        messages = [item for item in (speech.chat_items if speech else ()) if item.type == "message"]
        said = (messages[-1].text_content or "") if messages else ""
        question = last_question(said)
        if question is None:
            return math.inf, math.inf
        half_at = self._heard_at((question.start + question.stop) / 2 / len(said))
        return min(self._heard_at(question.start / len(said)) + UNDERSTOOD_S, half_at), half_at

    async def _is_quiet(self, seconds: float) -> bool:
        """Whether nobody begins to speak for so long."""
        loop = asyncio.get_running_loop()
        stirs, until = self._stirs, loop.time() + seconds
        while loop.time() < until:
            if self._stirs != stirs or self._session.user_state == "speaking":
                return False
            await asyncio.sleep(LOOK_S)
        return True

    def _person_stirs(self, event: UserStateChangedEvent) -> None:
        self._stirs += event.new_state == "speaking"

    def _agent_stirs(self, _event: SpeechCreatedEvent) -> None:
        self._stirs += 1

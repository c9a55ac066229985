"""When an AgentSession takes its turn: after a silence that is the longer the likelier somebody goes on."""

import asyncio
import math
import time
from collections.abc import Collection
from contextlib import suppress

from livekit.agents import LanguageCode, inference, llm

from worker.room.activity import WINDOW_S
from worker.room.ear import GUESS_S, Ear
from worker.turns.curve import MOST_S, asked_after_s, needed_s
from worker.turns.marks import Marks
from worker.turns.words import likely_whole

UNDERSTOOD_S = 1.0  # so long words are waited for that are not certain yet, or not even written,
LATE_S = 3.0  # and so long at the most of a recogniser that usually takes longer for them;
JUDGED_S = 0.7  # and so long what the voice says
AGAIN_S = 0.2  # of silence, before the model is asked again in a turn in which somebody has gone on after it was
HELD_S = 10.0  # whatever is heard, the model is asked after so long, unless it may not be in vain


class TurnEnd:
    """LiveKit's turn detector, which answers when the turn is over: while it waits, more is known.

    A sound that is too short to be speech does not make the silence begin anew.

    Args:
        ears: a view of those that are in the room, or were a moment ago.
        marks: what is known of the recogniser's.
        eager: how likely an early request to the language model may be in vain, from 0 to 1; with 0, none is early.
    """

    model = "words and voice"
    provider = "callroom"

    def __init__(self, ears: Collection[Ear], marks: Marks, eager: float) -> None:
        self._ears = ears
        self._marks = marks
        self._eager = eager
        self._voices = inference.TurnDetector(version="v1-mini")  # for what its model means in each language
        self._language: LanguageCode | None = None
        self._open = False  # there are words that were not answered yet
        self._told = ""  # the last words of the present turn that are certain
        self._asked_at = math.inf  # when the model was first asked in it, by `time.monotonic`

    def hear_words(self, text: str) -> None:
        """The session gets words of the people now, which were written so."""
        self._open = True
        self._marks.see(text)

    def hear_certain(self, told: str) -> None:
        """The session gets words that are certain; a moment later they are the end of its chat."""
        self._told = told.strip()

    @property
    def has_words(self) -> bool:
        """Whether the session has words that are certain and not a turn yet."""
        return bool(self._told)

    def may_be_asked(self, guess: str) -> bool:
        """Whether the answer to words that are not certain yet may be asked for, should they be all."""
        return 1 - likely_whole(guess, self._language, marks=self._marks.are_expected) <= self._eager

    async def supports_language(self, language: LanguageCode | None) -> bool:
        """Whether the words of a language can be judged; it is told here which one the next ones are of."""
        self._language = language
        return True

    async def unlikely_threshold(self, language: LanguageCode | None) -> float | None:  # noqa: ARG002 - LiveKit's
        """What `predict_end_of_turn` returns is enough."""
        return 1.0

    async def predict_end_of_turn(
        self,
        chat_ctx: llm.ChatContext,
        *,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - LiveKit gives none
    ) -> float:
        """Return 1 when the turn is over whose words are the last of the chat; cancelled if somebody speaks."""
        await self._wait(_last_words(chat_ctx) or "", to_ask=False)
        if self._open:
            self._marks.end_turn()
        self._open, self._told, self._asked_at = False, "", math.inf
        return 1.0

    async def draws_near(self, chat_ctx: llm.ChatContext) -> None:
        """Return when it is time to ask the model for the answer to the last of the chat.

        If somebody goes on, that answer is of no use; LiveKit asks for it whenever it gets words.
        """
        said = _last_words(chat_ctx)
        if said is None or not self._open:
            return
        if self._eager == 0:
            await self._wait(said, to_ask=False)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(HELD_S):
                await self._wait(said, to_ask=True)
        if self._open:  # else the turn has just ended
            self._asked_at = min(self._asked_at, time.monotonic())

    async def _wait(self, said: str, *, to_ask: bool) -> None:
        """Return at the end of the turn, to which words may belong that are not certain; or when it is time to ask."""
        threshold = await self._voices.unlikely_threshold(self._language) or 0.5
        words, name = self._least_whole(said)
        quiet_s = at_s = 0.0
        while True:
            before, at_s = at_s, self._quiet_s
            goes_on = any(ear.activity.speaking for ear in self._ears)
            quiet_s = at_s if goes_on else quiet_s + (at_s - before if at_s >= before else at_s)
            needed = self._needed_s(words, name, threshold, quiet_s, to_ask=to_ask)
            more = not said.rstrip().endswith(self._told) or any(ear.goes_on for ear in self._ears)
            if not to_ask and more:
                needed = max(needed, self._understood_s)
            left_s = max(needed, self._asks_after_s if to_ask else GUESS_S) - quiet_s
            if left_s < WINDOW_S / 2:  # the silence is known by the window
                return
            await asyncio.sleep(min(left_s, WINDOW_S))

    @property
    def _understood_s(self) -> float:
        """How long words are waited for that are still to come."""
        usual_s = max((ear.words_take_s for ear in self._ears if ear.goes_on), default=0.0)
        return max(UNDERSTOOD_S, min(usual_s, LATE_S))

    @property
    def _asks_after_s(self) -> float:
        """The silence that there must be to ask: longer for who has gone on after it, as between two sentences."""
        return AGAIN_S if any(ear.voiced_at > self._asked_at for ear in self._ears) else GUESS_S

    def _least_whole(self, said: str) -> tuple[float, str]:
        """How likely everybody has finished: as likely as who has the most to say still, and the name of that one.

        What another says into somebody's pause ends nobody's sentence.
        """
        lines = last_lines(said, [ear.name for ear in self._ears])
        marks = self._marks.are_expected
        return min((likely_whole(line, self._language, marks=marks), name) for name, line in lines.items())

    @property
    def _quiet_s(self) -> float:
        return min((ear.activity.silence_s for ear in self._ears), default=MOST_S)

    def _needed_s(self, words: float, name: str, threshold: float, quiet_s: float, *, to_ask: bool) -> float:
        """How long the silence must be, as far as is known by now: after that one, or else whoever spoke last."""
        named = [ear for ear in self._ears if ear.name == name]
        whose = max(named or self._ears, key=lambda ear: ear.voice_ended_at, default=None)
        if whose is None:
            return 0.0
        is_judging = whose.intonation.is_judging and quiet_s < JUDGED_S
        voice = None if is_judging else whose.intonation.likely_whole
        end_s = needed_s(words, voice, threshold)
        if is_judging:
            end_s = max(end_s, JUDGED_S)
        return asked_after_s(end_s, self._eager, words, voice, threshold) if to_ask else end_s


def last_lines(said: str, names: Collection[str]) -> dict[str, str]:
    """What each of these has said last, by the names, which stand before it where there are several; else by ""."""
    lines: dict[str, str] = {}
    for line in said.split("\n"):
        name = max((name for name in names if line.startswith(f"{name}: ")), key=len, default="")
        lines[name] = line.removeprefix(f"{name}: ")
    return lines


def _last_words(chat_ctx: llm.ChatContext) -> str | None:
    last = chat_ctx.items[-1] if chat_ctx.items else None
    return last.text_content if isinstance(last, llm.ChatMessage) and last.role == "user" else None

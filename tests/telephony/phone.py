"""What a phone is to a test, whichever network it hangs on."""

import asyncio
from abc import ABC, abstractmethod
from enum import StrEnum

from tests.telephony.sound import Pcm


class State(StrEnum):
    IDLE = "idle"
    RINGING = "ringing"  # it rings here, or the one that it has called does
    ANSWERED = "answered"
    REJECTED = "rejected"  # it called, and was refused; `code` says how
    ENDED = "ended"


class Phone(ABC):
    """A phone with one line: while it is in a call, whoever calls it finds it busy.

    How it behaves when it is called are attributes that may be changed at any time before: `answers_after_s` (None:
    never), `declines_with` (a SIP code from 400 to 699, after the same time), `says` (once answered) and
    `transfers_with`: the SIP code that it answers a REFER with, 202 if it does as asked; None: 202, and then nothing.
    """

    def __init__(
        self,
        number: str,
        *,
        answers_after_s: float | None = 0,
        declines_with: int | None = None,
        transfers_with: int | None = 202,
        says: Pcm | None = None,
    ) -> None:
        self.number = number
        self.answers_after_s = answers_after_s
        self.declines_with = declines_with
        self.transfers_with = transfers_with
        self.says = says
        self.state = State.IDLE
        self.code: int | None = None
        self.rings: list[str] = []  # the number that each call to it came from
        self._reaction: asyncio.Task[None] | None = None

    @property
    @abstractmethod
    def heard(self) -> Pcm:
        """All that came out of it since the present call was answered, or in the last one."""

    @property
    @abstractmethod
    def digits(self) -> str:
        """The keys that the other end has pressed in the present call, or in the last one."""

    @abstractmethod
    async def answer(self) -> None:
        """Pick up; nothing if it does not ring any more."""

    @abstractmethod
    async def decline(self, code: int) -> None:
        """Refuse the call that rings."""

    @abstractmethod
    async def hang_up(self) -> None:
        """End the call, or stop calling."""

    @abstractmethod
    async def press(self, digits: str) -> None:
        """Press these keys, one after the other."""

    @abstractmethod
    async def say(self, pcm: Pcm) -> None:
        """Speak into it, and return when that is said."""

    def _rung(self, caller: str) -> None:
        self.rings.append(caller)
        self.state = State.RINGING
        self._reaction = asyncio.create_task(self._react())

    async def _react(self) -> None:
        if self.answers_after_s is None:
            return
        await asyncio.sleep(self.answers_after_s)
        if self.declines_with is not None:
            await self.decline(self.declines_with)
        else:
            await self.answer()

    def _over(self, code: int | None = None) -> None:
        """The call has ended, or was refused with this code before it began."""
        if self._reaction is not None and self._reaction is not asyncio.current_task():
            self._reaction.cancel()
        self._reaction = None
        self.state, self.code = (State.ENDED, None) if code is None else (State.REJECTED, code)

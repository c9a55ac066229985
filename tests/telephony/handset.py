"""A phone of the stand-in: its behaviour, and the call that it is in."""

import asyncio
from typing import Any

import numpy as np
from typing_extensions import override

from tests.telephony.leg import Leg
from tests.telephony.phone import Phone, State
from tests.telephony.sip import BUSY, OK
from tests.telephony.sound import Pcm

KEY_S = 0.2  # while it is held down


class Handset(Phone):
    """A phone whose ear and mouth are the leg of its present call."""

    def __init__(self, number: str, **manners: Any) -> None:
        super().__init__(number, **manners)
        self.hung_up = asyncio.Event()
        self._leg: Leg | None = None
        self._partner: Handset | None = None  # after a transfer
        self._verdict: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def dials(self) -> None:
        self.state = State.RINGING

    def is_called(self, caller: str) -> asyncio.Future[int]:
        """It rings; the SIP code with which it will answer."""
        self._leg, self._verdict = None, asyncio.get_running_loop().create_future()
        self.hung_up.clear()
        self._rung(caller)
        return self._verdict

    async def is_connected(self, leg: Leg) -> None:
        self._leg, self.state = leg, State.ANSWERED
        await leg.open()
        if self.says is not None:
            self._speech = asyncio.create_task(self.say(self.says))

    def is_given(self, partner: "Handset") -> None:
        """The call goes on, with this phone at the other end."""
        self._partner, self.state = partner, State.ANSWERED

    def is_over(self, code: int | None = None) -> None:
        """The other end has ended the call, or refused it with this code."""
        if self.state in {State.RINGING, State.ANSWERED}:
            self._partner = None
            self._over(code)

    def is_left(self, leg: Leg) -> None:
        """That call has ended; after a transfer it is in another."""
        if self._leg is leg and self._partner is None:
            self.is_over()

    @property
    def has_a_call(self) -> bool:
        return self.state in {State.RINGING, State.ANSWERED}

    @property
    @override
    def heard(self) -> Pcm:
        return self._leg.heard if self._leg else np.zeros(0, np.int16)

    @property
    @override
    def digits(self) -> str:
        return self._leg.digits if self._leg else ""

    @override
    async def answer(self) -> None:
        if not self._verdict.done():
            self._verdict.set_result(OK)

    @override
    async def decline(self, code: int) -> None:
        if not self._verdict.done():
            self._verdict.set_result(code)
        self._over()

    @override
    async def hang_up(self) -> None:
        self.hung_up.set()
        if self.state is State.RINGING and not self._verdict.done():
            self._verdict.set_result(BUSY)
        partner, self._partner = self._partner, None
        if partner is not None:
            partner.is_over()
        self._over()

    @override
    async def press(self, digits: str) -> None:
        for digit in digits:
            if self._leg is not None:
                await self._leg.press(digit)
            await asyncio.sleep(KEY_S)

    @override
    async def say(self, pcm: Pcm) -> None:
        assert self._leg is not None, "not in a call"
        await self._leg.say(pcm)

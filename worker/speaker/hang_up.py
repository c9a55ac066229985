"""How an agent hangs up: it says goodbye, and whoever has something to say to that takes the hang-up back."""

import asyncio
from collections.abc import Awaitable, Callable

from livekit.agents import AgentSession

from worker.call_events import CallEvents
from worker.room.clock import Clock

LAST_CHANCE_S = 0.7  # of quiet after the goodbye
WORDS_S = 3.0  # from the end of what a caller says until its words are known
LONGEST_S = 15.0  # of voices without words
TIMES = 3  # so often a hang-up may be taken back: a machine, or a television, talks into every goodbye
LOOK_S = 0.05


class Farewell:
    """That the call's agent is about to hang up: it stands in the call's events, for whoever goes on where it was lost.

    Args:
        since: when an earlier agent began, in seconds of the call, unless that was taken back.
    """

    def __init__(self, events: CallEvents, clock: Clock, since: float | None) -> None:
        self._events = events
        self._clock = clock
        self.since = since

    def begin(self) -> None:
        """An agent says goodbye, or goes on with another's."""
        if self.since is None:
            self.since = self._clock.now()
            self._events.hang_up_begun()

    def take_back(self) -> None:
        """Somebody has something to say to that."""
        self.since = None
        self._events.hang_up_taken_back()


class HangUp:
    """The hang-ups of one agent, of which each but the last may be taken back.

    Args:
        farewell: of the call.
        on_done: called when the goodbye was heard and nobody objects.
    """

    def __init__(self, farewell: Farewell, on_done: Callable[[], None]) -> None:
        self._farewell = farewell
        self._on_done = on_done
        self._going: asyncio.Task[None] | None = None
        self._quiet_s = LAST_CHANCE_S
        self._times = TIMES

    @property
    def is_going_on(self) -> bool:
        """Whether the agent is about to hang up."""
        return self._going is not None

    @property
    def is_final(self) -> bool:
        """Whether it cannot be taken back any more."""
        return self._times == 0

    def begin(self, session: AgentSession[None], goodbye: Callable[[], Awaitable[bool]]) -> None:
        """Hang up once the goodbye is said, unless that is under way; it tells whether nobody has spoken into it."""
        if self._going is None:
            self._farewell.begin()
            self._going = asyncio.create_task(self._hang_up(session, goodbye))

    def hear(self, *, parting: bool) -> bool:
        """Somebody has said something, a mere goodbye or more; whether that has taken the hang-up back."""
        if self._going is None or parting or self.is_final:
            self._quiet_s = LAST_CHANCE_S
            return False
        self._times -= 1
        self._going.cancel()
        self._going = None
        self._farewell.take_back()
        return True

    async def _hang_up(self, session: AgentSession[None], goodbye: Callable[[], Awaitable[bool]]) -> None:
        self._quiet_s = LAST_CHANCE_S
        if not await goodbye():
            self._quiet_s = WORDS_S
        if not self.is_final:
            await self._wait_for_quiet(session)
        self._on_done()

    async def _wait_for_quiet(self, session: AgentSession[None]) -> None:
        loop = asyncio.get_running_loop()
        began_at = quiet_since = loop.time()
        while loop.time() - quiet_since < self._quiet_s and loop.time() - began_at < LONGEST_S:
            if session.user_state == "speaking":
                quiet_since, self._quiet_s = loop.time(), WORDS_S
            await asyncio.sleep(LOOK_S)

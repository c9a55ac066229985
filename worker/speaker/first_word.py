"""Who has picked up a phone speaks first, most of the time: until when the one who called waits for that."""

import asyncio

from livekit.agents import AgentSession

LOOK_EVERY_S = 0.05
NOBODY_SPEAKS_S = 1.5
ENOUGH_S = 8.0  # an answering machine may talk for long


async def wait_for_a_word(session: AgentSession[None], spoken_to: asyncio.Event) -> None:
    """Return when whoever picked up has said something and is done, which sets `spoken_to`, or says nothing."""
    loop = asyncio.get_running_loop()
    picked_up_at = loop.time()
    spoke = False
    while not spoken_to.is_set() and loop.time() - picked_up_at < (ENOUGH_S if spoke else NOBODY_SPEAKS_S):
        spoke = spoke or session.user_state == "speaking"
        await asyncio.sleep(LOOK_EVERY_S)

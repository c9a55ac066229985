"""Whose turn it is to speak, for what cannot be taken back: a tool is called only when nobody has more to say."""

import asyncio

from worker.room.activity import WINDOW_S
from worker.room.hearing import Attachment

LONGEST_S = 10.0  # of a voice without words, as of somebody who hums; who says something is listened to


class Floor:
    """Holds calls of tools while somebody speaks: the model was asked before that, and may have been told otherwise.

    Words that interrupt end the reply, and with it the calls that wait here; the model is then asked anew. A cough, or
    a sign of listening, only delays them. Where nobody speaks, nothing waits.

    Args:
        heard: who speaks, and what was said.
    """

    def __init__(self, heard: Attachment) -> None:
        self._heard = heard
        self.is_awaited = False

    async def wait(self) -> None:
        """Return when nobody speaks, and what was said has been understood."""
        loop = asyncio.get_running_loop()
        until, told = loop.time() + LONGEST_S, self._heard.told
        self.is_awaited = True
        try:
            # What the session was told ends this reply in a moment, though it may be a turn of its own already.
            while self._heard.may_say_more or self._heard.told != told:
                if self._heard.has_something_to_say:
                    until = loop.time() + LONGEST_S
                elif loop.time() >= until:
                    return
                await asyncio.sleep(WINDOW_S)
        finally:
            self.is_awaited = False

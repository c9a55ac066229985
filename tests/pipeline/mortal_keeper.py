"""A keeper of trunks: a life is one look at LiveKit's trunks. Each of LiveKit's answers to a change is a step too."""

import asyncio

from typing_extensions import override

from calls.database.encryption import Keyring
from calls.settings import Settings
from pipeline.sip import Part, Sip
from pipeline.telephony import TrunkKeeper
from tests.pipeline.mortal import MortalDatabase, Steps, serve


class MortalSip(Sip):
    steps: Steps

    @override
    async def save(self, part: Part) -> str:
        made = await super().save(part)
        self.steps.take()
        return made

    @override
    async def remove(self, part: Part) -> None:
        await super().remove(part)
        self.steps.take()

    @override
    async def find_bridge(self) -> None:
        """There is none here, and to find that out each time takes a second."""


async def live(steps: Steps) -> None:
    settings = Settings()
    db = MortalDatabase(settings.database, steps)
    async with MortalSip.connect(settings) as sip:
        assert isinstance(sip, MortalSip)
        sip.steps = steps
        keeper = TrunkKeeper(db, Keyring.of(settings), sip, settings, every_s=0)
        while not await keeper.look():  # noqa: ASYNC110 - nobody tells of a killed one's lease that ran out
            await asyncio.sleep(0.05)
    await db.close()


if __name__ == "__main__":
    serve(live)

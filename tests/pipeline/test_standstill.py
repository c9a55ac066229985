"""What the pipeline asks LiveKit for, where that stands still: it takes connections and never answers."""

import asyncio
import signal
from pathlib import Path

from calls.errors import Unavailable
from calls.rooms import Rooms
from pipeline.egress import Egress, EgressAway
from pipeline.sip import Sip, SipProblem
from tests.conftest import PATIENCE_S, MakeSettings
from tests.servers import LiveKitServer


async def test_nobody_waits_for_ever(settings: MakeSettings, tmp_path: Path):
    with LiveKitServer(tmp_path) as livekit:
        where = settings(livekit_url=livekit.url)
        async with Rooms.connect(where) as rooms, Egress.connect(where) as egress, Sip.connect(where) as sip:
            livekit.send(signal.SIGSTOP)
            async with asyncio.timeout(PATIENCE_S):
                *failed, stopped = await asyncio.gather(
                    rooms.list_rooms(),
                    egress.running(),
                    egress.start("room", "key"),
                    sip.list_parts(),
                    sip.find_bridge(),
                    egress.stop("none"),
                    return_exceptions=True,
                )
            livekit.send(signal.SIGCONT)
    assert [type(one) for one in failed] == [Unavailable, EgressAway, EgressAway, SipProblem, SipProblem]
    assert stopped is None

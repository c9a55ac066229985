"""The phone network that tests call through, in two forms behind one interface (`PhoneNetwork`, `Phone`).

    async def test_…(network):                       # once on each form that is there
        phone = await network.phone("+4930111", answers_after_s=0.5)
        settings(livekit_url=network.livekit_url)    # and save `network.trunk` as the tenant's trunk
        caller = await network.ring(from_="+4930222", to="+4930999")

    stand-in   A proxy before the real LiveKit server, which keeps trunks and rules. It answers what needs a bridge
               itself, with a real participant of kind SIP for each call. Always there.
    bridge     The real livekit-sip with real phones (baresip), where `livekit-sip` is on the PATH or CALLROOM_SIP_BIN
               names it. Where the two differ, the stand-in is wrong.

A phone has `rings` (from which numbers), `state`, `code`, `heard`, `digits`, `answer()`, `decline(code)`, `hang_up()`,
`press("12#")`, `say(pcm)`. How it takes a call is said when it is made, or changed later: `answers_after_s`,
`declines_with`, `transfers_with`, `says`.
"""

from collections.abc import Callable
from pathlib import Path

from tests.servers import LiveKitServer
from tests.telephony.bridge import BINARY, BridgedNetwork
from tests.telephony.network import PhoneNetwork, Trunk
from tests.telephony.phone import Phone, State
from tests.telephony.stand_in import StandIn

__all__ = ["FORMS", "Phone", "PhoneNetwork", "State", "Trunk"]

# How each form that is there is made, before a LiveKit server with its SIP service, with a folder for its files.
FORMS: dict[str, Callable[[LiveKitServer, Path], PhoneNetwork]] = {"stand-in": StandIn}
if BINARY is not None:
    FORMS["bridge"] = BridgedNetwork

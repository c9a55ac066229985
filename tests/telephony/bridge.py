"""The real thing: livekit-sip before a LiveKit server, and baresip phones behind it."""

import asyncio
import contextlib
import itertools
import os
import shutil
from pathlib import Path
from typing import Any, Self

import yaml
from typing_extensions import override

from tests.servers import START_TIMEOUT_S, LiveKitServer, Program, free_port, wait_until
from tests.telephony.baresip import Baresip
from tests.telephony.exchange import Exchange
from tests.telephony.network import PhoneNetwork, Trunk

# None where there is none. Read before the tests forget the developer's own settings.
BINARY = os.environ.get("CALLROOM_SIP_BIN") or shutil.which("livekit-sip")
RTP_PORTS = "12000-14899"  # below those that `free_port` gives


class SipBridge(Program):
    """A livekit-sip on loopback alone, on the Redis of a LiveKit server."""

    def __init__(self, folder: Path, livekit: LiveKitServer) -> None:
        assert BINARY is not None, "no livekit-sip on the PATH"
        assert livekit.redis is not None, "a LiveKit server without Redis"
        self.address = ("127.0.0.1", free_port())
        config = {
            "ws_url": livekit.url,
            "api_key": livekit.key,
            "api_secret": livekit.secret,
            "redis": {"address": livekit.redis.address},
            "sip_port": self.address[1],
            "rtp_port": RTP_PORTS,
            "listen_ip": self.address[0],
            "local_net": "127.0.0.0/8",
            "nat_1_to_1_ip": self.address[0],
            "media_nat_1_to_1_ip": self.address[0],
            "max_cpu_utilization": 1,
            "logging": {"level": "debug"},
        }
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"livekit-sip-{self.address[1]}.yaml"
        file.write_text(yaml.safe_dump(config))
        super().__init__([BINARY, "--config", file], log=folder / f"livekit-sip-{self.address[1]}.log")

    @override
    def wait_ready(self, timeout: float = START_TIMEOUT_S) -> None:
        wait_until(self._listens, f"{self.command}", timeout)
        super().wait_ready(timeout)

    def _listens(self) -> bool:
        return self._died() or "service ready" in self.output


class BridgedNetwork(PhoneNetwork):
    """Phones behind an exchange behind a bridge."""

    def __init__(self, livekit: LiveKitServer, folder: Path) -> None:
        super().__init__(livekit)
        self.livekit_url = livekit.url
        self.bridge = SipBridge(folder, livekit)
        self._exchange = Exchange(self.bridge.address)
        self.trunk = Trunk(self._exchange.uri, self._exchange.username, self._exchange.password)
        self._folder = folder
        self._count = itertools.count()
        self._running = contextlib.AsyncExitStack()

    @override
    async def __aenter__(self) -> Self:
        await self._running.enter_async_context(self.bridge)
        await self._running.enter_async_context(self._exchange)
        return self

    @override
    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        # Asked to stop, it waits for its calls.
        await asyncio.to_thread(self.bridge.kill_group)
        await self._running.aclose()

    @override
    async def phone(self, number: str, **manners: Any) -> Baresip:
        phone = Baresip(number, self._folder / f"phone-{next(self._count)}", self._exchange.uri, **manners)
        await self._running.enter_async_context(phone)
        self._exchange.phones.append(phone)
        return phone

    @override
    async def ring(self, *, from_: str, to: str) -> Baresip:
        phone = await self.phone(from_)
        await phone.dial(to)
        return phone

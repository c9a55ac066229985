"""A real phone: one baresip process, steered over its control socket."""

import asyncio
import contextlib
import itertools
import json
import re
import socket
from pathlib import Path
from typing import Any, Self

import numpy as np
from typing_extensions import override

from tests.servers import Program, free_port, wait_until
from tests.telephony.phone import Phone, State
from tests.telephony.sound import RATE, Pcm, write

MODULES = "/usr/lib/baresip/modules"
RTP_PORTS = "10000-11999"
LONGEST_S = 300  # at the end of its file baresip hangs up: every one ends in so much silence
WAV_HEADER = 44
KEY_S = 0.25  # while it is held down
SETTLED_S = 0.5


class Baresip(Phone):
    """`exchange` ("host:port") is where its calls go to."""

    def __init__(self, number: str, folder: Path, exchange: str, **manners: Any) -> None:
        super().__init__(number, **manners)
        self.port = free_port()
        self._folder = folder
        self._exchange = exchange
        self._control = free_port()
        self._files = itertools.count()
        self._calling = ""
        self._calls: set[str] = set()
        self._digits = ""
        self._program = Program(["baresip", "-f", folder, "-v"], log=folder / "baresip.log")

    async def __aenter__(self) -> Self:
        self._configure()
        self._program.start()
        await asyncio.to_thread(wait_until, self._listens, f"baresip, see {self._program.log}")
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._control)
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._over()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._writer.close()
        await asyncio.to_thread(self._program.kill_group)

    def _listens(self) -> bool:
        """Whether it takes commands, which may be a moment after it says that it is ready."""
        assert self._program.returncode is None, self._program.output
        with socket.socket() as probe:
            return "baresip is ready" in self._program.output and not probe.connect_ex(("127.0.0.1", self._control))

    def _configure(self) -> None:
        self._folder.mkdir(parents=True)
        (self._folder / "heard").mkdir()
        silence = self._sound(np.zeros(0, np.int16))
        modules = ["g711", "aufile", "sndfile"]
        applications = ["account", "uuid", "menu", "ctrl_tcp"]
        lines = [
            f"sip_listen 127.0.0.1:{self.port}",
            "net_interface 127.0.0.1",
            f"rtp_ports {RTP_PORTS}",
            "call_max_calls 1",
            "call_local_timeout 600",
            f"audio_source aufile,{silence}",
            f"ausrc_srate {RATE}",
            "ausrc_channels 1",
            f"snd_path {self._folder / 'heard'}",
            f"ctrl_tcp_listen 127.0.0.1:{self._control}",
            f"module_path {MODULES}",
            *(f"module {name}.so" for name in modules),
            *(f"module_app {name}.so" for name in applications),
        ]
        (self._folder / "config").write_text("\n".join([*lines, ""]))
        # An anonymous caller is nobody's number.
        host = f"127.0.0.1:{self.port}" if self.number != "anonymous" else "anonymous.invalid"
        account = f"<sip:{self.number}@{host}>;regint=0;answermode=manual;audio_codecs=PCMU/8000/1"
        (self._folder / "accounts").write_text(account + "\n")
        (self._folder / "contacts").write_text("")

    @property
    @override
    def heard(self) -> Pcm:
        return self._sound_so_far("dec")

    def _has_settled(self) -> bool:
        """Whether its sound is under way; a key may get lost before."""
        return len(self._sound_so_far("enc")) > SETTLED_S * RATE

    def _sound_so_far(self, direction: str) -> Pcm:
        """What it decoded ("dec") or encoded ("enc") in its last call."""
        files = sorted((self._folder / "heard").glob(f"*-{direction}.wav"), key=lambda file: file.stat().st_mtime)
        data = files[-1].read_bytes()[WAV_HEADER:] if files else b""  # its length is in the header once it is closed
        return np.frombuffer(data[: len(data) // 2 * 2], np.int16)

    @property
    @override
    def digits(self) -> str:
        return self._digits

    async def dial(self, number: str) -> None:
        self._calling, self.state, self.code = number, State.RINGING, None
        await self._command("dial", f"sip:{number}@{self._exchange}")

    @override
    async def answer(self) -> None:
        if self.state is State.RINGING:
            await self._command("accept")

    @override
    async def decline(self, code: int) -> None:
        # The exchange puts the code in the place of baresip's own.
        self.declines_with = code
        if self.state is State.RINGING:
            await self._command("hangup")

    @override
    async def hang_up(self) -> None:
        await self._command("hangup")

    @override
    async def press(self, digits: str) -> None:
        await asyncio.to_thread(wait_until, self._has_settled, "its sound is under way")
        for digit in digits:
            await self._command("sndcode", digit)
            await asyncio.sleep(KEY_S)

    @override
    async def say(self, pcm: Pcm) -> None:
        await self._command("ausrc", f"aufile,{self._sound(pcm)}")
        await asyncio.sleep(len(pcm) / RATE)

    def _sound(self, pcm: Pcm) -> Path:
        path = self._folder / f"says-{next(self._files)}.wav"
        write(path, np.concatenate([pcm, np.zeros(LONGEST_S * RATE, np.int16)]))
        return path

    async def _command(self, name: str, parameters: str = "") -> None:
        text = json.dumps({"command": name, "params": parameters}).encode()
        self._writer.write(b"%d:%s," % (len(text), text))
        await self._writer.drain()

    async def _listen(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # it has ended
            while True:
                size = int((await self._reader.readuntil(b":"))[:-1])
                message = json.loads((await self._reader.readexactly(size + 1))[:-1])
                if message.get("event"):
                    await self._event(message)

    async def _event(self, event: dict[str, Any]) -> None:
        match str(event["type"]):
            case "CALL_INCOMING":
                self._calls.add(event["id"])
                self._digits = ""
                self._rung(re.sub(r"^sip:|@.*$", "", event["peeruri"]))
            case "CALL_RINGING":
                self._calls.add(event["id"])
            case "CALL_ESTABLISHED":
                self._calls.add(event["id"])
                self.state = State.ANSWERED
                if self.says is not None:
                    await self.say(self.says)
            case "CALL_DTMF_START":
                self._digits += event["param"]
            case "CALL_CLOSED":
                self._calls.discard(event["id"])
                if not self._calls:  # after a transfer there are two for a moment
                    refused = re.match(r"\d{3}\b", event["param"]) if self._calling else None
                    self._over(int(refused[0]) if refused and self.state is State.RINGING else None)
                    self._calling = ""
            case _:
                pass

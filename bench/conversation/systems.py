"""The systems that are compared, each as whoever runs it starts it, all on one LiveKit server."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
from livekit import api

from demo.client import Client
from demo.stack import free_ports, running_stack
from stack.settings import ROOT
from stack.supervisor import dies_with_parent

FOLDER = ROOT / ".callroom" / "bench"
STARTS_WITHIN_S = 180
LOOK_S = 0.2
CALLROOM = "callroom"
PLAIN = Path(__file__).with_name("plain.py")
PLAIN_AGENT = "bench-plain"
DETECTIONS = {"plain-vad": "vad", "plain-model": "model"}
_GREETING = "Hello, how can I help you today?"
_PROMPT = "You are a helpful voice assistant. Answer in one or two short sentences."


@dataclass(frozen=True)
class Access:
    """Where a caller joins its call."""

    url: str
    token: str


@dataclass(frozen=True)
class System:
    """A system that takes calls.

    place    starts a call whose providers are asked with a model of the given name
    workers  its processes, with all of their children: those of the calls, and those that wait for calls
    """

    name: str
    place: Callable[[str], Awaitable[Access]]
    workers: Sequence[psutil.Process]


@dataclass(frozen=True)
class Systems:
    """All that run, the stand-ins' address, what the systems share: processes by name, and how ours is reached."""

    all: list[System]
    providers_url: str
    shared: Mapping[str, psutil.Process]
    settings: Mapping[str, str]


@asynccontextmanager
async def running(
    against: Sequence[str], profile: str, calls: int, eager: Sequence[float] = ()
) -> AsyncIterator[Systems]:
    """Ours and the named ones of DETECTIONS; all are stopped at the end.

    With several values for `eager`, ours is a system with each of them; with none, as it is by itself.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with _standins(profile) as providers, aiohttp.ClientSession() as http:
        url = f"{providers}/v1"
        environment = {f"CALLROOM_{kind}_URL": url for kind in ("STT", "LLM", "TTS")}
        environment["CALLROOM_WORKER_MAX_CALLS"] = str(max(calls, 10))
        async with running_stack(FOLDER / "stack", environment) as env:
            found = {name: _program(command) for name, command in _PROGRAMS.items()}
            client = Client(http, env["CALLROOM_URL"], env["CALLROOM_API_KEY"])
            own = [found.pop("worker")]
            ours = [System(f"{CALLROOM}-{value:g}", _Callroom(client, {"eager": value}).place, own) for value in eager]
            ours = ours or [System(CALLROOM, _Callroom(client, {}).place, own)]
            if not against:
                yield Systems(ours, providers, found, env)
                return
            async with _plain_worker({**env, "BENCH_PROVIDERS_URL": url, "LIVEKIT_AGENT_NAME": PLAIN_AGENT}) as worker:
                plains = [System(name, _Plain(env, name).place, [worker]) for name in against]
                yield Systems([*ours, *plains], providers, found, env)


_PROGRAMS = {
    "worker": " -m worker start",
    "api": " -m api",
    "pipeline": " -m pipeline",
    "livekit-server": "livekit-server ",
}


def _program(command: str) -> psutil.Process:
    """The process of the stack with this in its command; forks of it look the same, so the first one."""
    for process in sorted(psutil.Process().children(recursive=True), key=lambda one: one.create_time()):
        with suppress(psutil.NoSuchProcess):
            if command in " ".join(process.cmdline()):
                return process
    raise LookupError(f"the stack runs nothing like {command!r}")


class _Callroom:
    """Calls through the API, each with an agent of its own: by its models the stand-ins know which call asks."""

    def __init__(self, client: Client, settings: Mapping[str, float]) -> None:
        self._client = client
        self._settings = settings
        self._agents: dict[str, str] = {}

    async def place(self, model: str) -> Access:
        if model not in self._agents:
            models = {f"{kind}_model": model for kind in ("stt", "llm", "tts")}
            agent = {"name": model, "system_prompt": _PROMPT, "first_message": _GREETING, "voice": "alloy", **models}
            recorded = {"post_call": {"recording": {"enabled": True}}}
            self._agents[model] = (await self._client.post("/v1/agents", {**agent, **recorded, **self._settings}))["id"]
        people = [{"transport": "webrtc", "identity": "ada"}]
        call = await self._client.post("/v1/calls", {"agent_id": self._agents[model], "participants": people})
        access = call["participants"][0]["access"]
        return Access(access["url"], access["token"])


class _Plain:
    """Rooms that are made with the agent's dispatch."""

    def __init__(self, env: Mapping[str, str], name: str) -> None:
        self._access = [env[f"LIVEKIT_{part}"] for part in ("URL", "API_KEY", "API_SECRET")]
        self._detection = DETECTIONS[name]
        self._placed = 0

    async def place(self, model: str) -> Access:
        self._placed += 1
        room = f"{model}-{self._placed}"
        wanted = json.dumps({"detection": self._detection, "model": model})
        dispatch = api.RoomAgentDispatch(agent_name=PLAIN_AGENT, metadata=wanted)
        async with api.LiveKitAPI(*self._access) as livekit:
            await livekit.room.create_room(api.CreateRoomRequest(name=room, agents=[dispatch]))
        url, key, secret = self._access
        grants = api.VideoGrants(room_join=True, room=room)
        return Access(url, api.AccessToken(key, secret).with_identity("ada").with_grants(grants).to_jwt())


@asynccontextmanager
async def _standins(profile: str) -> AsyncIterator[str]:
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "bench.conversation.standins", str(port), profile]
    async with _process(command, FOLDER / "standins.log", os.environ) as process, aiohttp.ClientSession() as http:
        await _until(lambda: _answers(http, f"{url}/log"), process)
        yield url


@asynccontextmanager
async def _plain_worker(env: Mapping[str, str]) -> AsyncIterator[psutil.Process]:
    log = FOLDER / "plain.log"
    script = str(PLAIN.relative_to(ROOT))
    command = [sys.executable, "-m", "livekit.agents", "start", script]
    async with _process(command, log, {**os.environ, **env}) as process:
        await _until(lambda: _says(log, "registered worker"), process)
        yield psutil.Process(process.pid)


@asynccontextmanager
async def _process(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *dies_with_parent("KILL"), *command, cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        for one in reversed([psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]):
            one.kill()
        await process.wait()


async def _until(condition: Callable[[], Awaitable[bool]], process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(STARTS_WITHIN_S):
        while not await condition():
            if process.returncode is not None:
                raise LookupError(f"a process ended with status {process.returncode}; logs are in {FOLDER}")
            await asyncio.sleep(LOOK_S)


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False


async def _says(log: Path, words: str) -> bool:
    return words in await asyncio.to_thread(log.read_text)

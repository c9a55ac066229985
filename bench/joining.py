"""How soon agents are in their rooms after the request for their calls, several at once; nobody joins these calls."""

import asyncio
import json
import os
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from livekit import api
from livekit.protocol.models import ParticipantInfo

from bench.conversation.systems import Systems, running
from bench.machine import machine
from bench.table import Line, percentile, show
from demo.client import Client

AT_ONCE = 4
ROUNDS = 10
GOAL_S = 0.3
WITHIN_S = 30
SETTLED_AFTER_S = 5  # calls that have ended are still being tidied up, and processes for the next ones started
MODEL = "joining"


@dataclass(frozen=True)
class Joined:
    """Seconds from the moment of the request.

    answered_s   until the answer was there
    listed_s     until LiveKit had the agent in its list of the room's participants
    ready_s      until it was connected, its voice published: the event `agent.joined`
    """

    answered_s: float
    listed_s: float
    ready_s: float


async def run(json_folder: Path | None) -> bool:
    """Print the table; whether the goal was reached."""
    async with running([], "usual", AT_ONCE) as systems, aiohttp.ClientSession() as http:
        client = Client(http, systems.settings["CALLROOM_URL"], systems.settings["CALLROOM_API_KEY"])
        agent_id = await _agent(client)
        await _round(client, systems, agent_id)  # the first requests of new processes
        load, joined = [], []
        for _ in range(ROUNDS):
            load.append(os.getloadavg()[0])
            joined += await _round(client, systems, agent_id)
    spreads = {
        name: {share: percentile([asdict(one)[name] for one in joined], part) for share, part in _SHARES.items()}
        for name in _NAMES
    }
    reached = spreads["listed_s"]["p95"] <= GOAL_S * 1000
    lines = [
        Line(
            what,
            f"{spreads[name]['p50']:.0f} / {spreads[name]['p95']:.0f} ms",
            f"p95 <= {GOAL_S * 1000:.0f} ms" if name == "listed_s" else "",
            reached if name == "listed_s" else None,
        )
        for name, what in _NAMES.items()
    ]
    show(f"{AT_ONCE} calls at once, {ROUNDS} times, p50 / p95; load {min(load):.1f} to {max(load):.1f}", lines)
    if json_folder is not None:
        figures = {
            "at": datetime.now(UTC).isoformat(),
            "machine": machine(),
            "load": load,
            "at_once": AT_ONCE,
            "ms": spreads,
        }
        await asyncio.to_thread((json_folder / "joining.json").write_text, json.dumps(figures, indent=1) + "\n")
    return reached


_SHARES = {"p50": 0.5, "p95": 0.95}
_NAMES = {
    "answered_s": "POST /v1/calls",
    "listed_s": "until LiveKit lists the agent",
    "ready_s": "until its voice is there (`agent.joined`)",
}


async def _agent(client: Client) -> str:
    models = {f"{kind}_model": MODEL for kind in ("stt", "llm", "tts")}
    said = {"system_prompt": "You are helpful.", "first_message": "Hello, how can I help you today?", "voice": "alloy"}
    return str((await client.post("/v1/agents", {"name": MODEL, **said, **models}))["id"])


async def _round(client: Client, systems: Systems, agent_id: str) -> list[Joined]:
    await asyncio.sleep(SETTLED_AFTER_S)
    access = [systems.settings[f"LIVEKIT_{part}"] for part in ("URL", "API_KEY", "API_SECRET")]
    async with api.LiveKitAPI(*access) as livekit:
        return await asyncio.gather(*(_join(client, livekit, agent_id) for _ in range(AT_ONCE)))


async def _join(client: Client, livekit: api.LiveKitAPI, agent_id: str) -> Joined:
    people = [{"transport": "webrtc", "identity": "ada"}]
    asked_at = time.time()  # the wall clock, which LiveKit and the worker tell too
    call = await client.post("/v1/calls", {"agent_id": agent_id, "participants": people})
    answered_s = time.time() - asked_at
    async with asyncio.timeout(WITHIN_S):
        ready_at = await _ready_at(client, call["id"])
    room = api.ListParticipantsRequest(room=call["room_name"])
    [agent] = [
        one for one in (await livekit.room.list_participants(room)).participants if one.kind == ParticipantInfo.AGENT
    ]
    await client.post(f"/v1/calls/{call['id']}/end", {})
    return Joined(answered_s, agent.joined_at_ms / 1000 - asked_at, ready_at - asked_at)


async def _ready_at(client: Client, call_id: str) -> float:
    async for kind, told in client.stream(call_id):
        if kind == "event" and told["kind"] == "agent.joined":
            return datetime.fromisoformat(told["created_at"]).timestamp()
    raise LookupError("no agent has joined")

"""How quickly a call is placed, beside what LiveKit itself needs for its room with the agent's dispatch."""

import asyncio
import time
import uuid

from bench.ground import Ground, ground
from bench.table import Line, percentile, show

WARM_UP = 20
ROUNDS = 200
AT_ONCE = 50
BURSTS = 5
MORE_MS = 15
TIMES = 20


async def run() -> bool:
    """Print the table; whether every goal was reached."""
    async with ground() as on:
        for _ in range(WARM_UP):
            await _place(on)
        rooms, placed = [], []
        for _ in range(ROUNDS):
            rooms.append(await _make_room(on))
            placed.append(await _place(on))
        bursts = [await _burst(on) for _ in range(BURSTS)]
    room_ms, call_ms, burst_ms = (percentile(times, 0.5) for times in (rooms, placed, bursts))
    lines = [
        Line("LiveKit create_room with dispatch, p50", f"{room_ms:.1f} ms"),
        Line(
            "POST /v1/calls, p50",
            f"{call_ms:.1f} ms",
            f"<= {room_ms + MORE_MS:.1f} ms (LiveKit + {MORE_MS})",
            call_ms <= room_ms + MORE_MS,
        ),
        Line("POST /v1/calls, p99", f"{percentile(placed, 0.99):.1f} ms"),
        Line(
            f"{AT_ONCE} at once, all answered",
            f"{burst_ms:.0f} ms",
            f"<= {call_ms * TIMES:.0f} ms ({TIMES} x one)",
            burst_ms <= call_ms * TIMES,
        ),
    ]
    show("Placing a call", lines)
    return all(line.reached is not False for line in lines)


async def _make_room(on: Ground) -> float:
    name = str(uuid.uuid4())
    began = time.perf_counter()
    await on.rooms.create_room(f"call_{name}", name)
    return time.perf_counter() - began


async def _place(on: Ground) -> float:
    people = [{"transport": "webrtc", "identity": "ada"}]
    took, _ = await on.timed("POST", "/v1/calls", {"agent_id": on.agent_id, "participants": people})
    return took


async def _burst(on: Ground) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(_place(on) for _ in range(AT_ONCE)))
    return time.perf_counter() - began

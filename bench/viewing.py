"""Whether each page of the console has its data at once, with as many calls as a year brings."""

import time

from bench.ground import Ground, ground
from bench.table import Line, percentile, show

CALLS = 100_000
ROUNDS = 20
GOAL_MS = 200  # of each request, to the end of its answer; of a stream, to its first message
# What each page asks for at first; `{call}` is the latest one, which has a transcript.
PAGES = {
    "Live": ("/v1/calls/stream?include=segments", "/v1/agents?limit=200&offset=0"),
    "Calls": ("/v1/calls?limit=50", "/v1/agents?limit=200&offset=0"),
    "Calls, of somebody": ("/v1/calls?limit=50&participant=ada",),
    "Calls, with words": ("/v1/calls?limit=50&words=table",),
    "Call": ("/v1/calls/{call}", "/v1/calls/{call}/intelligence?limit=200"),
    "Agents": ("/v1/agents?limit=50&offset=0",),
    "Agent": (
        "/v1/agents/{agent}",
        "/v1/agents/{agent}/calls?limit=10",
        "/v1/agents/{agent}/changes",
        "/v1/agents/{agent}/testers",
    ),
    "Talk": ("/v1/agents/{agent}", "/v1/agents/llm-options", "/readyz"),
    "Campaigns": ("/v1/calls/batch?limit=50",),
    "Numbers": ("/v1/telephony/status", "/v1/numbers?limit=50", "/v1/dnc?limit=50"),
    "Webhooks": ("/v1/webhooks?limit=50",),
    "Keys": ("/v1/auth/api-keys", "/v1/keys/publishable"),
    "Usage": ("/v1/usage", "/v1/usage?group_by=agent"),
    "Health": ("/v1/health", "/v1/calls/queue/stats", "/v1/jobs/dead?limit=50"),
}


async def run(database_url: str | None) -> bool:
    """Print the slowest request of each page; whether every goal was reached.

    Args:
        database_url: an empty database of Postgres, instead of a SQLite file.
    """
    lines = []
    async with ground(database_url=database_url) as on:
        await on.fill(CALLS)
        named = {"call": on.call_ids[-1], "agent": on.agent_id}
        for page, paths in PAGES.items():
            slowest = max([await _p95_ms(on, path.format(**named)) for path in paths])
            lines.append(Line(page, f"{slowest:.0f} ms", f"<= {GOAL_MS} ms", slowest <= GOAL_MS))
    show(f"What the console's pages ask for, {CALLS:,} calls, slowest request, p95", lines)
    return all(line.reached for line in lines)


async def _p95_ms(on: Ground, path: str) -> float:
    return percentile([await _once(on, path) for _ in range(ROUNDS)], 0.95)


async def _once(on: Ground, path: str) -> float:
    began = time.perf_counter()
    async with on.http.get(path) as answer:
        answer.raise_for_status()
        await (answer.content.readany() if "/stream" in path else answer.read())
        return time.perf_counter() - began

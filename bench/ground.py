"""What is measured on: a real LiveKit server, and a real api on a database with as many calls as wanted."""

import json
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp

from bench.filling import WITH_TRANSCRIPT, fill
from calls.database.engine import DEFAULT_TENANT, Database
from calls.migrations import migrate
from calls.rooms import Rooms
from calls.settings import Settings
from calls.tenants.keys import create_secret_key
from tests.servers import LiveKitServer, Program, environment, free_port

AGENT_CONFIG = {
    "system_prompt": "You answer the phone of a restaurant and take bookings. Be short and friendly. " * 4,
    "first_message": "Hello, this is Aria. How can I help you?",
    "language": "en-US",
    "post_call": {"summary": {"enabled": True}},
}


@dataclass
class Ground:
    """The running servers, and the calls that were put into the database."""

    settings: Settings
    rooms: Rooms
    http: aiohttp.ClientSession
    agent_id: str
    call_ids: list[str] = field(default_factory=list)

    async def timed(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[float, Any]:
        """One request: how many seconds it took, and the answer's JSON."""
        began = time.perf_counter()
        async with self.http.request(method, path, json=body) as answer:
            text = await answer.read()
        took = time.perf_counter() - began
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status}: {text[:300]!r}")
        return took, json.loads(text)

    async def fill(self, count: int) -> None:
        """Bring the number of completed calls to `count`."""
        agent = {"id": self.agent_id, "name": "Aria", **AGENT_CONFIG}
        await fill(self.settings.database, agent, self.call_ids, count)

    def some_call(self) -> str:
        """One of the calls that have a transcript."""
        return random.choice(self.call_ids[-WITH_TRANSCRIPT:])


def process(name: Literal["api", "pipeline"], settings: Settings) -> Program:
    """One of ours as whoever runs it starts it; ready when its /readyz says so."""
    ready_url = f"http://127.0.0.1:{getattr(settings, f'{name}_port')}/readyz"
    log = settings.state_dir / f"{name}.log"
    return Program([sys.executable, "-m", name], log=log, ready_url=ready_url, env=environment(settings))


@asynccontextmanager
async def ground(*, llm_url: str | None = None, database_url: str | None = None) -> AsyncIterator[Ground]:
    """Start everything in a folder of its own, with one agent; stop it at the end.

    Args:
        llm_url: for its analyses.
        database_url: an empty database of Postgres, instead of a SQLite file.
    """
    with tempfile.TemporaryDirectory(prefix="callroom-bench-") as folder:
        async with LiveKitServer(Path(folder)) as livekit:
            somebody = f"{livekit.url.replace('ws', 'http', 1)}/v1"  # who answers: no call is warned of its providers
            settings = Settings(
                _env_file=None,
                livekit_url=livekit.url,
                livekit_api_key=livekit.key,
                livekit_api_secret=livekit.secret,
                state_dir=Path(folder),
                database_url=database_url or "",
                api_port=free_port(),
                pipeline_port=free_port(),
                stt_url=somebody,
                llm_url=llm_url or somebody,
                tts_url=somebody,
            )
            database = Database(settings.database)
            await migrate(database)
            async with database.writing() as connection:
                _, key = await create_secret_key(connection, DEFAULT_TENANT, label="bench")
            await database.close()
            async with process("api", settings), Rooms.connect(settings) as rooms:
                base = f"http://127.0.0.1:{settings.api_port}"
                async with aiohttp.ClientSession(base, headers={"Authorization": f"Bearer {key}"}) as http:
                    running = Ground(settings, rooms, http, agent_id="")
                    agent = {"name": "Aria", **AGENT_CONFIG}
                    running.agent_id = (await running.timed("POST", "/v1/agents", agent))[1]["id"]
                    yield running

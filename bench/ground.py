"""What is measured on: a real LiveKit server, and a real api on a SQLite file with as many calls as wanted."""

import json
import random
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import aiohttp

from calls.database.engine import DEFAULT_TENANT, Database
from calls.migrations import migrate
from calls.rooms import Rooms
from calls.search.index import indexed
from calls.settings import Settings
from calls.tenants.keys import create_secret_key
from tests.servers import LiveKitServer, Program, environment, free_port

SPOKEN_S = 4  # seconds of a call per segment
CHUNK = 50_000
SENTENCE = "Of course, I can book that table for you. For how many people shall it be?"
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

    def fill(self, count: int) -> None:
        """Bring the number of completed calls to `count`; the latest 1,000 have a transcript."""
        with closing(sqlite3.connect(self.settings.database.removeprefix("sqlite:///"), timeout=60)) as database:
            database.execute("PRAGMA synchronous=OFF")
            while len(self.call_ids) < count:
                new = [str(uuid.uuid4()) for _ in range(min(CHUNK, count - len(self.call_ids)))]
                with database:
                    _insert(
                        database,
                        "calls",
                        (self._call(call_id, at) for at, call_id in enumerate(new, len(self.call_ids))),
                    )
                    _insert(database, "participants", (_participant(call_id) for call_id in new))
                    _insert(database, "generations", (_generation(call_id) for call_id in new))
                    _insert(database, "results", (_summary(call_id) for call_id in new))
                    numbered = list(enumerate(new, len(self.call_ids) + 1))
                    _insert(database, "call_events", ({"id": number, **_event(one)} for number, one in numbered))
                    _insert(database, "call_words", (_words(number, one) for number, one in numbered))
                self.call_ids += new
            with database:
                for call_id in self.call_ids[-1000:]:
                    _insert(database, "segments", _segments(call_id))
                    _insert(database, "call_events", _events(call_id))
                counted = {
                    "tenant_id": DEFAULT_TENANT,
                    "agent_id": self.agent_id,
                    "status": "completed",
                    "calls": count,
                }
                database.execute("DELETE FROM call_counts WHERE status = 'completed'")
                _insert(database, "call_counts", [counted])
            database.execute("ANALYZE")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def some_call(self) -> str:
        """One of the calls that have a transcript."""
        return random.choice(self.call_ids[-1000:])

    def _call(self, call_id: str, number: int) -> dict[str, Any]:
        started = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        return {
            "id": call_id,
            "tenant_id": DEFAULT_TENANT,
            "agent_id": self.agent_id,
            "agent": json.dumps({"id": self.agent_id, "name": "Aria", **AGENT_CONFIG}),
            "room_name": f"call_{call_id}",
            "status": "completed",
            "end_reason": "caller_hung_up",
            "metadata": '{"source": "bench"}',
            "variables": "{}",
            "post_call": '{"summary": {"enabled": true}}',
            "intelligence_status": "completed",
            "participant_count": 1,
            "primary_identity": "ada",
            "primary_transport": "webrtc",
            "bill_duration": 60,
            "cost_micros": 0,
            "created_at": _moment(started),
            "started_at": _moment(started + timedelta(seconds=1)),
            "ended_at": _moment(started + timedelta(seconds=61)),
            "transcript_closed_at": _moment(started + timedelta(seconds=61)),
            "dispatches": 1,
        }


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")


def _participant(call_id: str) -> dict[str, Any]:
    at = _moment(datetime(2026, 1, 1, tzinfo=UTC))
    who = {"tenant_id": DEFAULT_TENANT, "transport": "webrtc", "identity": "ada", "room_identity": "ada"}
    fixed = {"position": 0, "status": "left", "metadata": "{}"}
    return {"id": str(uuid.uuid4()), "call_id": call_id, "created_at": at, "call_created_at": at, **who, **fixed}


def _generation(call_id: str) -> dict[str, Any]:
    at = _moment(datetime(2026, 1, 1, tzinfo=UTC))
    times = {"asked_at": at, "created_at": at, "concluded_at": at}
    return {"call_id": call_id, "number": 1, "status": "completed", "post_call": "{}", **times}


def _summary(call_id: str) -> dict[str, Any]:
    at = _moment(datetime(2026, 1, 1, tzinfo=UTC))
    value = json.dumps({"summary": SENTENCE, "sentiment": "positive"})
    part = {"generation": 1, "stage": "summary", "status": "completed"}
    return {"call_id": call_id, **part, "value": value, "created_at": at, "ended_at": at}


def _words(number: int, call_id: str) -> dict[str, Any]:
    return {"rowid": number, **indexed("sqlite", DEFAULT_TENANT, call_id, [SENTENCE])}


def _segments(call_id: str) -> Iterator[dict[str, Any]]:
    for number in range(20):
        yield {
            "call_id": call_id,
            "sequence": number,
            "speaker": "user" if number % 2 else "agent",
            "text": SENTENCE,
            "started_at_ms": number * SPOKEN_S * 1000,
            "ended_at_ms": (number + 1) * SPOKEN_S * 1000 - 500,
            "is_final": True,
            "source": "runtime",
            "revision": number + 1,
        }


def _events(call_id: str) -> Iterator[dict[str, Any]]:
    for message in ("Agent joined", "Participant joined", "Call started", "Call completed"):
        yield _event(call_id, message)


def _event(call_id: str, message: str = "Call created") -> dict[str, Any]:
    at = _moment(datetime(2026, 1, 1, tzinfo=UTC))
    what = {"kind": "call.created", "level": "info", "source": "lifecycle", "message": message}
    return {"call_id": call_id, "created_at": at, **what}


def _insert(database: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    others = iter(rows)
    first = next(others, None)
    if first is None:
        return
    names = ", ".join(first)
    statement = f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in first)})"
    database.execute(statement, first)
    database.executemany(statement, others)


def process(name: Literal["api", "pipeline"], settings: Settings) -> Program:
    """One of ours as whoever runs it starts it; ready when its /readyz says so."""
    ready_url = f"http://127.0.0.1:{getattr(settings, f'{name}_port')}/readyz"
    log = settings.state_dir / f"{name}.log"
    return Program([sys.executable, "-m", name], log=log, ready_url=ready_url, env=environment(settings))


@asynccontextmanager
async def ground(llm_url: str | None = None) -> AsyncIterator[Ground]:
    """Start everything in a folder of its own, with one agent; stop it at the end. `llm_url` is for its analyses."""
    with tempfile.TemporaryDirectory(prefix="callroom-bench-") as folder:
        async with LiveKitServer(Path(folder)) as livekit:
            somebody = f"{livekit.url.replace('ws', 'http', 1)}/v1"  # who answers: no call is warned of its providers
            settings = Settings(
                _env_file=None,
                livekit_url=livekit.url,
                livekit_api_key=livekit.key,
                livekit_api_secret=livekit.secret,
                state_dir=Path(folder),
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

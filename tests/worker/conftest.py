"""One real worker on a real LiveKit server, with scripted providers, for all tests of this folder."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from calls.database.engine import DEFAULT_TENANT, Database
from calls.placing.creation import NewCall, NewParticipant
from calls.providers.endpoints import LOCAL
from calls.rooms import Rooms
from calls.settings import NamedProvider, Settings
from calls.store import CallStore
from calls.tables import agents, call_events, recordings
from calls.transcript import read_transcript
from calls.workers import leases
from tests.conftest import PATIENCE_S, Until
from tests.providers import Providers, in_thread
from tests.servers import LiveKitServer, Program, free_port, process
from tests.worker.booth import Booth, at_once, open_booths
from tests.worker.caller import Caller
from worker.room.persistence import Persistence
from worker.room.transcript import TranscriptWriter

# Of an agent that says nothing of itself where it is late, as each is on a busy machine.
WITHOUT_A_WORD: dict[str, Any] = {"phrases": {"moment": ""}}
Together = Callable[..., Awaitable[None]]
OF_THE_CALL = ("variables", "metadata", "post_call", "tenant_id")


@dataclass(frozen=True)
class Talk:
    """One call in the database and its room."""

    id: str
    database: Database
    rooms: Rooms
    settings: Settings

    @property
    def room(self) -> str:
        return f"call_{self.id}"

    async def open_room(self) -> None:
        """From now on people may come, and an agent does."""
        await self.rooms.create_room(self.room, self.id)

    async def row(self) -> sa.Row[Any]:
        async with self.database.reading() as connection:
            return await CallStore(connection).get(None, self.id)

    async def status(self) -> str:
        return str((await self.row()).status)

    async def has_status(self, status: str) -> bool:
        return await self.status() == status

    async def ended(self) -> sa.Row[Any] | None:
        """The row once the call is over and the worker has let go of it."""
        row = await self.row()
        return row if row.transcript_closed_at is not None else None

    async def transcript(self) -> list[sa.Row[Any]]:
        async with self.database.reading() as connection:
            return await read_transcript(connection, self.id)

    async def said(self, speaker: str) -> str:
        """What was said for certain by `user` or `agent`."""
        return " ".join(row.text for row in await self.transcript() if row.speaker == speaker and row.is_final)

    async def has_said(self, speaker: str, text: str) -> bool:
        return text in await self.said(speaker)

    async def has_joined(self, *identities: str) -> bool:
        """Whether all of them are known to be in the room."""
        joined = {event.data["identity"] for event in await self.events() if event.message == "Participant joined"}
        return joined >= set(identities)

    async def events(self) -> list[sa.Row[Any]]:
        query = sa.select(call_events).where(call_events.c.call_id == self.id).order_by(call_events.c.id)
        async with self.database.reading() as connection:
            return list((await connection.execute(query)).all())

    async def has_said_also(self, speaker: str, text: str) -> bool:
        """Whether some segment of the speaker's is this, to its end."""
        return any(row.speaker == speaker and row.text == text and row.is_final for row in await self.transcript())

    async def has_begun_to_say(self, speaker: str, text: str) -> bool:
        """Whether some segment of the speaker's begins so, certain or not."""
        return any(row.speaker == speaker and row.text.startswith(text) for row in await self.transcript())

    async def has_happened(self, kind: str) -> bool:
        return any(event.kind == kind for event in await self.events())

    async def has_said_twice(self, speaker: str, text: str) -> bool:
        return (
            sum((row.speaker, row.text, row.is_final) == (speaker, text, True) for row in await self.transcript()) > 1
        )

    async def recording(self) -> sa.Row[Any] | None:
        """The recording once it is where recordings are kept."""
        ready = (recordings.c.call_id == self.id, recordings.c.status == "ready")
        async with self.database.reading() as connection:
            return (await connection.execute(sa.select(recordings).where(*ready))).one_or_none()

    def pieces(self) -> list[Path]:
        """What its agents have recorded, as far as it is where recordings are kept."""
        return sorted((self.settings.state_dir / "storage" / "pieces").glob(f"{self.id}.*.ogg"))

    async def messages(self) -> list[str]:
        return [event.message for event in await self.events()]

    def caller(self, identity: str = "alice") -> Caller:
        return Caller(self.settings.livekit_url, self.rooms.caller_token(self.room, identity, {}))


class Stage:
    """Makes calls."""

    def __init__(self, settings: Settings, database: Database, rooms: Rooms, booth: Booth | None = None) -> None:
        self.settings = settings
        self.database = database
        self._rooms = rooms
        self._booth = booth

    def within(self, booth: Booth) -> "Stage":
        """The same for calls that are made in there."""
        return Stage(self.settings, self.database, self._rooms, booth)

    @property
    def model(self) -> str:
        """The name of the provider whose model answers."""
        return self._booth.name if self._booth else LOCAL

    @property
    def words(self) -> str:
        """The name of the provider of voices that take words as they come."""
        return self._booth.words if self._booth else "words"

    async def call(self, *, people: tuple[str, ...] = ("alice",), **more: Any) -> Talk:
        """A call of an agent with this configuration, and its room: what is in `OF_THE_CALL` goes to the call."""
        placed = await self.place(people=people, **more)
        await placed.open_room()
        return placed

    async def place(
        self,
        *,
        people: tuple[str, ...] = ("alice",),
        phones: Sequence[NewParticipant] = (),
        price_micros_per_minute: int = 0,
        **more: Any,
    ) -> Talk:
        """The same without its room, so that no agent comes yet; to phones, if some are given."""
        invited = list(phones) or [NewParticipant("webrtc", name) for name in people]
        own: dict[str, Any] = {"tenant_id": DEFAULT_TENANT}
        own |= {name: more.pop(name) for name in OF_THE_CALL if name in more}
        config = {"system_prompt": "You are helpful.", "max_duration_s": 3600} | more
        if self._booth:
            config |= self._booth.choices(config)
        agent_id = str(uuid.uuid4())
        new = NewCall(
            agent={"id": agent_id, "name": "Ada", **config},
            participants=[replace(one, price_micros_per_minute=price_micros_per_minute) for one in invited],
            **own,
        )
        async with self.database.writing() as connection:
            row = {"id": agent_id, "tenant_id": new.tenant_id, "name": "Ada", "config": config}
            await connection.execute(sa.insert(agents).values(row))
            await CallStore(connection).create(new)
        return self.talk(new.id)

    def talk(self, call_id: str) -> Talk:
        """A call that is there."""
        return Talk(call_id, self.database, self._rooms, self.settings)


@pytest.fixture(scope="session")
def scripted() -> Iterator[Providers]:
    with in_thread() as running:
        yield running


@pytest.fixture
def providers(scripted: Providers) -> Providers:
    """The providers of the worker, with nothing scripted yet."""
    scripted.reset()
    return scripted


@pytest.fixture(scope="session")
def booths() -> Iterator[list[Booth]]:
    with open_booths() as opened:
        yield opened


@pytest.fixture(scope="session")
def worker_settings(
    livekit: LiveKitServer,
    scripted: Providers,
    booths: list[Booth],
    migrated_sqlite: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    folder = tmp_path_factory.mktemp("worker")
    named = {name: one for booth in booths for name, one in booth.named().items()}
    named["words"] = NamedProvider(url=scripted.url, protocol="deepgram")
    return make_settings(livekit, scripted, migrated_sqlite, folder, providers=named)


def make_settings(livekit: LiveKitServer, scripted: Providers, template: Path, folder: Path, **more: Any) -> Settings:
    """Settings of a worker with a database of its own."""
    folder.mkdir(exist_ok=True)
    (folder / "callroom.db").write_bytes(template.read_bytes())
    values: dict[str, Any] = {
        "livekit_url": livekit.url,
        "livekit_api_key": livekit.key,
        "livekit_api_secret": livekit.secret,
        "stt_url": scripted.url,
        "tts_url": scripted.url,
        "llm_url": scripted.url,
        "state_dir": folder,
        "worker_port": free_port(),
        "worker_drain_s": 0,  # who stops it waits for no call
        "stt_words_s": 20,  # the stand-in waits for the end of an utterance, and the machine is busy
        "tool_private_addresses": True,  # those of the tests are on this machine
        "agent_name": f"agent-{folder.name}",
    }
    return Settings(_env_file=None, **(values | more))


@pytest.fixture(scope="session")
def worker(worker_settings: Settings) -> Iterator[Program]:
    with process("worker", worker_settings, worker_settings.state_dir / "worker.log") as running:
        yield running


@pytest.fixture
async def stage(worker: Program, worker_settings: Settings) -> AsyncIterator[Stage]:
    database = Database(worker_settings.database, patience_s=PATIENCE_S)
    async with Rooms.connect(worker_settings, PATIENCE_S) as rooms:
        yield Stage(worker_settings, database, rooms)
    await database.close()


@pytest.fixture
def together(stage: Stage, booths: list[Booth], until: Until) -> Together:
    """`await together(*ways)`: calls that each have providers of their own, some at a time."""
    return lambda *ways: at_once(stage, booths, until, ways)


@dataclass
class Running:
    """A call in progress, of which this worker has the lease."""

    database: Database
    call: NewCall
    token: int
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def persistence(self) -> Persistence:
        return Persistence(lambda _seconds: None)

    def writer(
        self, database: Database | None = None, token: int | None = None, first: int = 0, **more: Any
    ) -> TranscriptWriter:
        """One that runs until the test ends."""
        where = database or self.database
        writer = TranscriptWriter(where, self.call.id, token or self.token, self.persistence(), first, **more)
        self.tasks.append(asyncio.create_task(writer.run()))
        return writer

    async def rows(self) -> list[Any]:
        async with self.database.reading() as connection:
            return await read_transcript(connection, self.call.id)

    async def lines(self) -> list[tuple[int, str, str]]:
        return [(row.sequence, row.speaker, row.text) for row in await self.rows()]

    async def take_over(self) -> int | None:
        """Another worker's lease, once ours was revoked."""
        return await take_over(self.database, self.call.id)


async def take_over(database: Database, call_id: str) -> int | None:
    """Revoke a call's lease, whatever signs of life there are, and take it."""
    while True:
        async with database.writing() as connection:
            [held] = [lease for lease in await leases.held_leases(connection) if lease.call_id == call_id]
            if await leases.revoke(connection, held):
                return await leases.take(connection, call_id, "another", "agent-2")


@pytest.fixture
async def running(database_url: str) -> AsyncIterator[Running]:
    async with running_call(database_url) as made:
        yield made


@asynccontextmanager
async def running_call(database_url: str) -> AsyncIterator[Running]:
    """A call of a database in which there may be others."""
    database = Database(database_url, patience_s=PATIENCE_S)
    agent = {"id": str(uuid.uuid4()), "name": "Aria"}
    summary = {"summary": {"enabled": True}}
    call = NewCall(DEFAULT_TENANT, agent, [NewParticipant("webrtc", "ada")], post_call=summary)
    async with database.writing() as connection:
        await connection.execute(sa.insert(agents).values(**agent, tenant_id=DEFAULT_TENANT, config={}))
        store = CallStore(connection)
        await store.create(call)
        token = await leases.take(connection, call.id, "worker", "agent-1")
        assert token is not None
        await store.start(call.id)
    made = Running(database, call, token)
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    await database.close()

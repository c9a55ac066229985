"""What every test may ask for: a migrated database, a LiveKit server, settings, and waiting with a deadline."""

import asyncio
import contextlib
import ctypes
import gc
import inspect
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from xdist.remote import Producer

from calls.database.encryption import Keyring
from calls.database.engine import Database
from calls.migrations import migrate
from calls.settings import Settings
from tests import zygote
from tests.providers import in_thread
from tests.scheduling import BESIDE, Scheduling, in_order, is_beside
from tests.servers import LiveKitServer, PostgresCluster, Program, Redis, S3Server, free_port, process
from tests.telephony import FORMS, PhoneNetwork
from tests.whole_stack import WholeStack, whole_stack_in
from worker import native_log

Until = Callable[..., Awaitable[Any]]
MakeSettings = Callable[..., Settings]
Start = Callable[..., Awaitable[Program]]

PATIENCE_S = 60  # what a busy machine may take for anything
OFTEN_S, AT_LEAST_S = 0.02, 0.2  # how often it is asked whether something has come
SELDOM = 30  # so many times as long as asking takes nobody asks
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def now() -> datetime:
    """This moment, as this machine sees it."""
    return datetime.now(UTC)


def pytest_sessionstart(session: pytest.Session) -> None:
    os.environ.setdefault("TOKIO_WORKER_THREADS", "1")  # for callers, as a worker has it for calls
    worker: dict[str, Any] = getattr(session.config, "workerinput", {})
    if worker and is_beside(worker["workerid"], worker["workercount"]):
        os.nice(BESIDE)  # as is all that it starts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = in_order(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported for the tests stays to the end: no collection of garbage has to look at it.

    Nor does one now, for the little that is garbage of it.
    """
    gc.disable()
    found = yield
    gc.freeze()
    gc.enable()
    return found


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> None:
    """The developer's own keys and settings change no test, and no test spends their money."""
    for name in list(os.environ):
        if name.startswith(("CALLROOM_", "LIVEKIT_", "DEEPGRAM_", "OPENAI_", "AWS_")):
            del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def _livekit_keeps_its_log_to_itself() -> None:
    """For callers, as a worker has it for calls; a worker that is a process has to see to that itself."""
    native_log.leave_alone()


@pytest.fixture(scope="session", autouse=True)
def _no_process_outlives_the_tests() -> Iterator[None]:
    """Whose parent died becomes a child of the tests, instead of init's: so none is missed when all is over."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)
    yield
    zygote.end()
    _, left = psutil.wait_procs(psutil.Process().children(recursive=True), timeout=PATIENCE_S)
    commands = []
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended just now
            commands.append(one.as_dict(["pid", "cmdline", "cwd"]))
            one.kill()
    assert not commands


@pytest.fixture(scope="session")
def livekit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKitServer]:
    """One real livekit-server for the whole run; a test of its webhooks makes a `LiveKitServer` of its own."""
    with LiveKitServer(tmp_path_factory.mktemp("livekit")) as server:
        yield server


@pytest.fixture(scope="session")
def livekit_with_sip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKitServer]:
    """One real livekit-server with Redis, so with its SIP service, for all phone networks of the run."""
    folder = tmp_path_factory.mktemp("livekit-sip")
    with Redis(folder) as redis, LiveKitServer(folder, redis=redis) as server:
        yield server


@pytest.fixture(params=FORMS)
async def network(
    request: pytest.FixtureRequest, livekit_with_sip: LiveKitServer, tmp_path: Path
) -> AsyncIterator[PhoneNetwork]:
    """Phones that LiveKit can call and that call it: the test runs once on each form that is there."""
    async with FORMS[request.param](livekit_with_sip, tmp_path / "network") as running:
        yield running


@pytest.fixture(scope="session")
def _cluster_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In the folder of the run, which its processes share."""
    own = tmp_path_factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "postgres"


@pytest.fixture(scope="session")
def postgres(_cluster_template: Path) -> Iterator[PostgresCluster]:
    with PostgresCluster(_cluster_template) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def _cluster_to_break(_cluster_template: Path) -> Iterator[PostgresCluster]:
    with PostgresCluster(_cluster_template) as cluster:
        yield cluster


@pytest.fixture
def breakable_postgres(_cluster_to_break: PostgresCluster) -> Iterator[PostgresCluster]:
    """A cluster of its own, to be killed or frozen; the next test finds it running again."""
    yield _cluster_to_break
    _cluster_to_break.thaw()
    if _cluster_to_break.program.returncode is not None:
        _cluster_to_break.start()


@pytest.fixture(scope="session")
def _migrated_to_break(_cluster_to_break: PostgresCluster) -> str:
    name = _cluster_to_break.create()
    _migrate(_cluster_to_break.url(name))
    return name


@pytest.fixture
def breakable_url(breakable_postgres: PostgresCluster, _migrated_to_break: str) -> str:
    """The URL of a fresh, migrated database in that cluster."""
    return breakable_postgres.url(breakable_postgres.create(template=_migrated_to_break))


@pytest.fixture(scope="session")
def _shared_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    folder = tmp_path_factory.mktemp("s3") / "buckets"
    folder.mkdir()
    with S3Server(folder) as server:
        yield server


@pytest.fixture
def s3(_shared_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server of buckets, to which this process and those of the test have a key; they may stop it."""
    for name, value in _shared_s3.environment.items():
        monkeypatch.setenv(name, value)
    yield _shared_s3
    if _shared_s3.returncode is not None:
        _shared_s3.start()
        _shared_s3.wait_ready()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "template.db"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresCluster) -> str:
    name = postgres.create()
    _migrate(postgres.url(name))
    return name


def _migrate(url: str) -> None:
    async def run() -> None:
        database = Database(url)
        await migrate(database)
        await database.close()

    with ThreadPoolExecutor(1) as thread:  # this thread's event loop belongs to the test
        thread.submit(asyncio.run, run()).result()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh, migrated database: the test runs once on each kind."""
    yield from _fresh_database(request, request.param)


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh, migrated SQLite database, for a test to which the kind of database makes no difference."""
    yield from _fresh_database(request, "sqlite")


def _fresh_database(request: pytest.FixtureRequest, kind: str) -> Iterator[str]:
    if kind == "sqlite":
        file = request.getfixturevalue("tmp_path") / "callroom.db"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), file)
        yield f"sqlite:///{file}"
        return
    cluster: PostgresCluster = request.getfixturevalue("postgres")
    name = cluster.lend(request.getfixturevalue("migrated_postgres"))
    yield cluster.url(name)
    cluster.take_back(name)


@pytest.fixture
def settings(request: pytest.FixtureRequest, livekit: LiveKitServer, tmp_path: Path) -> MakeSettings:
    """`settings(**changes)`: free ports, the session's LiveKit, and state under the test's own folder.

    The database is the test's `database_url` if it asks for one, else a fresh SQLite file.
    """
    database_url = request.getfixturevalue("database_url" if "database_url" in request.fixturenames else "sqlite_url")

    def make(**changes: object) -> Settings:
        values: dict[str, Any] = {
            "database_url": database_url,
            "livekit_url": livekit.url,
            "livekit_api_key": livekit.key,
            "livekit_api_secret": livekit.secret,
            "state_dir": tmp_path / "state",
            "api_port": free_port(),
            "worker_port": free_port(),
            "pipeline_port": free_port(),
        }
        return Settings(_env_file=None, **(values | changes))

    return make


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """The keys of the test's own folder, which those processes have that are made with `settings`."""
    return Keyring("", tmp_path / "state" / "encryption.key")


@pytest.fixture
async def start(tmp_path: Path) -> Any:
    """`await start("worker", settings)`: that process for real, ready, and stopped when the test ends."""
    programs: list[Program] = []

    async def starter(name: str, with_settings: Settings) -> Program:
        program = process(name, with_settings, tmp_path / "logs" / f"{name}-{len(programs)}.log")
        await program.__aenter__()
        programs.append(program)
        return program

    yield starter
    await asyncio.gather(*(program.__aexit__() for program in programs))


@pytest.fixture(scope="session")
def _shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeStack]:
    with in_thread() as providers, whole_stack_in(tmp_path_factory.mktemp("whole-stack"), providers) as stack:
        yield stack


@pytest.fixture
def whole_stack(_shared_stack: WholeStack) -> WholeStack:
    """The whole stack with local speech, shared by all who need it; who kills a part waits until it is back.

    Should the test before have ended it, it is started again: the last test is the one to do that.
    """
    if _shared_stack.has_ended:
        _shared_stack.start()
    return _shared_stack


@pytest.fixture
def until() -> Until:
    """`await until(predicate)`: the first true value of `predicate()`, a plain or async function.

    It is asked every 20 ms, one that takes long less often: what runs meanwhile needs the processor more than we do.
    """

    async def wait(predicate: Callable[[], Any], timeout: float = PATIENCE_S) -> Any:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            asked = loop.time()
            value = predicate()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            took = loop.time() - asked
            assert loop.time() < deadline, f"still {value!r} after {timeout} s: {inspect.getsource(predicate).strip()}"
            await asyncio.sleep(min(max(OFTEN_S, SELDOM * took), AT_LEAST_S))

    return wait

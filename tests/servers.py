"""Real servers for the tests: each on ports of its own, in a folder of its own, gone when its `with` block is left."""

import asyncio
import contextlib
import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import yaml
from pydantic import AliasChoices, SecretStr
from typing_extensions import override

from calls.settings import NamedProvider, Settings
from drills import postgres
from tests.zygote import Forked, Order, fork

ROOT = Path(__file__).resolve().parent.parent
LIVEKIT_BINARY = ROOT / ".callroom" / "bin" / "livekit-server"
LIVEKIT_KEY = "testkey"
LIVEKIT_SECRET = "a-secret-for-tests-of-more-than-32-characters"
START_TIMEOUT_S = 150

# Below the range from which the kernel takes the ports of outgoing connections, so that nothing takes one by chance
# between the question and the answer. Nor does another process of this test run: each has ports of its own.
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_PORTS = range(15000 + _PROCESS, 32000, _PROCESSES)
_taken: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that is free over TCP and UDP, and given to nobody else in this test run."""
    while True:
        port = random.choice(_PORTS)
        if port not in _taken and _is_free(port):
            _taken.add(port)
            return port


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def wait_until(predicate: Callable[[], object], what: str, timeout: float = START_TIMEOUT_S) -> None:
    """Ask `predicate` every 50 ms until it is true; TimeoutError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not after {timeout:.0f} s")
        time.sleep(0.05)


def answers(url: str) -> bool:
    """Whether a GET of `url` gives a 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (OSError, urllib.error.URLError):
        return False


def environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, with what a child needs of our own environment."""
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    variables |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if value is None or value == field.default:
            continue
        alias = field.validation_alias
        key = str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"CALLROOM_{name.upper()}"
        if isinstance(value, SecretStr):
            variables[key] = value.get_secret_value()
        elif isinstance(value, tuple):
            variables[key] = ",".join(value)
        elif isinstance(value, dict):
            variables[key] = json.dumps({one: _given(inner) for one, inner in value.items()})
        else:
            variables[key] = str(value)
    return variables


def _given(provider: NamedProvider) -> dict[str, str]:
    return {**provider.model_dump(), "api_key": provider.api_key.get_secret_value()}


class Program:
    """A program in a process group of its own; what it prints goes to the file `log`.

    Not in a session of its own: Linux may give each session the same share of the processor, and then a worker with all
    its calls has no more of it than a server that nobody asks.

    Ready when a GET of `ready_url` gives a 2xx (at once without one). Works with `with` and `async with`; leaving stops
    the program and everything that it started, and if the tests themselves are killed, the kernel kills the program.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        ready_url: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        self.ready_url = ready_url
        self.env = dict(os.environ if env is None else env)
        self._process: subprocess.Popen[bytes] | Forked | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, None while it runs; the negative number of the signal that ended it."""
        assert self._process is not None, "not started"
        return self._process.poll()

    @property
    def output(self) -> str:
        """All that was printed so far, stdout and stderr together."""
        return self.log.read_text(errors="replace")

    def start(self) -> None:
        """Start it, from a thread that lives as long as the tests: its end is what the kernel takes for our death."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = self._launch()

    def _launch(self) -> subprocess.Popen[bytes] | Forked:
        guard = ["setpriv", "--pdeathsig", "KILL"]
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [*guard, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=ROOT,
                process_group=0,
            )

    def wait_ready(self, timeout: float = START_TIMEOUT_S) -> None:
        """Wait until it is ready; RuntimeError with what it printed when it ends before."""
        if self.ready_url is not None:
            url = self.ready_url
            wait_until(lambda: self._died() or answers(url), f"{self.command}: {url}", timeout)
        if self._died():
            raise RuntimeError(f"{self.command} ended with {self.returncode}:\n{self.output[-4000:]}")

    def _died(self) -> bool:
        return self.returncode is not None

    def wait(self, timeout: float = START_TIMEOUT_S) -> int:
        """Its exit status, waited for."""
        assert self._process is not None, "not started"
        return self._process.wait(timeout)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it alone, not to its children."""
        os.kill(self.pid, number)

    def kill_group(self) -> None:
        """SIGKILL to it and its children at once: a crash without a last word."""
        self._signal_group(signal.SIGKILL)
        self.wait()

    def stop(self, timeout: float = 10) -> None:
        """SIGTERM to the group, SIGKILL to what is left of it after `timeout` seconds. May be called twice."""
        if self._process is None:
            return
        if not self._died():
            self._signal_group(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(timeout)
        self._signal_group(signal.SIGKILL)
        self._process.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        self.start()
        try:
            await asyncio.to_thread(self.wait_ready)
        except BaseException:
            self.stop()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(self.stop)


class OurProgram(Program):
    """`python -m MODULE ARGUMENTS`, forked from a process that has imported it."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        log: Path,
        env: Mapping[str, str],
        ready_url: str | None = None,
        constants: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__([sys.executable, "-m", module, *arguments], log=log, ready_url=ready_url, env=env)
        self._module, self._arguments, self._constants = module, arguments, constants or {}

    @override
    def _launch(self) -> Forked:
        order: Order = {
            "arguments": self._arguments,
            "constants": self._constants,
            "environment": self.env,
            "folder": str(ROOT),
            "log": str(self.log),
        }
        self.log.touch()  # it is there before the program is, to be read
        return fork(self._module, order)


def process(
    name: str,
    settings: Settings,
    log: Path,
    *,
    ahead_s: float = 0,
    constants: Mapping[str, float] | None = None,
) -> Program:
    """One of ours, `api`, `worker` or `pipeline`, as `python -m` runs it; ready when its /readyz says so.

    Its wall clock is `ahead_s` seconds ahead of this machine's, or behind. `constants` of its modules, by their full
    names, have other values in it: what takes half a minute is not waited for that long.
    """
    arguments = ["start"] if name == "worker" else []
    ready_url = f"http://127.0.0.1:{getattr(settings, f'{name}_port')}/readyz"
    env = environment(settings)
    if ahead_s:
        env |= {"PYTHONPATH": str(ROOT / "tests" / "elsewhere"), "AHEAD_S": str(ahead_s)}
    return OurProgram(name, *arguments, log=log, ready_url=ready_url, env=env, constants=constants)


class Redis(Program):
    """A redis-server that keeps nothing on disk: what it knew is gone when it ends."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        listens = ["--bind", "127.0.0.1", "--port", str(self.port)]
        super().__init__(
            ["redis-server", *listens, "--save", "", "--dir", folder],
            log=folder / f"redis-{self.port}.log",
        )

    @override
    def wait_ready(self, timeout: float = START_TIMEOUT_S) -> None:
        wait_until(self._listens, f"{self.command}", timeout)
        super().wait_ready(timeout)

    def _listens(self) -> bool:
        return self._died() or "Ready to accept connections" in self.output


class S3Server(Program):
    """A server that speaks S3 and checks every signature; `folder` has a folder for each bucket.

    It may be stopped and started again: what it keeps is on disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.key, self.secret = "tests", "a-secret-of-the-tests"
        listens = ["--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{self.key},{self.secret}"]
        # Without any time to remember a folder it never rests.
        knows_nothing_before = ["--config", os.devnull, "--dir-cache-time", "10ms"]
        super().__init__(
            [Path(sys.executable).with_name("rclone"), "serve", "s3", folder, *listens, *knows_nothing_before],
            log=folder.with_name(f"{folder.name}.log"),
        )

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs that keeps something there."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "eu-west-1",
        }

    def create(self, name: str) -> Path:
        """A new bucket; the folder in which its files are found."""
        bucket = self.folder / name
        bucket.mkdir(parents=True)
        return bucket

    @override
    def wait_ready(self, timeout: float = START_TIMEOUT_S) -> None:
        wait_until(self._listens, f"{self.command}", timeout)
        super().wait_ready(timeout)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return self._died() or probe.connect_ex(("127.0.0.1", self.port)) == 0


class LiveKitServer(Program):
    """A livekit-server with the checkout's own configuration, on ports and with keys of its own.

    With a running `redis` it has its SIP service: trunks and dispatch rules, and calls where a bridge is.
    """

    def __init__(self, folder: Path, *, webhook_url: str | None = None, redis: Redis | None = None) -> None:
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        self.key, self.secret = LIVEKIT_KEY, LIVEKIT_SECRET
        self.redis = redis
        config = yaml.safe_load((ROOT / "livekit.yaml").read_text())
        config |= {"port": self.port, "keys": {self.key: self.secret}}
        config["rtc"] |= {"udp_port": free_port(), "tcp_port": free_port()}
        config["webhook"] = {"api_key": self.key, "urls": [webhook_url] if webhook_url else []}
        if redis is not None:
            config["redis"] = {"address": redis.address}
            config["room"]["auto_create"] = True  # an inbound call makes its room
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"livekit-{self.port}.yaml"
        file.write_text(yaml.safe_dump(config))
        super().__init__(
            [LIVEKIT_BINARY, "--config", file],
            log=folder / f"livekit-{self.port}.log",
            ready_url=f"http://127.0.0.1:{self.port}/",
        )


# A migrated database has one row, beside the number of its schema.
_REMEMBER = "CREATE SCHEMA pristine; CREATE TABLE pristine.tenants AS TABLE tenants"
_EMPTY = """
DO $$ DECLARE name text; BEGIN
    PERFORM pg_terminate_backend(pid, 10000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET session_replication_role = replica; -- so that it does not matter which goes first
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0 LOOP -- the others were never written to
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    INSERT INTO tenants TABLE pristine.tenants;
    PERFORM setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S';
END $$
"""


class PostgresCluster(postgres.PostgresCluster):
    """A cluster for one test run, with a database for each test.

    Args:
        template: where the first one leaves what it is made of, for those of the other processes.
    """

    def __init__(self, template: Path) -> None:
        super().__init__(free_port())
        self._template = template
        self._count = 0
        self._spare: list[str] = []

    @override
    def _fill(self) -> None:
        with self._template.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._template.exists():
                super()._fill()
                _copy(self._data, self._template)
                return
        _copy(self._template, self._data)

    def lend(self, template: str) -> str:
        """The name of a database that is as `template` is; it is to be given back, and so one serves many.

        What makes a new one dear is not the copy: whoever comes first into a database has to find out what is in it.
        """
        if self._spare:
            return self._spare.pop()
        name = self.create(template=template)
        self._tell(name, _REMEMBER)
        return name

    def take_back(self, name: str) -> None:
        """Put out whoever is still connected to a database that was lent, and remove what was written into it."""
        self._tell(name, _EMPTY)
        self._spare.append(name)

    def _tell(self, name: str, statement: str) -> None:
        self.run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement, name)

    def create(self, *, template: str = "template0") -> str:
        """The name of a new database, a copy of `template`, to which nobody may be connected."""
        self._count += 1
        name = f"test_{self._count}"
        self.run("createdb", "--template", template, "--strategy", "file_copy", name)
        return name


def _copy(folder: Path, target: Path) -> None:
    """With all files, whoever owns them: all of it is there or nothing, also if this process is killed meanwhile."""
    half = target.with_name(f"{target.name}.{os.getpid()}")
    subprocess.run(["cp", "-a", folder, half], check=True)
    half.rename(target)

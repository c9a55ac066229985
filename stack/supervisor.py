"""supervisord, run for the programs of a stack: it starts them, brings back one that dies, and ends them all.

Nothing outlives it: when it is killed, the kernel kills its programs; when we are, it stops them and itself.
"""

import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from stack.programs import Program
from stack.settings import ROOT

# A program that dies within so many seconds of its start has failed to start; after so many tries supervisord gives up.
START_SECONDS = 10
START_RETRIES = 3
# A worker that is told to stop waits for its calls to end. Whoever stops the whole stack does not want to.
STOP_SECONDS = 8

_HEAD = """
[supervisord]
nodaemon = true
logfile = {logs}/supervisord.log
pidfile = {folder}/supervisord.pid

[unix_http_server]
file = {folder}/socket

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

_PROGRAM = """
[program:{name}]
command = {command}
directory = {root}
priority = {priority}
startsecs = {start_seconds}
startretries = {start_retries}
autorestart = true
stopsignal = {stop_signal}
stopwaitsecs = {stop_seconds}
stopasgroup = {stop_as_group}
killasgroup = true
redirect_stderr = true
stdout_logfile = {logs}/{name}.log
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 1
"""


@dataclass(frozen=True)
class State:
    """How a program fares: `started` is when it was last started, `given_up` that it will not be again."""

    started: int
    given_up: bool
    last_words: str


class SupervisorEnded(Exception):
    """supervisord is gone, though nobody asked it to stop."""


class Supervisor:
    """The programs run while the `with` block does."""

    def __init__(self, programs: Sequence[Program], logs: Path, environment: Mapping[str, str]) -> None:
        self._programs = programs
        self._logs = logs
        self._environment = environment
        self._folder = Path(tempfile.mkdtemp(prefix="callroom-"))  # a socket's path has 108 bytes at most
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        config = self._folder / "supervisord.conf"
        config.write_text(self._config())
        command = [*dies_with_parent("TERM"), sys.executable, "-m", "supervisor.supervisord", "-c", str(config)]
        self._process = subprocess.Popen(  # noqa: S603 # a fixed program and our own file
            command,
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us: we tell it in our own time
        )
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait((STOP_SECONDS + 2) * len(self._programs))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def states(self) -> dict[str, State]:
        """The state of each program by name, none while supervisord itself starts; SupervisorEnded when it is gone."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise SupervisorEnded(f"supervisord ended with status {self._process.returncode}")
        try:
            with self._rpc() as rpc:
                infos = cast("list[dict[str, Any]]", rpc.supervisor.getAllProcessInfo())
        except (FileNotFoundError, ConnectionRefusedError):
            return {}
        return {
            info["name"]: State(info["start"], info["statename"] == "FATAL", info["spawnerr"] or info["description"])
            for info in infos
        }

    def restart(self, name: str) -> None:
        """Stop a program, with all that it started, and start it again; takes up to `STOP_SECONDS`."""
        with self._rpc() as rpc, suppress(Fault):  # it has died just now, and is started again anyway
            rpc.supervisor.stopProcess(name)
            rpc.supervisor.startProcess(name, False)  # noqa: FBT003 - whether to wait; it takes no names

    def stop(self, name: str) -> None:
        """Stop a program for good, with all that it started; takes up to `STOP_SECONDS`."""
        with suppress(Fault, OSError), self._rpc() as rpc:  # it does not run, or supervisord does not
            rpc.supervisor.stopProcess(name)

    def _rpc(self) -> ServerProxy:
        return ServerProxy("http://localhost", SupervisorTransport(serverurl=f"unix://{self._folder}/socket"))

    def _config(self) -> str:
        text = _HEAD.format(logs=_escape(self._logs), folder=_escape(self._folder))
        for priority, program in enumerate(self._programs):
            text += _PROGRAM.format(
                name=program.name,
                command=_escape(shlex.join([*dies_with_parent("KILL"), *program.command])),
                root=_escape(ROOT),
                priority=priority,
                start_seconds=START_SECONDS,
                start_retries=START_RETRIES,
                stop_signal=program.stop_signal,
                stop_seconds=STOP_SECONDS,
                stop_as_group=str(not program.stops_its_own).lower(),
                logs=_escape(self._logs),
            )
        return text


def dies_with_parent(signal: str) -> list[str]:
    """The words before a command that have Linux send it `signal` when its parent dies."""
    return ["setpriv", "--pdeathsig", signal] if shutil.which("setpriv") else []


def _escape(value: str | Path) -> str:
    return str(value).replace("%", "%%")

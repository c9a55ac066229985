"""A PostgreSQL server of one's own, to be killed, frozen and brought back."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import psutil

from stack.supervisor import dies_with_parent

# No connection goes out from this address, so that none takes the port, or answers itself, while the server is away.
HOST = "127.0.0.2"
WITHIN_S = 150  # a busy machine
_SUPERUSER = "postgres"
_DEBIAN = Path("/usr/lib/postgresql")


class PostgresCluster:
    """A private cluster, which outlives its own death but not that of the machine; gone when its `with` block is left.

    PostgreSQL refuses to be run by root: then the user is its own that its Debian package makes.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._user = "postgres" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="callroom-postgres-"))
        self._data = self._folder / "data"
        self._log = self._folder / "log"
        self._program: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if self._user is not None:
            shutil.chown(self._folder, self._user, self._user)
        self._fill()
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.thaw()
        self.program.send_signal(signal.SIGINT)  # the fast shutdown: SIGTERM would wait for clients to leave
        self.program.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def program(self) -> subprocess.Popen[bytes]:
        assert self._program is not None, "not started"
        return self._program

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{_SUPERUSER}@{HOST}:{self._port}/{database}"

    def start(self) -> None:
        """`launch` it and wait until it is ready: from a thread that lives as long as it is to live."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it, again after `kill`: what was committed is there. It ends with the thread that starts it."""
        chosen = ["fsync=off", "full_page_writes=off", f"listen_addresses={HOST}", "max_connections=200"]
        options = [part for option in chosen for part in ("-c", option)]
        where = ["-D", str(self._data), "-k", str(self._folder), "-p", str(self._port)]
        self._program = self._start("postgres", *where, *options)

    def wait_ready(self) -> None:
        """Return when it answers; TimeoutError if it does not."""
        deadline = time.monotonic() + WITHIN_S
        while self.run("pg_isready", "-q", check=False) != 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"PostgreSQL did not start:\n{self._log.read_text()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL to all of it at once; `launch` brings it back on the same address."""
        self._signal_all(signal.SIGKILL)
        self.program.wait()

    def freeze(self) -> None:
        """Stop all of it in its tracks: connections are accepted by the kernel, and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where it was."""
        self._signal_all(signal.SIGCONT)

    def run(self, tool: str, *arguments: str, check: bool = True) -> int:
        """The status of one of PostgreSQL's client programs, run against this server; an error if it has to be 0."""
        where = ["-h", HOST, "-p", str(self._port), "-U", _SUPERUSER]
        return subprocess.run([_path(tool), *where, *arguments], check=check, cwd="/").returncode

    def _fill(self) -> None:
        """Make the data of a cluster that has none."""
        initdb = ["initdb", "-D", str(self._data), "-U", _SUPERUSER, "-A", "trust", "--no-sync"]
        if self._start(*initdb, "-E", "UTF8", "--locale=C").wait() != 0:
            raise RuntimeError(f"initdb failed:\n{self._log.read_text()}")

    def _start(self, tool: str, *arguments: str) -> subprocess.Popen[bytes]:
        guard = dies_with_parent("KILL")
        if self._user is not None:
            guard = [*(guard or ["setpriv"]), f"--reuid={self._user}", f"--regid={self._user}", "--init-groups"]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*guard, _path(tool), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                process_group=0,
            )

    def _signal_all(self, number: signal.Signals) -> None:
        """To the server, and to all that it has started; each of these has a process group of its own."""
        if self.program.poll() is not None:
            return
        server = psutil.Process(self.program.pid)
        server.suspend()  # so that it starts no others meanwhile
        children = server.children()
        for process in (server, *children):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if number == signal.SIGKILL:
            psutil.wait_procs(children, timeout=WITHIN_S)


def is_installed() -> bool:
    """Whether PostgreSQL's server programs are on this machine."""
    return shutil.which(_path("initdb")) is not None


def _path(tool: str) -> str:
    """Debian keeps the newest server's programs off the PATH."""
    return next((str(path) for path in sorted(_DEBIAN.glob(f"*/bin/{tool}"), reverse=True)), tool)

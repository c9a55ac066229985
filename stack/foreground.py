"""The foreground: start the programs, say how they fare, and stop them when told to or when one keeps dying."""

import signal
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stack.programs import Program
from stack.supervisor import Supervisor, SupervisorEnded

LOOK_EVERY_S = 0.25
READY_WITHIN_S = 180
# More restarts of one program than this, within this time, and it keeps dying.
RESTARTS = 5
RESTARTS_WITHIN_S = 120


class StackFailed(Exception):
    """The stack cannot go on; the text says which part, and where to look."""


def run(
    programs: Sequence[Program],
    logs: Path,
    environment: Mapping[str, str],
    when_ready: Callable[[], None],
) -> None:
    """Run the programs until SIGINT, SIGTERM or SIGHUP; StackFailed if one keeps dying. All are stopped on return."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    with Supervisor(programs, logs, environment) as supervisor:
        try:
            _watch(_Watch(programs, logs), supervisor, stop, when_ready)
        finally:
            print("Stopping.", flush=True)


def _watch(watch: "_Watch", supervisor: Supervisor, stop: threading.Event, when_ready: Callable[[], None]) -> None:
    announced = False
    while not stop.wait(LOOK_EVERY_S):
        watch.look(supervisor)
        if not announced and not watch.waiting:
            when_ready()
            announced = True


class _Watch:
    """What was seen of the programs so far."""

    def __init__(self, programs: Sequence[Program], logs: Path) -> None:
        self._programs = {program.name: program for program in programs}
        self._logs = logs
        self._started: dict[str, int] = {}
        self._restarts: defaultdict[str, list[float]] = defaultdict(list)
        self.waiting = dict.fromkeys(self._programs, time.monotonic())  # not ready, since when

    def look(self, supervisor: Supervisor) -> None:
        """Print what changed; StackFailed if a program keeps dying or is never ready."""
        try:
            states = supervisor.states()
        except SupervisorEnded as error:
            raise StackFailed(f"{error}: see {self._logs / 'supervisord.log'}") from error
        for name, state in states.items():
            if state.given_up:
                self._fail(name, f"keeps dying ({state.last_words})")
            if self._started.setdefault(name, state.started) not in {0, state.started}:
                self._note_restart(name)
            self._started[name] = state.started
        for name, since in list(self.waiting.items()):
            if _answers(self._programs[name].ready_url):
                del self.waiting[name]
                print(f"{name} is ready after {time.monotonic() - since:.1f} s", flush=True)
            elif time.monotonic() - since > READY_WITHIN_S:
                self._fail(name, f"is not ready after {READY_WITHIN_S} s")

    def _note_restart(self, name: str) -> None:
        now = time.monotonic()
        self._restarts[name] = [at for at in self._restarts[name] if now - at < RESTARTS_WITHIN_S] + [now]
        self.waiting[name] = now
        if len(self._restarts[name]) > RESTARTS:
            self._fail(name, "keeps dying")
        print(f"{name} died and was started again", flush=True)

    def _fail(self, name: str, how: str) -> None:
        log = self._logs / f"{name}.log"
        if log.exists():
            print(*log.read_text(errors="replace").splitlines()[-15:], sep="\n", flush=True)
        raise StackFailed(f"{name} {how}. Everything is stopped; its last words are above, the rest is in {log}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 # our own health addresses
            return True
    except (OSError, urllib.error.URLError):
        return False

"""The foreground: start the programs, say how they fare, and stop them when told to or when one keeps dying.

A program that runs and was ready, but is of no use any more, is started again: it hangs, or says itself that something
is wrong with it. One that waits for another (the database, LiveKit) says so by a 503, and is left alone: to start it
again would end its calls and bring nothing back. Nor has it failed if it dies meanwhile and waits again: what it waits
for was there before. A program that was never ready has nothing to show that it can work here.
"""

import signal
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from queue import Empty, SimpleQueue

from stack.probes import status_of
from stack.programs import Program
from stack.supervisor import Supervisor, SupervisorEnded

LOOK_EVERY_S = 0.25
CHECK_EVERY_S = 5.0
USELESS_CHECKS = 12  # so many in a row: a minute
ANSWERS_WITHIN_S = 4.0  # a program asks others before it says that it is ready
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
    when_stopping: Callable[[], None],
) -> None:
    """Run the programs until SIGINT, SIGTERM or SIGHUP; StackFailed if one keeps dying. All are stopped on return.

    `when_ready` is called when all of them are, `when_stopping` when the last one is stopped and the others still run.
    """
    stop: SimpleQueue[int] = SimpleQueue()  # what a signal may put into while the one before it does; an event hangs
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: stop.put(received))
    with Supervisor(programs, logs, environment) as supervisor:
        try:
            _watch(_Watch(programs, logs), supervisor, stop, when_ready)
        finally:
            print("Stopping.", flush=True)
            supervisor.stop(programs[-1].name)
            when_stopping()


def _watch(watch: "_Watch", supervisor: Supervisor, stop: SimpleQueue[int], when_ready: Callable[[], None]) -> None:
    announced = False
    while not _told(stop):
        watch.look(supervisor)
        if not announced and not watch.waiting:
            when_ready()
            announced = True


def _told(stop: SimpleQueue[int]) -> bool:
    try:
        stop.get(timeout=LOOK_EVERY_S)
    except Empty:
        return False
    return True


class _Watch:
    """What was seen of the programs so far."""

    def __init__(self, programs: Sequence[Program], logs: Path) -> None:
        self._programs = {program.name: program for program in programs}
        self._logs = logs
        self._started: dict[str, int] = {}
        self._restarts: defaultdict[str, list[float]] = defaultdict(list)
        self._check_at = dict.fromkeys(self._programs, 0.0)
        self._useless: defaultdict[str, int] = defaultdict(int)  # the checks in a row that found a program so
        self.waiting = dict.fromkeys(self._programs, time.monotonic())  # not ready, since when
        self._fails_at = dict.fromkeys(self._programs, time.monotonic() + READY_WITHIN_S)  # unless ready by then
        self._once_ready: set[str] = set()

    def look(self, supervisor: Supervisor) -> None:
        """Print what changed, start again what is of no use; StackFailed if a program keeps dying or is never ready."""
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
            status = status_of(self._programs[name].ready_url, ANSWERS_WITHIN_S)
            now = time.monotonic()
            if status == HTTPStatus.OK:
                del self.waiting[name]
                self._once_ready.add(name)
                print(f"{name} is ready after {now - since:.1f} s", flush=True)
            elif status == HTTPStatus.SERVICE_UNAVAILABLE and name in self._once_ready:
                self._fails_at[name] = now + READY_WITHIN_S
            elif now > self._fails_at[name]:
                self._fail(name, f"is not ready after {READY_WITHIN_S} s")
        self._check_one(supervisor)

    def _check_one(self, supervisor: Supervisor) -> None:
        """Check one program that is due, not all: each that hangs holds us up for the time-out."""
        now = time.monotonic()
        due = (name for name in self._programs if name not in self.waiting and self._check_at[name] <= now)
        if (name := next(due, None)) is None:
            return
        status = status_of(self._programs[name].ready_url, ANSWERS_WITHIN_S)
        self._check_at[name] = now + CHECK_EVERY_S
        self._useless[name] = (
            0 if status in {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE} else self._useless[name] + 1
        )
        if self._useless[name] >= USELESS_CHECKS:
            self._useless[name] = 0
            print(f"{name} runs, but {'says that it cannot work' if status else 'does not answer'}", flush=True)
            supervisor.restart(name)

    def _note_restart(self, name: str) -> None:
        now = time.monotonic()
        self._restarts[name] = [at for at in self._restarts[name] if now - at < RESTARTS_WITHIN_S] + [now]
        self.waiting[name] = now
        self._fails_at[name] = now + READY_WITHIN_S
        if len(self._restarts[name]) > RESTARTS:
            self._fail(name, "keeps dying")
        print(f"{name} died and was started again", flush=True)

    def _fail(self, name: str, how: str) -> None:
        log = self._logs / f"{name}.log"
        if log.exists():
            print(*log.read_text(errors="replace").splitlines()[-15:], sep="\n", flush=True)
        raise StackFailed(f"{name} {how}. Everything is stopped; its last words are above, the rest is in {log}")

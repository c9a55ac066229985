"""The real supervisor, running small stand-in programs."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers import ROOT, Program, answers, free_port, wait_until

pytestmark = pytest.mark.restless

Stack = Callable[..., Program]


def ailing(name: str, folder: Path, port: int) -> str:
    """A program whose answers are what is in the file of its name."""
    return f"{name}=http://127.0.0.1:{port}/={sys.executable} {ROOT}/tests/stack/ailing.py {port} {folder / name}"


def serving(name: str, folder: Path, port: int) -> str:
    """A program that answers on a port, with a child of its own."""
    server = f"{sys.executable} -m http.server {port} --bind 127.0.0.1 --directory {folder}"
    return f"{name}=http://127.0.0.1:{port}/=sh -c 'sleep 1000 & {server}; wait'"


def started(folder: Path, *words: str, ready_within_s: int = 60) -> Program:
    """A stack of these programs."""
    runner = str(ROOT / "tests/stack/foreground.py")
    command = [sys.executable, runner, str(folder / "logs"), str(ready_within_s), *words]
    program = Program(command, log=folder / "output", env=os.environ | {"PYTHONPATH": str(ROOT)})
    program.start()
    return program


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    programs: list[Program] = []

    def start(*words: str, ready_within_s: int = 60) -> Program:
        programs.append(started(tmp_path, *words, ready_within_s=ready_within_s))
        return programs[-1]

    yield start
    for program in programs:
        program.stop(30)


@pytest.fixture(scope="module", autouse=True)
def beyond_repair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Program]]:
    """Stacks with a program that does not work any more and one that waits for another, both started again.

    They end by themselves after a while: the other tests go on meanwhile.
    """
    programs: list[Program] = []
    try:
        for status in ("500", ""):
            folder = tmp_path_factory.mktemp("stack")
            ports = {"waits": free_port(), "broken": free_port()}
            words = (ailing(name, folder, port) for name, port in ports.items())
            program = started(folder, *words, ready_within_s=20)
            programs.append(program)
            wait_for_both(program)
            # Were the one that waits not waited for, it would be first to fail.
            for name, answer in (("waits", "503"), ("broken", status)):
                (folder / name).write_text(answer)
                restart(program, name, ports[name])
        yield programs
    finally:
        for program in programs:
            program.stop(30)


def wait_for_both(program: Program) -> None:
    wait_until(lambda: "all ready" in program.output, "both programs")


@pytest.fixture
def two_servers(stack: Stack, tmp_path: Path) -> tuple[Program, dict[str, int]]:
    ports = {"first": free_port(), "second": free_port()}
    program = stack(*(serving(name, tmp_path, port) for name, port in ports.items()))
    wait_for_both(program)
    return program, ports


def listener(stack_program: Program, port: int) -> psutil.Process:
    """The process of the stack that runs the server on `port`."""
    return next(
        child for child in psutil.Process(stack_program.pid).children(recursive=True) if str(port) in child.cmdline()
    )


def restart(stack_program: Program, name: str, port: int) -> None:
    """Kill one of the stack's programs, and wait until it is started again."""
    listener(stack_program, port).kill()
    wait_until(lambda: f"{name} died and was started again" in stack_program.output, f"{name}, again")


def test_a_killed_program_comes_back_while_the_others_run_on(two_servers: tuple[Program, dict[str, int]]) -> None:
    program, ports = two_servers
    other = listener(program, ports["second"])
    shell = listener(program, ports["first"]).parent()
    assert shell is not None
    os.killpg(shell.pid, signal.SIGKILL)
    wait_until(lambda: program.output.count("first is ready") == 2, "the first program, again", 100)
    assert answers(f"http://127.0.0.1:{ports['first']}/")
    assert other == listener(program, ports["second"])
    assert "first died and was started again" in program.output


def test_a_program_that_hangs_is_started_again(two_servers: tuple[Program, dict[str, int]]) -> None:
    program, ports = two_servers
    other = listener(program, ports["second"])
    listener(program, ports["first"]).suspend()
    wait_until(lambda: program.output.count("first is ready") == 2, "the first program, again", 120)
    assert answers(f"http://127.0.0.1:{ports['first']}/")
    assert other == listener(program, ports["second"])
    assert "first runs, but does not answer" in program.output


def test_a_program_that_says_that_it_cannot_work_is_started_again_unless_it_waits_for_another(
    stack: Stack,
    tmp_path: Path,
) -> None:
    states = {"broken": 500, "waits": 503}
    program = stack(*(ailing(name, tmp_path, free_port()) for name in states))
    wait_for_both(program)
    for name, status in states.items():
        (tmp_path / name).write_text(str(status))
    wait_until(lambda: program.output.count("broken runs, but says that it cannot work") == 1, "the check")
    (tmp_path / "broken").write_text("200")
    wait_until(lambda: program.output.count("broken is ready") == 2, "the broken program, again")
    assert "waits runs" not in program.output
    assert program.output.count("waits is ready") == 1


def test_a_program_that_was_never_ready_ends_the_stack_also_if_it_waits_for_another(
    stack: Stack,
    tmp_path: Path,
) -> None:
    (tmp_path / "waits").write_text("503")
    program = stack(ailing("waits", tmp_path, free_port()), ready_within_s=1)
    assert program.wait(60) == 1
    assert program.output.splitlines()[-1].startswith("waits is not ready after 1 s")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_foreground_ends(
    two_servers: tuple[Program, dict[str, int]],
    number: signal.Signals,
) -> None:
    program, _ = two_servers
    foreground = psutil.Process(program.pid)

    def names() -> list[str]:
        return [process.name() for process in foreground.children(recursive=True)]

    wait_until(lambda: names().count("sleep") == 2, "what the programs start", 60)
    family = foreground.children(recursive=True)
    program.send(number)
    assert program.wait(60) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    assert ("answering: ['first']" in program.output) is (number != signal.SIGKILL), "calls end while the others run"
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive


def test_told_to_stop_again_and_again_it_stops(two_servers: tuple[Program, dict[str, int]]) -> None:
    """As by Ctrl-C and its parent at once: a signal may come while the one before it is still being noted."""
    program, _ = two_servers
    for times in range(3_000):
        program.send((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[times % 3])
        next_at = time.perf_counter() + times % 101 * 1e-6  # none of them may meet the other at a bad moment
        while time.perf_counter() < next_at:
            pass
    assert program.wait(60) == 0
    assert program.output.count("Stopping.") == 1


def test_a_killed_supervisor_takes_its_programs_with_it_and_ends_the_stack(
    two_servers: tuple[Program, dict[str, int]],
) -> None:
    program, _ = two_servers
    (supervisord,) = psutil.Process(program.pid).children()
    programs = supervisord.children()
    family = supervisord.children(recursive=True)
    supervisord.kill()
    assert program.wait(60) == 1
    assert "supervisord ended" in program.output.splitlines()[-1]
    _, alive = psutil.wait_procs(programs, timeout=30)
    assert not alive
    for orphan in (one for one in family if one.is_running()):  # a program that is killed takes no children with it
        orphan.kill()


def test_a_program_that_keeps_dying_ends_the_stack_with_a_clear_last_line(stack: Stack, tmp_path: Path) -> None:
    port = free_port()
    fails = "fails=http://127.0.0.1:1/=sh -c 'echo out of luck; exit 3'"
    program = stack(serving("good", tmp_path, port), fails)
    assert program.wait(60) == 1
    *_, last = program.output.splitlines()
    assert last.startswith("fails keeps dying")
    assert str(tmp_path / "logs" / "fails.log") in last
    assert "out of luck" in program.output
    assert not answers(f"http://127.0.0.1:{port}/")


def test_a_program_that_died_and_waits_for_another_is_waited_for_but_not_one_that_does_not_work(
    beyond_repair: list[Program],
) -> None:
    for program in beyond_repair:
        assert program.wait(60) == 1
        assert program.output.splitlines()[-1].startswith("broken is not ready after 20 s")

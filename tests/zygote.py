"""A process that has imported what a program of ours needs, and forks each one that the tests start.

To load Python and our packages takes seconds of a processor, and the tests start a hundred programs. What is forked
here goes on as `python -m MODULE` would, in a process group of its own and as a child of the tests.

Serving, `python -m tests.zygote MODULE`, it takes an `Order` from each line of its stdin and answers with the number of
the process.
"""

import ctypes
import gc
import importlib
import json
import math
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TypedDict

IMPORTS = {
    "api": "api.app",
    "pipeline": "pipeline.__main__",
    "worker": "worker.warm",
    "tests.pipeline.holder": "worker.room.lease",
}
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Order(TypedDict):
    """What to run: its arguments, all of its environment, its folder, and the file that gets what it prints.

    With which `constants` it has another value in our modules: by their full names, as "worker.ranking.AGAIN_S".
    """

    arguments: Sequence[str]
    constants: Mapping[str, float]
    environment: Mapping[str, str]
    folder: str
    log: str


class Forked:
    """A process that was forked for us; the part of `subprocess.Popen` that the tests need."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None
        self._asking = threading.Lock()

    def poll(self) -> int | None:
        with self._asking:
            if self._status is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self._status = os.waitstatus_to_exitcode(status) if pid else None
            return self._status

    def wait(self, timeout: float | None = None) -> int:
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(0.01)
        return status


_serving: dict[str, subprocess.Popen[str]] = {}


def fork(module: str, order: Order) -> Forked:
    """Run it; whoever asks has to adopt orphans (PR_SET_CHILD_SUBREAPER). The first one waits for the imports."""
    if module not in _serving:
        _serving[module] = subprocess.Popen(
            [sys.executable, "-m", "tests.zygote", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: order["environment"][name] for name in ("PATH", "HOME", "LANG") if name in order["environment"]},
            cwd=order["folder"],
            process_group=0,
        )
    zygote = _serving[module]
    assert zygote.stdin is not None
    assert zygote.stdout is not None
    zygote.stdin.write(json.dumps(order) + "\n")
    zygote.stdin.flush()
    return Forked(int(zygote.stdout.readline()))


def end() -> None:
    """Fork no more; what was forked goes on."""
    for zygote in _serving.values():
        zygote.communicate()
    _serving.clear()


def next_born(module: str) -> Order | None:
    """Return in every process that is forked, with what it is to run, and in this one when no more are wanted."""
    given = dict(os.environ)
    gc.disable()  # there is next to no garbage, and to look for it takes a third of the time
    importlib.import_module(IMPORTS[module])
    made = {name: value for name, value in os.environ.items() if given.get(name) != value}
    gc.freeze()  # a collection would write into all that is shared
    gc.enable()
    for line in sys.stdin:
        between = os.fork()
        if between:
            os.waitpid(between, 0)
            continue
        between = os.getpid()
        if os.fork():
            os._exit(0)
        while os.getppid() == between:  # until it is adopted
            time.sleep(0.001)
        os.setpgid(0, 0)  # before anybody knows its number: it is killed with its group
        os.write(1, f"{os.getpid()}\n".encode())
        order: Order = json.loads(line)
        order["environment"] = {**order["environment"], **made}
        return order
    return None


def become(order: Order) -> None:
    """Look as a program does that was just started."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    if "AHEAD_S" in os.environ:
        importlib.import_module("tests.elsewhere.sitecustomize")  # what Python itself does for those that it starts
    for constant, value in order["constants"].items():
        module, _, attribute = constant.rpartition(".")
        assert hasattr(sys.modules[module], attribute), constant
        setattr(sys.modules[module], attribute, value)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)


if __name__ == "__main__":
    name = sys.argv[1]
    wanted = next_born(name)
    if wanted is not None:
        become(wanted)
        sys.argv = [name, *wanted["arguments"]]
        sys.modules.pop(f"{name}.__main__", None)
        runpy.run_module(name, run_name="__main__", alter_sys=True)

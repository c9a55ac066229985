"""The whole stack as `make up` runs it, on ports and in a folder of its own."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from stack.settings import StackSettings
from stack.state import read_env
from tests.servers import Program, free_port, wait_until

START_TIMEOUT_S = 150


class WholeStack:
    """A running stack: its addresses and key, and its processes."""

    def __init__(self, program: Program, folder: Path, ports: dict[str, int]) -> None:
        self.ports = ports
        self.folder = folder
        self.env = read_env(folder / "env")
        self.url = self.env["CALLROOM_URL"]
        self.key = self.env["CALLROOM_API_KEY"]
        self._program = program

    @property
    def output(self) -> str:
        """What `make up` printed so far."""
        return self._program.output

    def process(self, module: str) -> psutil.Process:
        """The process that runs `python -m MODULE`, as it is now."""
        for child in psutil.Process(self._program.pid).children(recursive=True):
            if child.cmdline()[1:3] == ["-m", module]:
                return child
        raise LookupError(f"no process of the stack runs {module}")

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")


@contextmanager
def whole_stack_in(folder: Path) -> Iterator[WholeStack]:
    """Start it, wait until it says that it is up, and stop it."""
    ports = {name: free_port() for name in StackSettings.model_fields if name.endswith("_port")}
    env = os.environ | {f"CALLROOM_{name.upper()}": str(port) for name, port in ports.items()}
    env["CALLROOM_STATE_DIR"] = str(folder)
    program = Program([sys.executable, "-m", "stack"], log=folder / "output", env=env)
    program.start()
    try:
        wait_until(
            lambda: "Callroom is up" in program.output or program.returncode is not None,
            f"the whole stack, see {program.log}",
            START_TIMEOUT_S,
        )
        if program.returncode is not None:
            raise RuntimeError(f"The stack ended:\n{program.output}")
        yield WholeStack(program, folder, ports)
    finally:
        program.stop(60)

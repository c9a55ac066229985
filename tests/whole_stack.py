"""The whole stack as `make up` runs it, on ports and in a folder of its own; with phones where there is a bridge.

It hears and speaks with local speech. What the language model says is scripted, so that a test can rely on it.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from stack.settings import StackSettings
from stack.state import read_env
from tests.providers import Chat, Providers
from tests.servers import Program, free_port, wait_until
from tests.telephony.bridge import BINARY

START_TIMEOUT_S = 150


class WholeStack:
    """A running stack: its addresses and key, its processes, and the providers that it asks."""

    def __init__(self, program: Program, folder: Path, ports: dict[str, int], providers: Providers) -> None:
        self.ports = ports
        self.folder = folder
        self.providers = providers
        self._program = program
        self.start()
        self.env = read_env(folder / "env")
        self.url = self.env["CALLROOM_URL"]
        self.key = self.env["CALLROOM_API_KEY"]

    @property
    def has_ended(self) -> bool:
        return self._program.returncode is not None

    def start(self) -> None:
        """Return when it says that it is up."""
        self._program.log.unlink(missing_ok=True)
        self._program.start()
        wait_until(
            lambda: "Callroom is up" in self.output or self.has_ended,
            f"the whole stack, see {self._program.log}",
            START_TIMEOUT_S,
        )
        if self.has_ended:
            raise RuntimeError(f"The stack ended:\n{self.output}")

    def end(self, number: signal.Signals) -> int:
        """Its exit status after that signal, when it has left nothing behind."""
        family = psutil.Process(self._program.pid).children(recursive=True)
        self._program.send(number)
        status = self._program.wait(60)
        _, alive = psutil.wait_procs(family, timeout=20)
        assert not alive, f"the stack left {alive}"
        return status

    @property
    def output(self) -> str:
        """What `make up` printed so far."""
        return self._program.output

    def process(self, module: str) -> psutil.Process:
        """The process that runs `python -m MODULE`, as it is now."""
        for child in psutil.Process(self._program.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it ends just now
                if child.cmdline()[1:3] == ["-m", module]:
                    return child
        raise LookupError(f"no process of the stack runs {module}")

    def log(self, name: str) -> str:
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")


def model(chat: Chat) -> str | dict[str, object]:
    """What the scripted model says to anybody, and what it makes of a call."""
    wanted = (chat.schema or {}).get("properties")
    if wanted is None:
        return "Certainly, with pleasure."
    known: dict[str, object] = {
        "summary": "Anna Miller wants a table for four people.",
        "sentiment": "positive",
        "passed": True,
        "score": 0.9,
        "reasoning": "The agent was friendly.",
        "name": "Anna Miller",
    }
    return {name: known[name] for name in wanted}


@contextmanager
def whole_stack_in(folder: Path, providers: Providers) -> Iterator[WholeStack]:
    """Start it, wait until it says that it is up, and stop it."""
    ports = {name: free_port() for name in StackSettings.model_fields if name.endswith("_port")}
    env = os.environ | {f"CALLROOM_{name.upper()}": str(port) for name, port in ports.items()}
    env |= {"CALLROOM_STATE_DIR": str(folder), "CALLROOM_OLLAMA_URL": providers.url, "CALLROOM_SIP_BIN": BINARY or ""}
    env["CALLROOM_STT_WORDS_S"] = "20"  # recognition takes its time on a busy machine
    providers.answer_with(model)
    program = Program([sys.executable, "-m", "stack"], log=folder / "output", env=env)
    try:
        stack = WholeStack(program, folder, ports, providers)
        yield stack
        if not stack.has_ended:
            stack.end(signal.SIGTERM)
    finally:
        program.stop(60)

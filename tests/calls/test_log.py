"""What a process writes to its log of errors that nobody handled."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

SAID = "marzipan"
SCRIPT = f"""
import threading, warnings
from calls.errors import Invalid
from calls.log.lines import configure
from calls.settings import Settings

class Dying:
    def __del__(self):
        int("{SAID}")

configure(Settings(_env_file=None, log_format="FORM"), "api")
thread = threading.Thread(target=int, args=["{SAID}"])
thread.start()
thread.join()
Dying()
warnings.warn("{SAID}")
raise ExceptionGroup("{SAID}", [KeyError("{SAID}"), OSError(98, "Address already in use"), Invalid("ours")])
"""
TOLD = (
    "a thread died",
    "ValueError",
    "an error came too late",
    "UserWarning",
    "the process ends",
    "KeyError",
    "Address already in use; ours",
)
ENDING = f"""
import sys, threading
from calls.log.lines import configure
from calls.settings import Settings

configure(Settings(_env_file=None), "api")
thread = threading.Thread(target=sys.exit, args=["{SAID}"])
thread.start()
thread.join()
try:
    int("{SAID}")
except ValueError:
    raise KeyboardInterrupt
"""


@pytest.mark.parametrize("form", ["text", "json"])
async def test_of_what_nobody_handled_the_log_tells_the_kind_and_the_place_and_never_the_text(form: str):
    status, log = await run(SCRIPT.replace("FORM", form))
    assert status == 1
    assert SAID not in log
    assert [told for told in TOLD if told not in log] == []


async def test_who_ends_a_process_or_a_thread_on_purpose_is_told_of_no_error_and_of_no_text():
    status, log = await run(ENDING)
    assert status == -signal.SIGINT
    assert log.endswith("KeyboardInterrupt\n")
    assert SAID not in log
    assert "ERROR" not in log


async def run(script: str) -> tuple[int | None, str]:
    """The exit status of a process with this script, and all that it has printed to its standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=Path(__file__).parents[2], stderr=asyncio.subprocess.PIPE
    )
    _, printed = await process.communicate()
    return process.returncode, printed.decode()

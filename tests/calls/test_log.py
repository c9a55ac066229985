"""What a process writes to its log of errors that nobody handled."""

import asyncio
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


@pytest.mark.parametrize("form", ["text", "json"])
async def test_of_what_nobody_handled_the_log_tells_the_kind_and_the_place_and_never_the_text(form: str):
    script, folder = SCRIPT.replace("FORM", form), Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=folder, stderr=asyncio.subprocess.PIPE
    )
    _, printed = await process.communicate()
    assert process.returncode == 1
    log = printed.decode()
    assert SAID not in log
    assert [told for told in TOLD if told not in log] == []

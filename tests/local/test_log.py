"""What the local services write to their log of an error."""

import asyncio
import sys
from pathlib import Path

SAID = "marzipan"
SCRIPT = f"""
import logging
from local.log import configure

configure()
try:
    int("{SAID}")
except ValueError:
    logging.getLogger("local").exception("a request failed")
"""


async def test_of_an_error_the_log_tells_the_kind_and_the_place_and_never_the_text():
    folder = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, cwd=folder, stderr=asyncio.subprocess.PIPE
    )
    _, printed = await process.communicate()
    log = printed.decode()
    assert "a request failed" in log
    assert 'File "<string>", line 7' in log
    assert log.endswith("ValueError\n")
    assert SAID not in log

"""What LiveKit's installed plugins take, asked of a short-lived process: this one has no use for LiveKit's agents."""

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calls.errors import Unavailable
from calls.providers.installed import installed_version

logger = logging.getLogger(__name__)

TIMEOUT_S = 60
ROOT = Path(__file__).resolve().parent.parent

Description = Mapping[str, Mapping[str, Any]]


class Plugins:
    """Knows each plugin that was asked for, as `worker/plugins.py` describes the version that is installed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Description] = {}
        self._one_at_a_time = asyncio.Lock()

    async def describe(self, name: str) -> Description | None:
        """What the plugin can do, by kind; None if it is not installed. Unavailable if there was no time to look."""
        version = await asyncio.to_thread(installed_version, name)
        if version is None:
            return None
        async with self._one_at_a_time:
            if (name, version) not in self._known:
                self._known[name, version] = await _describe(name)
        return self._known[name, version]


async def _describe(name: str) -> Description:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "worker.plugins", name),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            printed, _ = await process.communicate()
    except TimeoutError:
        raise Unavailable("The provider's plugin could not be looked at in time; try again.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        logger.warning("a plugin cannot be imported", extra={"plugin": name})
        return {}
    description: Description = json.loads(printed.rpartition(b"\n")[2])  # what came before is not ours
    return description

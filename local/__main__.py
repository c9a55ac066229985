"""`python -m local [--host HOST] [--port PORT]`."""

import argparse
import asyncio
import logging
import signal
import sys
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from local.app import create_app
from local.log import configure
from local.models import LOADING
from local.settings import LocalSettings

log = logging.getLogger("local")


async def serve(settings: LocalSettings) -> None:
    """Serves until a signal says stop. Raises what made the models fail to load."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(create_app(settings), access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.local_host, settings.local_port).start()
        log.info("listening on http://%s:%d", *runner.addresses[0][:2])
        stopped = asyncio.create_task(stop.wait())
        loading = runner.app[LOADING]
        waiting: set[asyncio.Task[Any]] = {stopped, loading}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
        await stopped
    finally:
        await runner.cleanup()


def main() -> None:
    try:
        settings = LocalSettings()
    except ValidationError as error:
        sys.exit(f"local: {error.errors()[0]['msg']}")
    parser = argparse.ArgumentParser(prog="python -m local", description="Speech and language on this machine's CPU.")
    parser.add_argument("--host", default=settings.local_host)
    parser.add_argument("--port", type=int, default=settings.local_port)
    given = parser.parse_args()
    configure()
    asyncio.run(serve(settings.model_copy(update={"local_host": given.host, "local_port": given.port})))


if __name__ == "__main__":
    main()

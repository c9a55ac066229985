"""`python -m pipeline`: runs every queue, admits and watches calls, and keeps trunks until SIGTERM or SIGINT.

Then it lets running jobs finish, and phones that ring: why nobody picks one up is told only to who called it. Meanwhile
it watches calls as before, for another one may be started only when this one is gone.
"""

import asyncio
import logging
import signal
from collections.abc import Mapping

from calls.health import serve_health
from calls.jobs import JobQueue
from calls.log import lines as log
from calls.processes import present
from calls.settings import Settings
from pipeline.admission import admit
from pipeline.deps import Deps, open_deps
from pipeline.handlers import HANDLERS, QUEUES, Handler
from pipeline.recorder import keep_recording
from pipeline.runner import Run, Runner, process_name
from pipeline.telephony import keep_trunks
from pipeline.watch import Watcher, watch

logger = logging.getLogger("pipeline")

LATE_S = 10.0  # so much longer than a phone may ring it can take until that is written


async def run(settings: Settings) -> None:
    """Work until a signal asks to stop."""
    stop, quiet = asyncio.Event(), asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with open_deps(settings) as deps:
        watcher = Watcher(deps.db, deps.rooms, deps.settings)
        checks = {"database": deps.db.ping, "livekit": deps.rooms.ping, "watcher": watcher.check}
        async with (
            serve_health(settings.pipeline_host, settings.pipeline_port, checks, deps.metrics.exposition),
            present(deps.db, "pipeline"),
            asyncio.TaskGroup() as loops,
        ):
            loops.create_task(watch(deps, watcher, quiet), name="watch")
            loops.create_task(keep_trunks(deps, quiet), name="trunks")
            async with asyncio.TaskGroup() as work:
                work.create_task(runner(deps).run(stop), name="runner")
                work.create_task(admit(deps, stop), name="admission")
                work.create_task(keep_recording(deps, stop), name="recorder")
                logger.info("pipeline ready")
            await deps.lines.answered(settings.ring_timeout_s + LATE_S)
            quiet.set()
    logger.info("pipeline stopped")


def runner(deps: Deps, limits: Mapping[str, int] = QUEUES) -> Runner:
    """The runner of all our kinds of jobs, with so many of each queue at a time."""
    give_up = {kind: handler.give_up for kind, handler in HANDLERS.items() if handler.give_up}
    put_off = {kind: handler.put_off for kind, handler in HANDLERS.items() if handler.put_off is not None}
    queue = JobQueue(deps.db, process_name(), deps.settings.lease_s, give_up, put_off)

    def bound(handler: Handler) -> Run:
        return lambda job: handler.run(job, deps)

    handlers = {kind: bound(handler) for kind, handler in HANDLERS.items()}
    return Runner(deps.db, queue, handlers, limits, deps.settings.lease_s)


if __name__ == "__main__":
    chosen = Settings()
    log.configure(chosen, "pipeline")
    asyncio.run(run(chosen))

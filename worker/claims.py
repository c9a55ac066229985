"""Calls are taken as soon as they wait for an agent: LiveKit's offer of them comes 0.2 s later, if not to another."""

import asyncio
import json
import logging

from livekit.agents import AgentServer, JobRequest, utils
from livekit.agents.job import JobAcceptArguments, RunningJobInfo
from livekit.protocol import agent, models

from calls.database.changes import WAITING, Watch
from calls.database.engine import Database
from calls.errors import DatabaseAway
from calls.rooms import agent_token
from calls.settings import Settings
from calls.workers import seats, waiting
from calls.workers.waiting import Claimed
from worker.capacity import AGENT_NAME, AGENT_PREFIX, Capacity, Reservation
from worker.entrances import Entrances

logger = logging.getLogger(__name__)

LOOK_S = 0.25  # so often it looks for calls that nobody has taken yet


class Claims:
    """Takes calls from the moment when LiveKit knows the worker until it is told to stop, while LiveKit can be reached.

    Only as many as there are processes that wait for calls: what would wait for one is better left to others. If
    nobody takes it, it is taken when there is one. While the worker does not keep up with what it has, only those for
    which the others have no seats.
    """

    def __init__(self, settings: Settings, capacity: Capacity) -> None:
        self._settings = settings
        self._capacity = capacity
        self._database = Database(settings.database, pool_size=1)
        self._entrances = Entrances(self._database, self._look_again)
        self._claiming: asyncio.Task[None] | None = None
        self._watch: Watch | None = None
        self._stopped = False

    def serve(self, server: AgentServer) -> None:
        """Take calls for this server."""
        server.on("worker_registered", lambda *_about: self._begin(server))

    def offered(self, server: AgentServer, request: JobRequest) -> None:
        """LiveKit offers this server a call, which it may take."""
        call_id = json.loads(request.job.metadata).get("call_id")
        if call_id is not None:
            self._entrances.offered(call_id, server.id)

    async def stop(self) -> None:
        """Take no calls any more; returns when what was taken has its process."""
        self._stopped = True
        self._look_again()
        if self._claiming is not None:
            await self._claiming

    def _begin(self, server: AgentServer) -> None:
        self._entrances.open()
        if self._claiming is None and not self._stopped:
            self._claiming = asyncio.get_running_loop().create_task(self._run(server), name="claims")

    def _look_again(self) -> None:
        if self._watch is not None:
            self._watch.wake()

    async def _run(self, server: AgentServer) -> None:
        try:
            async with self._database.changes.watch(WAITING) as self._watch:
                left = 0
                while not self._stopped:
                    await self._watch.wait(LOOK_S if left > 0 else None)
                    if self._stopped or server._connecting or not self._entrances.are_open:  # noqa: SLF001 - it has no public name
                        continue  # nobody could enter the room
                    try:
                        left = await self._claim(server)
                    except DatabaseAway:  # LiveKit offers them all the same
                        pass
                    except Exception:  # whatever it was, the next look comes
                        logger.exception("calls could not be taken")
        finally:
            await self._entrances.stop()
            await self._database.close()

    async def _claim(self, server: AgentServer) -> int:
        """Take what there are seats for; how many calls still wait that this worker might take."""
        async with self._database.reading() as connection:
            strained = self._capacity.occupied(server).is_strained
            others = await seats.free_beside(connection, server.id) if strained else 0
            most = await waiting.count(connection, server.id, self._settings.worker_max_calls + others) - others
        claimed: list[Claimed] = []
        with self._capacity.reserved(server, most) as reservation:
            if reservation.seats:
                async with self._database.writing() as connection:
                    claimed = await waiting.claim(connection, server.id, reservation.seats, _new_name)
                reservation.seats = len(claimed)
                await asyncio.gather(*(self._launch(server, one, reservation) for one in claimed))
        return most - len(claimed)

    async def _launch(self, server: AgentServer, call: Claimed, reservation: Reservation) -> None:
        """Have a process do with it what it does with an offered call."""
        job = agent.Job(
            id=call.identity.removeprefix(AGENT_PREFIX),
            type=agent.JobType.JT_ROOM,
            room=models.Room(name=call.room_name),
            metadata=json.dumps({"call_id": call.id, "token": call.token}),
            agent_name=self._settings.agent_name,
        )
        info = RunningJobInfo(
            accept_arguments=JobAcceptArguments(name=AGENT_NAME, identity=call.identity, metadata=""),
            job=job,
            url=self._settings.livekit_url,
            token=agent_token(self._settings, call.room_name, call.identity, AGENT_NAME),
            worker_id=server.id,
            fake_job=False,
        )
        self._capacity.hold_refill(server)
        try:
            await server._proc_pool.launch_job(info)  # noqa: SLF001 - it has no public name
        except Exception:  # its lease is renewed by nobody, so the judge frees it
            logger.exception("no process takes a call")
        else:
            self._entrances.claimed(call.id, server.id)
        finally:
            reservation.seats -= 1  # it counts itself from here on


def _new_name() -> str:
    return utils.shortuuid(f"{AGENT_PREFIX}AJ_")

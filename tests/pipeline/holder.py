"""An agent's process as far as its lease goes: it takes a call, begins it, and gives signs of life until it is killed.

Its arguments are the database's URL, the call, and the lease's seconds. It prints `holding`, and `over` when the call
is another's, or ended.
"""

import asyncio
import sys

from calls.database.engine import Database
from calls.store import CallStore
from worker.room.lease import take
from worker.room.persistence import Persistence

WORKER, IDENTITY = "worker-1", "agent-1"


async def hold(url: str, call_id: str, ttl_s: float) -> None:
    db = Database(url, pool_size=1)
    taken = await take(db, call_id, WORKER, IDENTITY, ttl_s)
    assert taken is not None
    async with db.writing() as conn:
        store = CallStore(conn)
        await store.agent_joined(call_id, taken.lease.token)
        await store.participant_joined(call_id, "ada")
        await store.start(call_id)
    say("holding")
    await taken.lease.hold(Persistence(lambda _seconds: None), lambda: say("over"))
    await asyncio.Event().wait()  # so that nobody takes its end for a death


def say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 - what the test waits for


if __name__ == "__main__":
    asyncio.run(hold(sys.argv[1], sys.argv[2], float(sys.argv[3])))

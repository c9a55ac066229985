"""What is broken, and in which order."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import cycle, islice, product

from drills.conversation import BOOKING, Outcome, conversation
from drills.ground import SQLITE_FILE, Ground
from drills.kills import Victim, When, kill
from drills.outages import Outage, Stage, frozen, killed, locked, meet, restarted
from drills.postgres import PostgresCluster

Drill = Callable[[Ground, str], Awaitable[Outcome]]  # the second is what it breaks, in words
Plan = Iterator[tuple[str, Drill]]  # what is broken, and the drill of it
OUTAGES_S = (2, 40)


def on_sqlite(kills: int) -> Plan:
    """So many kills of workers that are not alone, a tenth as many of one that is, and SQLite's outages."""
    yield "nothing", _nothing
    both = islice(cycle(product((Victim.JOB, Victim.WORKER), When)), kills)
    only = islice(cycle(product((Victim.ONLY_WORKER,), When)), max(kills // 10, 1))
    for victim, when in [*both, *only]:
        yield f"{victim.value} is killed, {when.value}", partial(kill, victim, when)
    for seconds in OUTAGES_S:
        yield from _at_each_stage(locked(SQLITE_FILE, seconds))


def on_postgres(cluster: PostgresCluster) -> Plan:
    """The outages of that cluster."""
    for seconds in OUTAGES_S:
        yield from _at_each_stage(killed(cluster, seconds))
        yield from _at_each_stage(frozen(cluster, seconds))
    yield from _at_each_stage(restarted(cluster))


def _at_each_stage(outage: Outage) -> Plan:
    for stage in Stage:
        yield f"{outage.name}, {stage.value}", partial(meet, outage, stage)


async def _nothing(ground: Ground, broken: str) -> Outcome:
    """What an undisturbed call is like, for comparison."""
    await ground.need_two_workers()
    async with conversation(ground.client) as talk:
        await talk.greet()
        silence_s = await talk.ask(BOOKING)
        await talk.part()
        return await talk.outcome(broken, silence_s, taken_over=False)

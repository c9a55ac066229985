"""`python -m drills [--kills N] [--burning N]`: status 0 only if every call went on and ended with its true reason."""

import argparse
import asyncio
import math
import multiprocessing
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice, product

from demo.caller import AgentSilent
from demo.client import ApiError
from demo.stack import StackEnded
from drills.conversation import BOOKING, Outcome, conversation
from drills.ground import FOLDER, Ground, ground
from drills.kills import Victim, When, kill
from drills.outages import Stage, lock
from drills.table import show

Drill = Callable[[Ground, str], Awaitable[Outcome]]  # the second is what it breaks, in words
OUTAGES_S = (2.0, 40.0)


async def main(kills: int) -> str | None:
    """The reason why the drills failed, None if every call went on."""
    outcomes = []
    try:
        async with ground() as stack:
            for broken, drill in _plan(kills):
                outcomes.append(await _carry_out(broken, drill, stack))
    except StackEnded as error:
        return f"The drills failed: {error}; logs are in {FOLDER / 'logs'}"
    show(outcomes)
    failed = sum(bool(outcome.faults) for outcome in outcomes)
    return f"{failed} of {len(outcomes)} calls did not go as they should; see {FOLDER / 'logs'}" if failed else None


def _plan(kills: int) -> Iterator[tuple[str, Drill]]:
    """What is broken, and the drill of it."""
    yield "nothing", _nothing
    both = islice(cycle(product((Victim.JOB, Victim.WORKER), When)), kills)
    only = islice(cycle(product((Victim.ONLY_WORKER,), When)), max(kills // 10, 1))
    for victim, when in [*both, *only]:
        yield f"{victim.value} is killed, {when.value}", partial(kill, victim, when)
    for seconds, stage in product(OUTAGES_S, Stage):
        yield f"the database is locked for {seconds:.0f} s {stage.value}", partial(lock, seconds, stage)


async def _carry_out(broken: str, drill: Drill, stack: Ground) -> Outcome:
    try:
        outcome = await drill(stack, broken)
    except (AgentSilent, ApiError, LookupError, TimeoutError) as error:
        outcome = Outcome(broken, math.inf, 0, "", (str(error) or "it took too long",))
    faults = ", ".join(outcome.faults) or "went on"
    print(f"  {broken}: {outcome.silence_s:.1f} s of silence, {outcome.words_lost} words lost, {faults}", flush=True)
    return outcome


async def _nothing(ground: Ground, broken: str) -> Outcome:
    """What an undisturbed call is like, for comparison."""
    await ground.need_two_workers()
    async with conversation(ground.client) as talk:
        await talk.greet()
        silence_s = await talk.silence_since(await talk.say(BOOKING))
        await talk.caller.hear_answer()
        await talk.part()
        return await talk.outcome(broken, silence_s, taken_over=False)


@contextmanager
def _burning(processes: int) -> Iterator[None]:
    """A machine that is busy with something else."""
    burners = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(processes)]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()


def _burn() -> None:
    while True:
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m drills", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of workers that are not alone (%(default)s)")
    parser.add_argument("--burning", type=int, default=0, help="processes that burn a core each (%(default)s)")
    options = parser.parse_args()
    try:
        with _burning(options.burning):
            sys.exit(asyncio.run(main(options.kills)))
    except KeyboardInterrupt:
        sys.exit("Stopped.")

"""`python -m drills`: status 0 only if every call went on and ended with its true reason, after a short silence."""

import argparse
import asyncio
import math
import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from demo.caller import AgentSilent
from demo.client import ApiError
from demo.stack import StackEnded, free_ports
from drills.conversation import Outcome
from drills.ground import FOLDER, SQLITE_FILE, Ground, ground
from drills.plan import Drill, Plan, on_postgres, on_sqlite
from drills.postgres import PostgresCluster, is_installed
from drills.table import show
from drills.verdict import misses


async def main(kills: int, only: str, *, judge_seconds: bool) -> str | None:
    """The reason why the drills failed, None if they did not; only those are done whose names have `only` in them."""
    outcomes: list[Outcome] = []
    try:
        outcomes += await _carry_out_all(on_sqlite(kills), only, f"sqlite:///{SQLITE_FILE}")
        if is_installed():
            [port] = free_ports(1)
            with PostgresCluster(port) as cluster:
                outcomes += await _carry_out_all(on_postgres(cluster), only, cluster.url())
        else:
            print("Without PostgreSQL's server programs on this machine, its outages are left out.")
    except StackEnded as error:
        return f"The drills failed: {error}; logs are in {FOLDER / 'logs'}"
    if not outcomes:
        return f"No drill has {only!r} in its name."
    show(outcomes)
    failed = [f"  {miss}" for miss in misses(outcomes, judge_seconds=judge_seconds)]
    return "\n".join(["The drills failed:", *failed, f"Logs are in {FOLDER / 'logs'}"]) if failed else None


async def _carry_out_all(plan: Plan, only: str, database_url: str) -> list[Outcome]:
    chosen = [(broken, drill) for broken, drill in plan if only in broken]
    if not chosen:
        return []
    async with ground(database_url) as stack:
        return [await _carry_out(broken, drill, stack) for broken, drill in chosen]


async def _carry_out(broken: str, drill: Drill, stack: Ground) -> Outcome:
    try:
        outcome = await drill(stack, broken)
    except (AgentSilent, ApiError, LookupError, TimeoutError) as error:
        outcome = Outcome(broken, math.inf, 0, "", (str(error) or "it took too long",))
    faults = ", ".join(outcome.faults) or "went on"
    print(f"  {broken}: {outcome.silence_s:.1f} s of silence, {outcome.words_lost} words lost, {faults}", flush=True)
    return outcome


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
    parser.add_argument("--only", default="", metavar="WORDS", help="the drills with these words in their names")
    parser.add_argument(
        "--burning",
        type=int,
        default=0,
        help="processes that burn a core each (%(default)s); silence after a kill is then not judged",
    )
    options = parser.parse_args()
    try:
        with _burning(options.burning):
            sys.exit(asyncio.run(main(options.kills, options.only, judge_seconds=not options.burning)))
    except KeyboardInterrupt:
        sys.exit("Stopped.")

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
from drills.providers import outcome as provider
from drills.providers import part
from drills.providers.table import columns, markdown
from drills.table import show
from drills.verdict import misses

PARTS = ("sqlite", "postgres", "providers")


async def main(options: argparse.Namespace) -> str | None:
    """The reason why the drills failed, None if they did not."""
    parts, only, judge_seconds = options.part or PARTS, options.only, not options.burning
    outcomes: list[Outcome] = []
    of_providers: list[provider.ProviderOutcome] = []
    try:
        if "sqlite" in parts:
            outcomes += await _carry_out_all(on_sqlite(options.kills), only, f"sqlite:///{SQLITE_FILE}")
        if "postgres" in parts:
            outcomes += await _on_postgres(only)
        if "providers" in parts:
            of_providers += await part.carry_out_all(only)
    except StackEnded as error:
        return f"The drills failed: {error}; logs are in {FOLDER / 'logs'}"
    if not outcomes and not of_providers:
        return f"No drill has {only!r} in its name."
    if outcomes:
        show(outcomes)
    if of_providers:
        print(markdown(of_providers) if options.markdown else columns(of_providers))
        print(f"What was heard of each call, and what happened in it, is in {part.LEFT}.")
    failed = [
        f"  {miss}"
        for miss in (
            *misses(outcomes, judge_seconds=judge_seconds),
            *provider.misses(of_providers, judge_seconds=judge_seconds),
        )
    ]
    return "\n".join(["The drills failed:", *failed, f"Logs are in {FOLDER / 'logs'}"]) if failed else None


async def _on_postgres(only: str) -> list[Outcome]:
    if not is_installed():
        print("Without PostgreSQL's server programs on this machine, its outages are left out.")
        return []
    [port] = free_ports(1)
    with PostgresCluster(port) as cluster:
        return await _carry_out_all(on_postgres(cluster), only, cluster.url())


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
        help="processes that burn a core each (%(default)s); silence is then not judged",
    )
    parser.add_argument("--part", action="append", choices=PARTS, help="only that part; may be given again")
    parser.add_argument("--markdown", action="store_true", help="print the providers' table as Markdown")
    given = parser.parse_args()
    try:
        with _burning(given.burning):
            sys.exit(asyncio.run(main(given)))
    except KeyboardInterrupt:
        sys.exit("Stopped.")

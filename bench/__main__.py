"""`python -m bench [NAME ...]`: the measurements, each with its goal and verdict."""

import argparse
import asyncio
import math
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench import analysis, joining, listing, placing, reading, speech, viewing
from bench.conversation import material, side_by_side
from bench.conversation.latencies import PROFILES
from bench.conversation.side_by_side import Plan
from bench.conversation.systems import DETECTIONS

KINDS = list(dict.fromkeys(kind for kind, _, _ in material.script()))
NAMES = ("placing", "joining", "listing", "viewing", "reading", "analysis", "speech", "conversation")


def main() -> int:
    """Run what was asked for, all without a name; the exit status is 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all of them if none is given")
    parser.add_argument("--listed", type=int, default=1_000_000, help="calls of the largest list (%(default)s)")
    parser.add_argument("--database", metavar="URL", help="an empty one of Postgres, for either of listing and viewing")
    parser.add_argument("--calls", type=int, default=2, help="conversations at once (%(default)s)")
    parser.add_argument("--turns", type=int, default=24, help="of each caller with each system (%(default)s)")
    parser.add_argument(
        "--profile", choices=PROFILES, default="usual", help="how quick the providers are (%(default)s)"
    )
    parser.add_argument(
        "--against", default=",".join(DETECTIONS), help="what conversations are compared with (%(default)s)"
    )
    parser.add_argument(
        "--only", default="", help=f"kinds of sentences that are said, each in all voices: {', '.join(KINDS)}"
    )
    parser.add_argument("--eager", default="", help="compare our agents with these values of it, as 0,0.1,0.4,1")
    parser.add_argument(
        "--json", type=Path, metavar="FOLDER", help="where figures are written: conversation.json and joining.json"
    )
    options = parser.parse_args()
    against, only, eager = (
        [one.strip() for one in named.split(",") if one.strip()]
        for named in (options.against, options.only, options.eager)
    )
    if unknown := {*options.what} - {*NAMES} | {*against} - {*DETECTIONS} | {*only} - {*KINDS}:
        parser.error(f"nothing has the name {', '.join(sorted(unknown))}")
    try:
        values = [float(value) for value in eager]
    except ValueError:
        values = [math.nan]
    if not all(0 <= value <= 1 for value in values):
        parser.error(f"--eager: expected numbers from 0 to 1, as 0,0.1,0.4,1; not {options.eager}")
    plan = Plan(options.calls, options.turns, options.profile, against, only, values)
    if options.json is not None:
        options.json.mkdir(parents=True, exist_ok=True)
    benches: dict[str, Callable[[], Awaitable[bool]]] = {
        "placing": placing.run,
        "joining": lambda: joining.run(options.json),
        "listing": lambda: listing.run(options.listed, options.database),
        "viewing": lambda: viewing.run(options.database),
        "reading": reading.run,
        "analysis": analysis.run,
        "speech": speech.run,
        "conversation": lambda: side_by_side.run(plan, options.json),
    }
    reached = [asyncio.run(_run(benches[name])) for name in options.what or NAMES]
    return 0 if all(reached) else 1


async def _run(bench: Callable[[], Awaitable[bool]]) -> bool:
    return await bench()


if __name__ == "__main__":
    sys.exit(main())

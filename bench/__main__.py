"""`python -m bench [placing|listing|reading|analysis|speech ...]`: the measurements, each with its goal and verdict."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable

from bench import analysis, listing, placing, reading, speech


def main() -> int:
    """Run what was asked for, all without a name; the exit status is 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "what", nargs="*", metavar="placing|listing|reading|analysis|speech", help="all of them if none is named"
    )
    parser.add_argument("--calls", type=int, default=1_000_000, help="of the largest list (%(default)s)")
    options = parser.parse_args()
    benches: dict[str, Callable[[], Awaitable[bool]]] = {
        "placing": placing.run,
        "listing": lambda: listing.run(options.calls),
        "reading": reading.run,
        "analysis": analysis.run,
        "speech": speech.run,
    }
    unknown = set(options.what) - set(benches)
    if unknown:
        parser.error(f"there is no bench of the name {', '.join(sorted(unknown))}")
    reached = [asyncio.run(_run(benches[name])) for name in options.what or benches]
    return 0 if all(reached) else 1


async def _run(bench: Callable[[], Awaitable[bool]]) -> bool:
    return await bench()


if __name__ == "__main__":
    sys.exit(main())

"""Whether a page of the call list costs the same however many calls there are."""

import random

from bench.ground import Ground, ground
from bench.table import Line, percentile, show
from calls.listing import MOST_COUNTED

SIZES = (1_000, 100_000)
PAGE = 50
ROUNDS = 100
FLAT = 1.5  # the largest may take so many times what the smallest does
NOISE_MS = 2
# Each of them finds all calls: of those that find few, less is read.
FILTERS = {
    "status": "status=completed",
    "end reason": "end_reason=caller_hung_up",
    "transport": "transport=webrtc",
    "participant": "participant=ada",
    "dates": "created_from=2026-01-01&created_to=2027-01-01",
    "words": "words=table",
    "the oldest": "order=asc",
}


async def run(most: int, database_url: str | None) -> bool:
    """Print the table; whether every goal was reached.

    Args:
        most: calls of the largest list; the smallest has 1,000.
        database_url: an empty database of Postgres, instead of a SQLite file.
    """
    sizes = sorted({*(size for size in SIZES if size < most), most})
    pages: dict[str, list[float]] = {"first page": [], "page by cursor": [], **{f"by {name}": [] for name in FILTERS}}
    async with ground(database_url=database_url) as on:
        for size in sizes:
            await on.fill(size)
            for what, times in pages.items():
                times.append(percentile([await _page(on, what) for _ in range(ROUNDS)], 0.5))
    lines = []
    for what, times in pages.items():
        goal_ms = times[0] * FLAT + NOISE_MS
        lines += [Line(f"{what}, {size:,} calls", f"{ms:.1f} ms") for size, ms in zip(sizes, times, strict=True)][:-1]
        lines.append(
            Line(f"{what}, {sizes[-1]:,} calls", f"{times[-1]:.1f} ms", f"<= {goal_ms:.1f} ms", times[-1] <= goal_ms)
        )
    show(f"GET /v1/calls, {PAGE} a page, p50", lines)
    return all(line.reached is not False for line in lines)


async def _page(on: Ground, what: str) -> float:
    path = f"/v1/calls?limit={PAGE}"
    if what == "page by cursor":
        path += f"&cursor={random.choice(on.call_ids[2 * PAGE :])}"
    elif what != "first page":
        path += f"&{FILTERS[what.removeprefix('by ')]}"
    took, page = await on.timed("GET", path)
    if {call["sentiment"] for call in page["calls"]} != {"positive"}:
        raise RuntimeError(f"{what}: calls without what was found in them")
    if page["total"] not in (len(on.call_ids), MOST_COUNTED + 1) or len(page["calls"]) != PAGE:
        raise RuntimeError(f"{what}: {page['total']} calls instead of {len(on.call_ids)}")
    return took

"""Timings and how they are printed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


def percentile(seconds: Sequence[float], share: float) -> float:
    """The time, in milliseconds, that `share` (0 to 1) of the measurements did not exceed."""
    ordered = sorted(seconds)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] * 1000


@dataclass(frozen=True)
class Line:
    """One measured thing; without a goal it is there to be compared with."""

    what: str
    measured: str
    goal: str = ""
    reached: bool | None = None

    @property
    def verdict(self) -> str:
        return {None: "", True: "reached", False: "MISSED"}[self.reached]


def show(title: str, lines: Sequence[Line]) -> None:
    """Print lines as columns under a title."""
    rows = [("", "measured", "goal", ""), *((one.what, one.measured, one.goal, one.verdict) for one in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    print(f"\n{title}")
    for what, measured, goal, verdict in rows:
        print(f"  {what:<{widths[0]}}  {measured:>{widths[1]}}  {goal:<{widths[2]}}  {verdict}".rstrip())

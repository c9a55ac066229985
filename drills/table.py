"""How the outcomes are printed."""

import math
from collections.abc import Sequence

from drills.conversation import Outcome
from drills.kills import Victim

COLUMNS = ("broken", "calls", "silence p50", "p95", "worst", "words lost", "ended", "")


def show(outcomes: Sequence[Outcome]) -> None:
    """Print a row for everything that was broken, and one for all kills of workers that were not alone."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    things = dict.fromkeys(outcome.broken for outcome in outcomes)
    rows += [_row(thing, [outcome for outcome in outcomes if outcome.broken == thing]) for thing in things]
    kills = [one for one in outcomes if one.broken.startswith((Victim.JOB.value, Victim.WORKER.value))]
    rows.append(_row("all kills with another worker there", kills))
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(broken: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    silences = sorted(outcome.silence_s for outcome in outcomes)
    seconds = [f"{_percentile(silences, share):.1f} s" for share in (0.5, 0.95, 1)]
    lost = str(sum(outcome.words_lost for outcome in outcomes))
    ended = " | ".join(sorted({outcome.ended for outcome in outcomes}))
    faults = "; ".join(sorted({fault for outcome in outcomes for fault in outcome.faults}))
    return (broken, str(len(outcomes)), *seconds, lost, ended, faults or "went on")


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]

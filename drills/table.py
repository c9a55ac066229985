"""How the outcomes are printed."""

from collections.abc import Sequence

from drills.conversation import Outcome
from drills.verdict import LIMITS, silence

COLUMNS = ("broken", "calls", "silence p50", "p95", "worst", "words lost", "ended", "")


def show(outcomes: Sequence[Outcome]) -> None:
    """Print a row for everything that was broken, and one for all kills to which the same limit applies."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    things = dict.fromkeys(outcome.broken for outcome in outcomes)
    rows += [_row(thing, [outcome for outcome in outcomes if outcome.broken == thing]) for thing in things]
    rows += [_row(limit.name, limited) for limit in LIMITS if (limited := limit.of(outcomes))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(broken: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    seconds = [f"{silence(outcomes, share):.1f} s" for share in (0.5, 0.95, 1)]
    lost = str(sum(outcome.words_lost for outcome in outcomes))
    ended = " | ".join(sorted({outcome.ended for outcome in outcomes}))
    faults = "; ".join(sorted({fault for outcome in outcomes for fault in outcome.faults}))
    return (broken, str(len(outcomes)), *seconds, lost, ended, faults or "went on")

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
    print(in_columns(rows))


def in_columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Lines, with each column as wide as its longest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _row(broken: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    seconds = [f"{silence(outcomes, share):.1f} s" for share in (0.5, 0.95, 1)]
    lost = str(sum(outcome.words_lost for outcome in outcomes))
    ended = " | ".join(sorted({outcome.ended for outcome in outcomes}))
    faults = "; ".join(sorted({fault for outcome in outcomes for fault in outcome.faults}))
    return (broken, str(len(outcomes)), *seconds, lost, ended, faults or "went on")

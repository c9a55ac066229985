"""How the outcomes are printed: in columns, or as Markdown for the documentation."""

from collections.abc import Sequence

from drills.providers.outcome import ProviderOutcome
from drills.table import in_columns

COLUMNS = ("what failed", "a second one?", "longest silence", "said meanwhile", "how it went on")


def columns(outcomes: Sequence[ProviderOutcome]) -> str:
    """A line for each."""
    return in_columns([COLUMNS, *(_row(one) for one in outcomes)])


def markdown(outcomes: Sequence[ProviderOutcome]) -> str:
    """The same for the documentation."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(_row(one) for one in outcomes)]
    return "\n".join(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines)


def _row(one: ProviderOutcome) -> tuple[str, ...]:
    went_on = "; ".join((one.went_on, *one.faults))
    return (one.failed, "yes" if one.second else "no", f"{one.silence_s:.1f} s", one.said or "nothing", went_on)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")

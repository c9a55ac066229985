"""Whether the drills were passed."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drills.conversation import Outcome
from drills.kills import Victim


@dataclass(frozen=True)
class Limit:
    """So many seconds may be silent after that share of some kills."""

    name: str
    victims: tuple[Victim, ...]
    share: float
    seconds: float

    def of(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Those to which it applies."""
        return [one for one in outcomes if one.broken.startswith(tuple(victim.value for victim in self.victims))]


LIMITS = (
    Limit("all kills with another worker there", (Victim.JOB, Victim.WORKER), share=0.95, seconds=3),
    Limit("all kills of the only worker", (Victim.ONLY_WORKER,), share=1, seconds=10),
)


def silence(outcomes: Sequence[Outcome], share: float) -> float:
    """The seconds of silence that this share of them do not exceed."""
    ordered = sorted(outcome.silence_s for outcome in outcomes)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def misses(outcomes: Sequence[Outcome], *, judge_seconds: bool) -> Iterator[str]:
    """A line for each call that did not go as it should, and for each limit that was missed."""
    for one in outcomes:
        if one.faults:
            yield f"{one.broken}: {', '.join(one.faults)}"
    for limit in LIMITS if judge_seconds else ():
        judged = limit.of(outcomes)
        if judged and (seconds := silence(judged, limit.share)) > limit.seconds:
            yield f"{limit.name}: {seconds:.1f} s of silence (p{limit.share * 100:.0f}), not {limit.seconds:.0f} s"

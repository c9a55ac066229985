"""What becomes of a job, as a value that its handler returns."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from calls.jobs import Job


@dataclass(frozen=True)
class Done:
    """The work is done."""


@dataclass(frozen=True)
class Wait:
    """It is too early; come again after that many seconds. Uses up no attempt."""

    after_s: float

    @classmethod
    def by_age(cls, job: Job, now: datetime, shortest_s: float, longest_s: float) -> Self:
        """A quarter of the time that the job has been there: what did not come soon is looked for less often."""
        return cls(min(max((now - job.created_at).total_seconds() / 4, shortest_s), longest_s))


@dataclass(frozen=True)
class Parked:
    """It is not its turn; the handler has parked it, and somebody will start it. Uses up no attempt."""


@dataclass(frozen=True)
class Retry:
    """The attempt failed; try again after `after_s` (else the usual backoff) while attempts are left."""

    reason: str
    after_s: float | None = None


@dataclass(frozen=True)
class Fail:
    """It cannot succeed, now or later."""

    reason: str


Fate = Done | Wait | Parked | Retry | Fail

"""What becomes of a job, as a value that its handler returns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Done:
    """The work is done."""


@dataclass(frozen=True)
class Wait:
    """It is too early; come again after that many seconds. Uses up no attempt."""

    after_s: float


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

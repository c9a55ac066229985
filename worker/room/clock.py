"""The call's own time: seconds since its `started_at`, the zero of transcript and recording."""

import time
from datetime import datetime


class Clock:
    """Stands at 0 until the call starts."""

    def __init__(self) -> None:
        self._zero: float | None = None

    @property
    def started(self) -> bool:
        """Whether the call has started."""
        return self._zero is not None

    def start(self, at: datetime) -> None:
        """The call started at `at`."""
        self._zero = at.timestamp()

    def now(self) -> float:
        """Seconds since the start."""
        return self.at(time.time())

    def at(self, moment: float) -> float:
        """Seconds from the start to `moment`, which is in seconds since 1970; nothing is before the start."""
        return 0.0 if self._zero is None else max(moment - self._zero, 0.0)

"""The call's own time: seconds since its `started_at`, the zero of transcript and recording.

`started_at` is in the database's time, which this host's clock need not share, and that clock may be set at any moment:
what counts here is the monotonic one, and the database's time is known from a moment when both were read.
"""

import time
from datetime import datetime, timedelta


class Clock:
    """Stands at 0 until the call starts.

    Args:
        database_now: what the database's clock shows at this moment.
    """

    def __init__(self, database_now: datetime) -> None:
        self._began = database_now - timedelta(seconds=time.monotonic())
        self._zero: float | None = None

    @property
    def started(self) -> bool:
        """Whether the call has started."""
        return self._zero is not None

    def moment(self) -> datetime:
        """This moment in the database's time."""
        return self._began + timedelta(seconds=time.monotonic())

    def start(self, at: datetime) -> None:
        """The call started at `at`, in the database's time."""
        self._zero = (at - self._began).total_seconds()

    def now(self) -> float:
        """Seconds since the start."""
        return self.at(time.monotonic())

    def second_of(self, moment: datetime) -> float:
        """Seconds from the start to a moment in the database's time; nothing is before the start."""
        return self.at((moment - self._began).total_seconds())

    def at(self, moment: float) -> float:
        """Seconds from the start to `moment` of `time.monotonic`; nothing is before the start."""
        return 0.0 if self._zero is None else max(moment - self._zero, 0.0)

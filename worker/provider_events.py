"""What a call's events tell of its providers."""

import logging
from collections.abc import Callable
from typing import Any

from livekit.agents import APIStatusError

from calls.events import EventKind
from calls.providers.choice import Kind
from worker.room.journal import Journal

logger = logging.getLogger(__name__)


class ProviderEvents:
    """Writes them, without a word of what was said.

    Args:
        named: tells who does this for the agent: the one at that place of its list.
    """

    def __init__(self, journal: Journal, call_id: str, named: Callable[[Kind, int], dict[str, str]]) -> None:
        self._journal = journal
        self._call_id = call_id
        self._named = named

    def failed(self, kind: Kind, place: int, error: Exception) -> None:
        """It did not do its work."""
        described = _described(error)
        logger.warning("a provider failed", extra={"provider": kind, "error": described})
        data = {"provider": kind, **self._named(kind, place), "error": described}
        self.note(EventKind.PROVIDER_FAILED, "provider failed", level="error", data=data)

    def switched(self, kind: Kind, place: int) -> None:
        """Another one of the agent's list works in its place."""
        data = {"provider": kind, **self._named(kind, place)}
        self.note(EventKind.PROVIDER_SWITCHED, "Another provider takes over", data=data)

    def note(
        self, kind: EventKind, message: str, *, level: str = "warning", data: dict[str, Any] | None = None
    ) -> None:
        """Anything else of a provider."""
        self._journal.put(
            lambda store: store.add_event(self._call_id, kind, "lifecycle", message, level=level, data=data)
        )


def _described(error: Exception) -> str:
    """The kind of the error and its status; never its text, which may quote what was said."""
    status = f" {error.status_code}" if isinstance(error, APIStatusError) else ""
    return f"{type(error).__name__}{status}"

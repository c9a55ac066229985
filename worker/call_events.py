"""What a call's event log tells of the call itself, its agent and its people: kinds and words."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from calls.events import EventKind
from calls.store import CallStore
from worker.room.journal import Journal


class CallEvents:
    """Puts what happens into the call's journal."""

    def __init__(self, journal: Journal, call_id: str) -> None:
        self._journal = journal
        self._call_id = call_id

    def outage(self, seconds: float) -> None:
        """The call had to do without the database."""
        message = f"The database did not answer for {seconds:.0f} s"
        self._note(EventKind.DATABASE_BACK, message, level="warning", data={"seconds": round(seconds, 1)})

    def agent_cut_off(self, since: datetime | None) -> None:
        """Its connection is lost for good: since then, or just now."""
        message, data = "The agent lost its connection to the room", {"reason": "cut_off"}
        self._note(EventKind.AGENT_LOST, message, level="warning", data=data, at=since)

    def entering_failed(self, error: Exception) -> None:
        message, data = "The agent could not enter the room", {"error": type(error).__name__}
        self._note(EventKind.AGENT_ENTERING_FAILED, message, level="warning", data=data)

    def agent_returned(self) -> None:
        self._note(EventKind.AGENT_RETURNED, "The agent is back")

    def unknown_variables(self, field: str, names: Iterable[str]) -> None:
        message, data = f"{field} names unknown variables", {"field": field, "names": sorted(names)}
        self._note(EventKind.TEMPLATE_UNKNOWN_VARIABLES, message, level="warning", data=data)

    def hang_up_begun(self) -> None:
        self._note(EventKind.HANG_UP_BEGUN, "The agent is about to hang up")

    def hang_up_taken_back(self) -> None:
        self._note(EventKind.HANG_UP_TAKEN_BACK, "The caller spoke into the goodbye: the call goes on")

    def recording_interrupted(self, error: str) -> None:
        message = "The recording cannot be written; it is tried again"
        self._note(EventKind.RECORDING_INTERRUPTED, message, level="error", data={"error": error})

    def recording_resumed(self) -> None:
        self._note(EventKind.RECORDING_STARTED, "The recording goes on")

    def part_restarted(self, part: str) -> None:
        self._note(EventKind.PART_RESTARTED, f"The {part} was started again", level="warning", data={"part": part})

    def part_failed(self, part: str) -> None:
        self._note(EventKind.PART_FAILED, f"The {part} died", level="error", data={"part": part})

    def unheard(self, identity: str) -> None:
        message = "Speech recognition does not work for a participant"
        self._note_of_participant(identity, EventKind.PARTICIPANT_UNHEARD, message, level="error")

    def heard(self, identity: str) -> None:
        message = "Speech recognition works for the participant again"
        self._note_of_participant(identity, EventKind.PARTICIPANT_HEARD, message, level="info")

    def of_phone(
        self,
        kind: EventKind,
        message: str,
        *,
        phone: str | None = None,
        level: str = "info",
        data: dict[str, Any] | None = None,
    ) -> None:
        """Something of a phone, if its name in the room is given, or of all of them."""
        call_id = self._call_id

        async def add(store: CallStore) -> None:
            if phone is None:
                await store.add_event(call_id, kind, "telephony", message, level=level, data=data)
            else:
                await store.add_participant_event(call_id, phone, kind, "telephony", message, level=level, data=data)

        self._journal.put(add)

    def _note(
        self,
        kind: EventKind,
        message: str,
        *,
        level: str = "info",
        data: dict[str, Any] | None = None,
        at: datetime | None = None,
    ) -> None:
        async def add(store: CallStore) -> None:
            await store.add_event(self._call_id, kind, "lifecycle", message, level=level, data=data)

        self._journal.put(add, at)

    def _note_of_participant(self, identity: str, kind: EventKind, message: str, *, level: str) -> None:
        call_id = self._call_id
        self._journal.put(
            lambda store: store.add_participant_event(call_id, identity, kind, "lifecycle", message, level=level)
        )

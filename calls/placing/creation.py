"""New calls: written with their participants, dial jobs, counters and first events, in as few statements as one."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import jobs
from calls.counts import count
from calls.database.changes import CALLS, TURNS, mark
from calls.database.clock import moment
from calls.events import EventKind
from calls.providers.health import Unreachable
from calls.states import CallStatus, IntelligenceStatus, ParticipantStatus
from calls.tables import call_events, calls, participants

DIAL_ATTEMPTS = 5  # only the first one dials; others look what became of that

# What every call runs is built once: SQLAlchemy takes longer to build a statement than the database to run it.
_INSERT_CALLS = sa.insert(calls)
_INSERT_EVENTS = sa.insert(call_events)
_INSERT_PARTICIPANTS = sa.insert(participants).returning(participants, sort_by_parameter_order=True)


@dataclass(frozen=True)
class NewParticipant:
    """A participant to be: `transport` is webrtc or pstn, `identity` a name or an E.164 number.

    `called_from` is the name in its room of a phone that calls us; all others are called, or come with a token.
    `price_micros_per_minute` is what it costs while it is there, in micro-dollars.
    """

    transport: str
    identity: str
    metadata: dict[str, Any] = field(default_factory=dict)
    from_number: str | None = None
    called_from: str | None = None
    price_micros_per_minute: int = 0
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def is_phone(self) -> bool:
        """Whether it is reached over a SIP trunk."""
        return self.transport == "pstn"

    @property
    def room_identity(self) -> str:
        """Its name in the LiveKit room: that of a phone we call shows no number, and is new with every dial."""
        return self.called_from or (f"phone_{self.id}" if self.is_phone else self.identity)

    @property
    def status(self) -> ParticipantStatus:
        """Before anything happened."""
        if self.called_from is not None:
            return ParticipantStatus.RINGING
        return ParticipantStatus.QUEUED if self.is_phone else ParticipantStatus.JOINING


@dataclass(frozen=True)
class NewCall:
    """A call to be: `agent` is the agent's snapshot {"id", "name", ...}, `post_call` the resolved sections.

    `own_post_call` is what it overrides of those of its agent, as it was given.
    `reserved_micros` is what was reserved for it of its tenant's credits.
    `unreachable` are those of its agent's providers that are known not to work: its first events tell of them.
    """

    tenant_id: str
    agent: dict[str, Any]
    participants: list[NewParticipant]
    metadata: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    post_call: dict[str, Any] = field(default_factory=dict)
    own_post_call: dict[str, Any] | None = None
    reserved_micros: int = 0
    unreachable: Sequence[Unreachable] = ()
    batch_id: str | None = None
    inbound_room: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def room_name(self) -> str:
        """The name of its LiveKit room; that of an inbound call was there before it."""
        return self.inbound_room or f"call_{self.id}"

    @property
    def status(self) -> CallStatus:
        """A call with a phone waits for its dial, one without for its browser."""
        if self.inbound_room is not None:
            return CallStatus.RINGING
        return CallStatus.QUEUED if any(p.is_phone for p in self.participants) else CallStatus.CONNECTING

    @property
    def waits_for_room(self) -> bool:
        """Whether the pipeline is to open its room, when it is its turn. For a browser, whoever answers it does."""
        return self.inbound_room is None and all(one.is_phone for one in self.participants)


async def create_calls(conn: AsyncConnection, new: Sequence[NewCall]) -> dict[str, list[sa.Row[Any]]]:
    """Write the calls of one tenant with what they wait for; the participants' rows of each, in order, by its id."""
    if not new:
        return {}
    tenant_id = new[0].tenant_id
    rows = [_row(call, moment(conn)) for call in new]
    await conn.execute(_INSERT_CALLS, rows)
    created: dict[str, Counter[str]] = defaultdict(Counter)
    for call in new:
        created[call.agent["id"]][call.status] += 1
    for agent_id, statuses in sorted(created.items()):
        await count(conn, tenant_id, agent_id, statuses)
    places = [(call.id, position, one) for call in new for position, one in enumerate(call.participants)]
    written: dict[str, list[sa.Row[Any]]] = defaultdict(list)
    created_at = {row["id"]: row["created_at"] for row in rows}
    for row in await insert_participants(conn, tenant_id, places, created_at):
        written[row.call_id].append(row)
    await conn.execute(_INSERT_EVENTS, [event for call in new for event in _first_events(call, moment(conn))])
    mark(conn, CALLS)
    if any(call.waits_for_room for call in new):
        mark(conn, TURNS)
    return written


async def insert_participants(
    conn: AsyncConnection,
    tenant_id: str,
    places: Sequence[tuple[str, int, NewParticipant]],
    call_created_at: Mapping[str, datetime],
) -> list[sa.Row[Any]]:
    """Write participants, each with its call's id and its position there; when each call was created is by its id.

    Each phone that is to be called gets a job that dials it, which waits until an agent is there.
    """
    phones = [(call_id, one) for call_id, _position, one in places if one.status is ParticipantStatus.QUEUED]
    dials = [(call_id, {"call_id": call_id, "participant_id": one.id}) for call_id, one in phones]
    numbers = (
        await jobs.enqueue_all(
            conn,
            "dial",
            dials,
            queue="dial",
            tenant_id=tenant_id,
            max_attempts=DIAL_ATTEMPTS,
            run_at=jobs.NEVER,
        )
        if dials
        else []
    )
    job_ids = {one.id: number for (_call_id, one), number in zip(phones, numbers, strict=True)}
    at = moment(conn)
    rows = [
        {
            "id": one.id,
            "call_id": call_id,
            "tenant_id": tenant_id,
            "position": position,
            "transport": one.transport,
            "identity": one.identity,
            "room_identity": one.room_identity,
            "status": one.status,
            "metadata": one.metadata,
            "from_number": one.from_number,
            "price_micros_per_minute": one.price_micros_per_minute,
            "telephony_leg_id": str(uuid.uuid4()) if one.is_phone else None,
            "job_id": job_ids.get(one.id),
            "call_created_at": call_created_at[call_id],
            "created_at": at,
        }
        for call_id, position, one in places
    ]
    return list((await conn.execute(_INSERT_PARTICIPANTS, rows)).all())


def _first_events(call: NewCall, at: datetime) -> list[dict[str, Any]]:
    always: dict[str, Any] = {"call_id": call.id, "source": "lifecycle", "created_at": at}
    created: dict[str, Any] = {"kind": EventKind.CALL_CREATED, "level": "info", "message": "Call created", "data": None}
    warnings = [
        {
            "kind": EventKind.PROVIDER_UNREACHABLE,
            "level": "warning",
            "message": one.message,
            "data": {"provider": one.kind, "name": one.name, "why": one.health},
        }
        for one in call.unreachable
    ]
    return [always | event for event in (created, *warnings)]


def _row(call: NewCall, at: datetime) -> dict[str, Any]:
    return {
        "id": call.id,
        "tenant_id": call.tenant_id,
        "agent_id": call.agent["id"],
        "agent": call.agent,
        "room_name": call.room_name,
        "status": call.status,
        "metadata": call.metadata,
        "variables": call.variables,
        "post_call": call.post_call,
        "own_post_call": call.own_post_call,
        "intelligence_status": IntelligenceStatus.NOT_STARTED,
        "participant_count": len(call.participants),
        "primary_identity": call.participants[0].identity,
        "primary_transport": call.participants[0].transport,
        "reserved_micros": call.reserved_micros,
        "batch_id": call.batch_id,
        "created_at": at,
        "admitted_at": None if call.waits_for_room else at,
        "dispatches": 0 if call.waits_for_room else 1,  # a room is created with its first dispatch
    }

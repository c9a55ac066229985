"""Every table. Ids are UUID strings; events and jobs are numbered in the order in which they were written."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.types import TypeDecorator

from calls.database.clock import moment

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Uuid = sa.String(36)

# A call that waits for its turn.
WAITS = "admitted_at IS NULL AND status NOT IN ('completed', 'failed')"

# A phone that takes one of its tenant's lines.
ON_LINE = "transport = 'pstn' AND status IN ('dialing', 'ringing', 'joined')"

LEFT_LINE = "transport = 'pstn' AND left_at IS NOT NULL"

# A call that is over and of which that is not erased.
TRANSCRIPT_KEPT = "transcript_erased_at IS NULL AND transcript_closed_at IS NOT NULL"
RECORDING_KEPT = "recording_erased_at IS NULL AND transcript_closed_at IS NOT NULL"


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; naive times are refused, also where the database itself knows no time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse a naive time, bring any other to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a time without a time zone"
            raise ValueError(message)
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def result_processor(self, dialect: sa.Dialect, _coltype: object) -> Callable[[str | None], datetime | None] | None:
        """Read what SQLite stored, a text without a time zone; Postgres gives moments in UTC already."""
        return _from_text if dialect.name == "sqlite" else None


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value + "+00:00")


def _now(context: DefaultExecutionContext) -> datetime:
    return moment(context.root_connection)


def _created_at() -> sa.Column[datetime]:
    return sa.Column("created_at", UtcDateTime, nullable=False, default=_now)


def _where(condition: str) -> dict[str, Any]:
    """What makes an index a partial one. Only a query that says the same in the same words uses it."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant_id", Uuid, sa.ForeignKey("tenants.id"), nullable=False)


def _call(*, primary_key: bool = False, unique: bool = False) -> sa.Column[str]:
    return sa.Column("call_id", Uuid, sa.ForeignKey("calls.id"), nullable=False, primary_key=primary_key, unique=unique)


tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("metered", sa.Boolean, nullable=False, default=False),
    sa.Column("credits_micros", Number, nullable=False, default=0),
    sa.Column("reserved_micros", Number, nullable=False, default=0),  # of these, for calls that are not over
    # After how many days something of a call is erased whose agent does not say; null: it is kept.
    sa.Column("recordings_days", sa.Integer),
    sa.Column("transcripts_days", sa.Integer),
    _created_at(),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    _tenant(),
    sa.Column("kind", sa.String(12), nullable=False),  # secret | publishable
    sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("key_prefix", sa.String(32), nullable=False),
    sa.Column("label", sa.String(100), nullable=False),
    sa.Column("agent_id", Uuid, sa.ForeignKey("agents.id")),
    sa.Column("allowed_channels", Json),
    sa.Column("audience", sa.String(20)),
    sa.Column("default_from_number", sa.String(20)),
    # What a client said about its secret key; kept and given back, with no meaning here.
    sa.Column("declared_kind", sa.String(40)),
    sa.Column("scopes", Json),
    _created_at(),
    sa.Column("revoked_at", UtcDateTime),
    sa.Index(None, "tenant_id", "kind", "created_at"),
)

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    _tenant(),
    sa.Column("name", sa.Text, nullable=False),
    # Everything that shapes a conversation, as the API takes and shows it.
    sa.Column("config", Json, nullable=False),
    _created_at(),
    sa.Column("updated_at", UtcDateTime, nullable=False, default=_now),
    sa.Column("deleted_at", UtcDateTime),
    sa.Index(None, "tenant_id", "created_at", "id"),
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    _tenant(),
    sa.Column("agent_id", Uuid, sa.ForeignKey("agents.id"), nullable=False),
    # The agent as it was when the call was created: {"id", "name", **config}.
    sa.Column("agent", Json, nullable=False),
    sa.Column("room_name", sa.String(64), nullable=False, unique=True),
    sa.Column("status", sa.String(12), nullable=False),
    sa.Column("end_reason", sa.String(32)),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("variables", Json, nullable=False),
    # As it was resolved when the call was created, and what the call itself had said of it.
    sa.Column("post_call", Json, nullable=False),
    sa.Column("own_post_call", Json),
    sa.Column("intelligence_status", sa.String(12), nullable=False),
    sa.Column("participant_count", sa.Integer, nullable=False),
    sa.Column("primary_identity", sa.Text, nullable=False),
    sa.Column("primary_transport", sa.String(8), nullable=False),
    sa.Column("batch_id", sa.Text),
    sa.Column("bill_duration", sa.Integer, nullable=False, default=0),  # whole seconds
    sa.Column("cost_micros", Number, nullable=False, default=0),
    sa.Column("reserved_micros", Number, nullable=False, default=0),  # of a metered tenant's credits, until it is over
    _created_at(),
    sa.Column("started_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    # When it was its turn to have an agent: a call to phones only waits for a line, one of a batch for a seat too.
    sa.Column("admitted_at", UtcDateTime),
    sa.Column("dispatches", sa.Integer, nullable=False, default=0),
    # Set once the call is over and nobody can add to the transcript any more.
    sa.Column("transcript_closed_at", UtcDateTime),
    # When what was said, the recording, and with `erased_at` also who was there was erased, or that was found due.
    sa.Column("transcript_erased_at", UtcDateTime),
    sa.Column("recording_erased_at", UtcDateTime),
    sa.Column("erased_at", UtcDateTime),
    sa.Index(None, "tenant_id", "created_at", "id"),
    sa.Index(None, "tenant_id", "status", "created_at", "id"),
    sa.Index(None, "agent_id", "created_at", "id"),
    sa.Index("ix_calls_unfinished", "created_at", **_where("status NOT IN ('completed', 'failed')")),
    sa.Index(
        "ix_calls_waiting",
        *("tenant_id", "batch_id", "created_at", "id"),
        **_where(WAITS),
    ),
    sa.Index(
        "ix_calls_admitted",
        "tenant_id",
        **_where("admitted_at IS NOT NULL AND status NOT IN ('completed', 'failed')"),
    ),
    sa.Index("ix_calls_batch", "tenant_id", "batch_id", "status", **_where("batch_id IS NOT NULL")),
    sa.Index("ix_calls_transcript_kept", "agent_id", "ended_at", **_where(TRANSCRIPT_KEPT)),
    sa.Index("ix_calls_recording_kept", "agent_id", "ended_at", **_where(RECORDING_KEPT)),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("tenant_id", Uuid, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("agent_id", Uuid, nullable=False),
    sa.Column("status", sa.String(12), nullable=False),  # a BatchStatus
    # The request and its answer, which the same request gets again.
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("answer", Json, nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("rejected", sa.Integer, nullable=False),
    sa.Column("unfinished", sa.Integer, nullable=False),  # of its calls
    _created_at(),
    sa.Column("canceled_at", UtcDateTime),
    sa.Column("completed_at", UtcDateTime),
    sa.Index(None, "tenant_id", "created_at", "batch_id"),
    sa.Index("ix_batches_in_progress", "tenant_id", "created_at", **_where("status = 'in_progress'")),
)

# How many calls each worker takes at once, and its signs of life.
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(100), primary_key=True),
    sa.Column("seats", sa.Integer, nullable=False),
    sa.Column("taken", sa.Integer, nullable=False),
    sa.Column("told_at", UtcDateTime, nullable=False),
)

leases = sa.Table(
    "leases",
    metadata,
    _call(primary_key=True),
    sa.Column("token", sa.Integer, nullable=False),  # counts the holders
    sa.Column("held", sa.Boolean, nullable=False),
    # The last holder: its worker, and the name of its agent in the room.
    sa.Column("worker", sa.String(100), nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("entered", sa.Boolean, nullable=False),  # its agent is in the room
    sa.Column("renewals", sa.Integer, nullable=False),  # its signs of life
    sa.Column("renewed_at", UtcDateTime, nullable=False),  # the last of them by an agent that was in the room
    sa.Column("changes", sa.Integer, nullable=False),  # how many of its changes to the call are written
    sa.Index("ix_leases_held", "call_id", **_where("held")),
)

call_counts = sa.Table(
    "call_counts",
    metadata,
    sa.Column("tenant_id", Uuid, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("agent_id", Uuid, primary_key=True),
    sa.Column("status", sa.String(12), primary_key=True),
    sa.Column("calls", Number, nullable=False),
)

participants = sa.Table(
    "participants",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    _call(),
    _tenant(),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("transport", sa.String(8), nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    # The name in the LiveKit room. A phone's does not show its number, and is new with every dial.
    sa.Column("room_identity", sa.Text, nullable=False),
    sa.Column("status", sa.String(8), nullable=False),
    sa.Column("end_reason", sa.String(32)),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("from_number", sa.String(20)),
    # The price at its creation, so that a later change of prices charges nobody who is in a call.
    sa.Column("price_micros_per_minute", Number, nullable=False, default=0),
    sa.Column("bill_duration", sa.Integer, nullable=False, default=0),  # whole seconds
    sa.Column("cost_micros", Number, nullable=False, default=0),
    sa.Column("telephony_leg_id", Uuid),
    sa.Column("sip_call_id", sa.Text),
    sa.Column("job_id", Number),
    _created_at(),
    sa.Column("dialed_at", UtcDateTime),  # a phone: when it was called
    sa.Column("joined_at", UtcDateTime),
    sa.Column("left_at", UtcDateTime),
    sa.UniqueConstraint("call_id", "room_identity"),
    # A phone that left can be dialled again, but is not in a call twice.
    sa.Index(
        "ix_participants_present", "call_id", "identity", unique=True, **_where("status NOT IN ('left', 'failed')")
    ),
    sa.Index(None, "call_id", "position"),
    # The lines that phones take, and those of a moment ago.
    sa.Index("ix_participants_on_line", "tenant_id", **_where(ON_LINE)),
    sa.Index("ix_participants_left_line", "tenant_id", "left_at", **_where(LEFT_LINE)),
    sa.Index("ix_participants_dialed_at", "tenant_id", "dialed_at", **_where("dialed_at IS NOT NULL")),
)

# When each participant was in its call: a browser may go and come again, and costs nothing in between.
stays = sa.Table(
    "stays",
    metadata,
    sa.Column("participant_id", Uuid, sa.ForeignKey("participants.id"), primary_key=True),
    sa.Column("joined_at", UtcDateTime, primary_key=True),
    sa.Column("left_at", UtcDateTime),
)

segments = sa.Table(
    "segments",
    metadata,
    _call(primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("speaker", sa.String(5), nullable=False),  # user | agent
    sa.Column("participant_id", Uuid),
    sa.Column("participant_identity", sa.Text),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("started_at_ms", sa.Integer, nullable=False),
    sa.Column("ended_at_ms", sa.Integer, nullable=False),
    sa.Column("is_final", sa.Boolean, nullable=False),
    sa.Column("source", sa.String(20), nullable=False, default="runtime"),
    # Grows with every write to the call's transcript, so that a stream can ask for what changed since.
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Index(None, "call_id", "revision"),
)

# Each call of a tool of the agent's, before it is made and with what came of it.
tool_calls = sa.Table(
    "tool_calls",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    _call(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("arguments", Json),  # null where nothing of what is said is kept
    sa.Column("status", sa.String(12), nullable=False),  # a ToolCallStatus
    sa.Column("answer", sa.Text),
    sa.Column("error", sa.Text),  # in words of ours, with what the server said of it
    sa.Column("started_at_ms", sa.Integer, nullable=False),
    sa.Column("duration_ms", sa.Integer),
    _created_at(),
    sa.Index(None, "call_id", "started_at_ms"),
)

call_events = sa.Table(
    "call_events",
    metadata,
    sa.Column("id", Number, primary_key=True, autoincrement=True),
    _call(),
    sa.Column("level", sa.String(8), nullable=False, default="info"),
    sa.Column("kind", sa.String(40), nullable=False),  # an EventKind
    sa.Column("source", sa.String(12), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("data", Json),
    _created_at(),
    sa.Index(None, "call_id", "id"),
    sqlite_autoincrement=True,
)

# Each time that a call is analysed: with the sections as they were resolved then.
generations = sa.Table(
    "generations",
    metadata,
    _call(primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # from 1
    sa.Column("status", sa.String(12), nullable=False),  # pending | completed | failed, not_started if nothing is on
    sa.Column("post_call", Json, nullable=False),
    sa.Column("job_id", Number),  # that of whoever asked for it; the first comes by itself
    sa.Column("asked_at", UtcDateTime, nullable=False),
    _created_at(),
    sa.Column("concluded_at", UtcDateTime),
)

# What a generation is to find, part by part.
results = sa.Table(
    "results",
    metadata,
    sa.Column("call_id", Uuid, primary_key=True),
    sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("stage", sa.String(24), primary_key=True),  # summary | extraction | evaluation
    sa.Column("status", sa.String(12), nullable=False),  # pending | completed | failed
    sa.Column("value", Json),
    sa.Column("error", sa.Text),
    sa.Column("job_id", Number),  # that makes it
    _created_at(),
    sa.Column("ended_at", UtcDateTime),
    sa.ForeignKeyConstraint(["call_id", "generation"], ["generations.call_id", "generations.number"]),
)

# What a model has noted of a call that is too long for it, until the part that needs it has ended.
notes = sa.Table(
    "notes",
    metadata,
    sa.Column("call_id", Uuid, primary_key=True),
    sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("stage", sa.String(24), primary_key=True),
    sa.Column("asked", sa.String(64), primary_key=True),  # a hash of the request
    sa.Column("room", sa.Integer, nullable=False),  # bytes of a request
    sa.Column("text", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(
        ["call_id", "generation", "stage"], ["results.call_id", "results.generation", "results.stage"]
    ),
)

recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    _call(unique=True),
    sa.Column("status", sa.String(8), nullable=False),  # pending | ready | failed
    sa.Column("format", sa.String(8), nullable=False),
    sa.Column("key", sa.Text),
    sa.Column("duration_ms", sa.Integer),
    sa.Column("size_bytes", Number),
    sa.Column("error", sa.Text),
    _created_at(),
)

# What the agent of each lease recorded, until it is in the recording.
recording_pieces = sa.Table(
    "recording_pieces",
    metadata,
    _call(primary_key=True),
    sa.Column("token", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("starts_at_ms", sa.Integer, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # local | stored | added | joined | removed | kept
)

# A file that LiveKit Egress records, or was asked for: one at a time of a call.
egresses = sa.Table(
    "egresses",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    _call(),
    sa.Column("egress_id", sa.String(40)),  # LiveKit's name for it, once that is known
    sa.Column("status", sa.String(8), nullable=False),  # an EgressStatus
    sa.Column("key", sa.Text, nullable=False),  # of its file in the storage
    sa.Column("asked_at", UtcDateTime, nullable=False, default=_now),
    sa.Column("started_at", UtcDateTime),  # when its file begins
    sa.Column("error", sa.Text),
    sa.Index("ix_egresses_call_id", "call_id", "asked_at"),
    sa.Index("ix_egresses_open", "call_id", unique=True, **_where("status IN ('asked', 'running')")),
    sa.Index("ix_egresses_unused", "call_id", **_where("status NOT IN ('added', 'joined', 'kept')")),
)

_waiting, _active = _where("state = 'waiting'"), _where("state = 'active'")
_unfinished = _where("state IN ('waiting', 'active')")

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", Number, primary_key=True, autoincrement=True),
    sa.Column("queue", sa.String(20), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("tenant_id", Uuid),
    sa.Column("call_id", Uuid),
    sa.Column("payload", Json, nullable=False),
    sa.Column("state", sa.String(10), nullable=False, default="waiting"),  # waiting|active|completed|failed|dead
    sa.Column("run_at", UtcDateTime, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("ordering_key", sa.String(100)),
    sa.Column("lane", sa.String(100)),
    sa.Column("dedup", sa.String(100)),
    sa.Column("worker", sa.String(100)),
    sa.Column("token", sa.String(36)),
    sa.Column("lease_until", UtcDateTime),
    sa.Column("error", sa.Text),
    _created_at(),
    sa.Column("finished_at", UtcDateTime),
    sa.Index("ix_jobs_due", "queue", "run_at", "id", **_waiting),
    sa.Index("ix_jobs_active", "lease_until", **_active),
    sa.Index("ix_jobs_lane", "lane", **_active),
    sa.Index("ix_jobs_ordering", "ordering_key", "id", **_unfinished),
    sa.Index("ix_jobs_dedup", "dedup", unique=True, **_unfinished),
    sa.Index("ix_jobs_tenant_queue_state", "tenant_id", "queue", "state"),
    sa.Index("ix_jobs_finished_at", "finished_at"),
    sa.Index("ix_jobs_call_id", "call_id"),
    sqlite_autoincrement=True,
)

numbers = sa.Table(
    "numbers",
    metadata,
    sa.Column("number", sa.String(20), primary_key=True),
    _tenant(),
    sa.Column("agent_id", Uuid, sa.ForeignKey("agents.id")),
    _created_at(),
    sa.Index(None, "tenant_id", "created_at"),
)

dnc = sa.Table(
    "dnc",
    metadata,
    sa.Column("tenant_id", Uuid, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("phone_number", sa.String(20), primary_key=True),
    sa.Column("reason", sa.Text),
    _created_at(),
    sa.Index(None, "tenant_id", "created_at"),
)

trunks = sa.Table(
    "trunks",
    metadata,
    sa.Column("tenant_id", Uuid, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("transport", sa.String(3), nullable=False),
    sa.Column("username", sa.Text),
    sa.Column("password", sa.Text),  # encrypted
    sa.Column("allowed_addresses", Json, nullable=False),
    # What LiveKit has of it, as far as it was seen last.
    sa.Column("state", sa.String(12), nullable=False),  # pending | ready | failed
    sa.Column("reason", sa.Text),
    sa.Column("livekit_ids", Json, nullable=False),  # of its parts: {"outbound", "inbound", "rule"}
    sa.Column("updated_at", UtcDateTime, nullable=False, default=_now),
    sa.Column("version", Uuid, nullable=False),  # another one with each change of what LiveKit should have
)

# One row: what the pipelines see of LiveKit's phones, and which of them is looking.
telephony = sa.Table(
    "telephony",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("installation", sa.String(32), nullable=False),  # tells our trunks in LiveKit from those of others
    sa.Column("looker", Uuid),
    sa.Column("looker_until", UtcDateTime),
    sa.Column("looked_at", UtcDateTime),
    sa.Column("problem", sa.Text),  # that keeps every phone from working
)

tool_secrets = sa.Table(
    "tool_secrets",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    _tenant(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("value", sa.Text, nullable=False),  # encrypted
    _created_at(),
    sa.Column("updated_at", UtcDateTime, nullable=False, default=_now),
    sa.UniqueConstraint("tenant_id", "name"),
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    _tenant(),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("events", Json, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),  # encrypted, like the next
    sa.Column("previous_secret", sa.Text),
    sa.Column("rotated_at", UtcDateTime),
    sa.Column("active", sa.Boolean, nullable=False, default=True),
    sa.Column("alert_email", sa.Text),
    _created_at(),
    sa.Column("updated_at", UtcDateTime, nullable=False, default=_now),
    sa.Index(None, "tenant_id", "created_at"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    sa.Column("webhook_id", Uuid, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    _tenant(),
    sa.Column("call_id", Uuid),
    sa.Column("event", sa.String(40), nullable=False),
    sa.Column("payload", Json, nullable=False),
    sa.Column("status", sa.String(10), nullable=False),  # pending | delivered | failed
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("response_status", sa.Integer),
    sa.Column("error", sa.Text),
    _created_at(),
    sa.Column("delivered_at", UtcDateTime),
    sa.Index(None, "webhook_id", "created_at"),
    sa.Index(None, "call_id"),
    sa.Index(None, "created_at"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("tenant_id", Uuid, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("scope", sa.String(200), primary_key=True),  # the endpoint's path
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("answer", Json),
    _created_at(),
    sa.Index(None, "created_at"),
)

rate_windows = sa.Table(
    "rate_windows",
    metadata,
    sa.Column("key", sa.String(100), primary_key=True),
    sa.Column("window", Number, primary_key=True, autoincrement=False),  # second since 1970
    sa.Column("count", sa.Integer, nullable=False),
)

"""Calls, who is in them and when, and batches of them."""

import sqlalchemy as sa

from calls.tables.columns import Json, Number, UtcDateTime, Uuid, call_id, created_at, metadata, tenant_id, where

# A call that waits for its turn.
WAITS = "admitted_at IS NULL AND status NOT IN ('completed', 'failed')"

# A phone that takes one of its tenant's lines.
ON_LINE = "transport = 'pstn' AND status IN ('dialing', 'ringing', 'joined')"
LEFT_LINE = "transport = 'pstn' AND left_at IS NOT NULL"

# A call that is over and of which that is not erased.
TRANSCRIPT_KEPT = "transcript_erased_at IS NULL AND transcript_closed_at IS NOT NULL"
RECORDING_KEPT = "recording_erased_at IS NULL AND transcript_closed_at IS NOT NULL"

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    tenant_id(),
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
    created_at(),
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
    sa.Index(None, "tenant_id", "agent_id", "created_at", "id"),
    sa.Index(None, "tenant_id", "primary_transport", "created_at", "id"),
    sa.Index("ix_calls_end_reason", "tenant_id", "end_reason", "created_at", "id", **where("end_reason IS NOT NULL")),
    sa.Index("ix_calls_unfinished", "created_at", **where("status NOT IN ('completed', 'failed')")),
    sa.Index(
        "ix_calls_waiting",
        *("tenant_id", "batch_id", "created_at", "id"),
        **where(WAITS),
    ),
    sa.Index(
        "ix_calls_admitted",
        "tenant_id",
        **where("admitted_at IS NOT NULL AND status NOT IN ('completed', 'failed')"),
    ),
    sa.Index("ix_calls_batch", "tenant_id", "batch_id", "created_at", "id", "status", **where("batch_id IS NOT NULL")),
    sa.Index("ix_calls_transcript_kept", "agent_id", "ended_at", **where(TRANSCRIPT_KEPT)),
    sa.Index("ix_calls_recording_kept", "agent_id", "ended_at", **where(RECORDING_KEPT)),
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
    created_at(),
    sa.Column("canceled_at", UtcDateTime),
    sa.Column("completed_at", UtcDateTime),
    sa.Index(None, "tenant_id", "created_at", "batch_id"),
    sa.Index("ix_batches_in_progress", "tenant_id", "created_at", **where("status = 'in_progress'")),
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
    call_id(),
    tenant_id(),
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
    sa.Column("call_created_at", UtcDateTime, nullable=False),  # so that somebody's calls are found the newest first
    created_at(),
    sa.Column("dialed_at", UtcDateTime),  # a phone: when it was called
    sa.Column("joined_at", UtcDateTime),
    sa.Column("left_at", UtcDateTime),
    sa.Column("code_used_at", UtcDateTime),  # when its join code was exchanged, which is done once
    sa.UniqueConstraint("call_id", "room_identity"),
    # A phone that left can be dialled again, but is not in a call twice.
    sa.Index(
        "ix_participants_present", "call_id", "identity", unique=True, **where("status NOT IN ('left', 'failed')")
    ),
    sa.Index(None, "call_id", "position"),
    sa.Index(None, "tenant_id", "identity", "call_created_at", "call_id"),
    # The lines that phones take, and those of a moment ago.
    sa.Index("ix_participants_on_line", "tenant_id", **where(ON_LINE)),
    sa.Index("ix_participants_left_line", "tenant_id", "left_at", **where(LEFT_LINE)),
    sa.Index("ix_participants_dialed_at", "tenant_id", "dialed_at", **where("dialed_at IS NOT NULL")),
)

# When each participant was in its call: a browser may go and come again, and costs nothing in between.
stays = sa.Table(
    "stays",
    metadata,
    sa.Column("participant_id", Uuid, sa.ForeignKey("participants.id"), primary_key=True),
    sa.Column("joined_at", UtcDateTime, primary_key=True),
    sa.Column("left_at", UtcDateTime),
)

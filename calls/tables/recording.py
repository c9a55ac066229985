"""What was recorded of a call."""

import sqlalchemy as sa

from calls.tables.columns import Number, UtcDateTime, Uuid, call_id, created_at, metadata, now, where

recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    call_id(unique=True),
    sa.Column("status", sa.String(8), nullable=False),  # pending | ready | failed
    sa.Column("format", sa.String(8), nullable=False),
    sa.Column("key", sa.Text),
    sa.Column("duration_ms", sa.Integer),
    sa.Column("size_bytes", Number),
    sa.Column("error", sa.Text),
    # How loud it is: a byte for each `peaks_ms` of the people, then as many of the agent.
    sa.Column("peaks", sa.LargeBinary),
    sa.Column("peaks_ms", sa.Integer),
    created_at(),
)

# What the agent of each lease recorded, until it is in the recording. It has begun anew after each interruption.
recording_pieces = sa.Table(
    "recording_pieces",
    metadata,
    call_id(primary_key=True),
    sa.Column("token", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("starts_at_ms", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.String(8), nullable=False),  # local | stored | added | joined | removed | kept
)

# A file that LiveKit Egress records, or was asked for: one at a time of a call.
egresses = sa.Table(
    "egresses",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    call_id(),
    sa.Column("egress_id", sa.String(40)),  # LiveKit's name for it, once that is known
    sa.Column("status", sa.String(8), nullable=False),  # an EgressStatus
    sa.Column("key", sa.Text, nullable=False),  # of its file in the storage
    sa.Column("asked_at", UtcDateTime, nullable=False, default=now),
    sa.Column("started_at", UtcDateTime),  # when its file begins
    sa.Column("error", sa.Text),
    sa.Index("ix_egresses_call_id", "call_id", "asked_at"),
    sa.Index("ix_egresses_open", "call_id", unique=True, **where("status IN ('asked', 'running')")),
    sa.Index("ix_egresses_unused", "call_id", **where("status NOT IN ('added', 'joined', 'kept')")),
)

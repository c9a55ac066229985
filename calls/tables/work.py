"""Who does what: the workers and their calls, and jobs."""

import sqlalchemy as sa

from calls.tables.columns import Json, Number, UtcDateTime, Uuid, call_id, created_at, metadata, where

# How many calls each worker takes at once, whether it does not keep up with those it has, and its signs of life.
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(100), primary_key=True),
    sa.Column("seats", sa.Integer, nullable=False),
    sa.Column("taken", sa.Integer, nullable=False),
    sa.Column("strained", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("told_at", UtcDateTime, nullable=False),
)

# Every process, and its signs of life.
processes = sa.Table(
    "processes",
    metadata,
    sa.Column("id", sa.String(100), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),  # api | worker | pipeline
    sa.Column("host", sa.String(100), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("version", sa.String(40)),  # null: one from before they said it, which still runs during an update
    sa.Column("began_at", UtcDateTime, nullable=False),
    sa.Column("told_at", UtcDateTime, nullable=False),
)

leases = sa.Table(
    "leases",
    metadata,
    call_id(primary_key=True),
    sa.Column("token", sa.Integer, nullable=False),  # counts the holders
    sa.Column("held", sa.Boolean, nullable=False),
    # The last holder: its worker, and the name of its agent in the room.
    sa.Column("worker", sa.String(100), nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("entered", sa.Boolean, nullable=False),  # its agent is in the room
    sa.Column("renewals", sa.Integer, nullable=False),  # its signs of life
    # the last of them, or the last write, by an agent that was in the room
    sa.Column("renewed_at", UtcDateTime, nullable=False),
    sa.Column("changes", sa.Integer, nullable=False),  # how many of its changes to the call are written
    sa.Column("probes", sa.Integer, nullable=False),  # how often somebody has seen that it can be written
    sa.Column("sought", sa.Boolean, nullable=False),  # nobody holds it, and any worker may take it
    sa.Column("elsewhere", sa.Boolean, nullable=False),  # but the last holder's: its agent could not enter the room
    sa.Index("ix_leases_held", "call_id", **where("held")),
)

_waiting, _active = where("state = 'waiting'"), where("state = 'active'")
_unfinished = where("state IN ('waiting', 'active')")

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
    created_at(),
    sa.Column("finished_at", UtcDateTime),
    sa.Index("ix_jobs_due", "queue", "run_at", "id", **_waiting),
    sa.Index("ix_jobs_active", "lease_until", **_active),
    sa.Index("ix_jobs_lane", "lane", **_active),
    sa.Index("ix_jobs_ordering", "ordering_key", "id", **_unfinished),
    sa.Index("ix_jobs_dedup", "dedup", unique=True, **_unfinished),
    sa.Index("ix_jobs_tenant_queue_state", "tenant_id", "queue", "state"),
    sa.Index("ix_jobs_dead", "tenant_id", "finished_at", "id", **where("state = 'dead'")),
    sa.Index("ix_jobs_finished_at", "finished_at"),
    sa.Index("ix_jobs_call_id", "call_id"),
    sqlite_autoincrement=True,
)

"""What was found in a call afterwards."""

import sqlalchemy as sa

from calls.tables.columns import Json, Number, UtcDateTime, Uuid, call_id, created_at, metadata

# Each time that a call is analysed: with the sections as they were resolved then.
generations = sa.Table(
    "generations",
    metadata,
    call_id(primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # from 1
    sa.Column("status", sa.String(12), nullable=False),  # pending | completed | failed, not_started if nothing is on
    sa.Column("post_call", Json, nullable=False),
    sa.Column("job_id", Number),  # that of whoever asked for it; the first comes by itself
    sa.Column("asked_at", UtcDateTime, nullable=False),
    created_at(),
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
    created_at(),
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

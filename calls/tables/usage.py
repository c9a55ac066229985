"""What calls come to, counted: nothing here tells of anybody."""

import sqlalchemy as sa

from calls.tables.columns import Number, Uuid, metadata

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("tenant_id", Uuid, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),  # UTC, on which the calls were asked for
    sa.Column("agent_id", Uuid, primary_key=True),
    sa.Column("status", sa.String(12), primary_key=True),
    sa.Column("end_reason", sa.String(32), primary_key=True),
    sa.Column("calls", Number, nullable=False),
    sa.Column("seconds", Number, nullable=False),
    sa.Column("cost_micros", Number, nullable=False),
)

# How many answers took how long, in steps.
answer_times = sa.Table(
    "answer_times",
    metadata,
    sa.Column("tenant_id", Uuid, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("agent_id", Uuid, primary_key=True),
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("answers", Number, nullable=False),
)

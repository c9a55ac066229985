"""Leases of their own, and kinds of events"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The events of calls from before there were kinds, by their texts.
_KINDS = {
    "Call created": "call.created",
    "Call started": "call.started",
    "Call completed%": "call.completed",
    "Call failed%": "call.failed",
    "% participant(s) added": "participants.added",
    "Participant joined": "participant.joined",
    "Participant left": "participant.left",
    "Participant failed%": "participant.failed",
    "Phone is ringing": "leg.ringing",
    "PSTN leg connected": "leg.answered",
    "PSTN leg ended": "leg.ended",
    "PSTN leg failed%": "leg.failed",
    "Agent joined": "agent.joined",
    "No agent joined in time%": "dispatch.repeated",
    "% names unknown variables": "template.unknown_variables",
    "provider failed": "provider.failed",
    "Recording stored": "recording.stored",
    "Recording failed%": "recording.failed",
    "The transcript is too long%": "transcript.shortened",
    "Post-call analysis completed%": "analysis.completed",
    "Post-call analysis failed%": "analysis.failed",
}


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("worker", sa.String(length=100), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("entered", sa.Boolean(), nullable=False),
        sa.Column("renewals", sa.Integer(), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_leases_call_id")),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_leases")),
    )
    held = sa.text("held")
    op.create_index("ix_leases_held", "leases", ["call_id"], sqlite_where=held, postgresql_where=held)
    op.create_index("ix_deliveries_created_at", "deliveries", ["created_at"])
    for column in ("lease_worker", "lease_token", "lease_until", "agent_joined_at", "dispatched_at"):
        op.drop_column("calls", column)
    op.execute(
        "UPDATE calls SET transcript_closed_at = ended_at "
        "WHERE status IN ('completed', 'failed') AND transcript_closed_at IS NULL"
    )
    op.add_column(
        "call_events", sa.Column("kind", sa.String(length=40), nullable=False, server_default="analysis.part_failed")
    )
    events = sa.table("call_events", sa.column("message", sa.Text), sa.column("kind", sa.String))
    for message, kind in _KINDS.items():
        op.execute(sa.update(events).where(events.c.message.like(message)).values(kind=kind))


def downgrade() -> None:
    op.drop_column("call_events", "kind")
    op.drop_index("ix_deliveries_created_at", table_name="deliveries")
    op.add_column("calls", sa.Column("dispatched_at", sa.DateTime(timezone=True)))
    op.add_column("calls", sa.Column("agent_joined_at", sa.DateTime(timezone=True)))
    op.add_column("calls", sa.Column("lease_until", sa.DateTime(timezone=True)))
    op.add_column("calls", sa.Column("lease_token", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("calls", sa.Column("lease_worker", sa.String(length=100)))
    op.drop_index("ix_leases_held", table_name="leases")
    op.drop_table("leases")

"""Erasure and retention: a tenant's days, when something of a call was erased, and what finds it"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ERASED = ("transcript_erased_at", "recording_erased_at", "erased_at")
DAYS = ("recordings_days", "transcripts_days")
KEPT = {"ix_calls_transcript_kept": "transcript_erased_at", "ix_calls_recording_kept": "recording_erased_at"}


def upgrade() -> None:
    for name in DAYS:
        op.add_column("tenants", sa.Column(name, sa.Integer()))
    for name in ERASED:
        op.add_column("calls", sa.Column(name, sa.DateTime(timezone=True)))
    for index, erased_at in KEPT.items():
        kept = sa.text(f"{erased_at} IS NULL AND transcript_closed_at IS NOT NULL")
        op.create_index(index, "calls", ["agent_id", "ended_at"], sqlite_where=kept, postgresql_where=kept)
    op.create_index("ix_jobs_call_id", "jobs", ["call_id"])
    op.create_index("ix_deliveries_call_id", "deliveries", ["call_id"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_call_id", table_name="deliveries")
    op.drop_index("ix_jobs_call_id", table_name="jobs")
    for index in KEPT:
        op.drop_index(index, table_name="calls")
    for name in ERASED:
        op.drop_column("calls", name)
    for name in DAYS:
        op.drop_column("tenants", name)

"""What LiveKit Egress records, where it does so instead of the worker"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "egresses",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("call_id", sa.String(36), nullable=False),
        sa.Column("egress_id", sa.String(40)),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text()),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name="fk_egresses_call_id"),
        sa.PrimaryKeyConstraint("id", name="pk_egresses"),
    )
    op.create_index("ix_egresses_call_id", "egresses", ["call_id", "asked_at"])
    unfinished = sa.text("status IN ('asked', 'running')")
    op.create_index(
        "ix_egresses_open",
        "egresses",
        ["call_id"],
        unique=True,
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )


def downgrade() -> None:
    op.drop_table("egresses")

"""Batches, the seats of workers, and calls that wait for their turn"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ON_LINE = "transport = 'pstn' AND status IN ('dialing', 'ringing', 'joined')"
_LEFT_LINE = "transport = 'pstn' AND left_at IS NOT NULL"
_WAITING = "admitted_at IS NULL AND status NOT IN ('completed', 'failed')"
_ADMITTED = "admitted_at IS NOT NULL AND status NOT IN ('completed', 'failed')"


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("unfinished", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("canceled_at", sa.DateTime(timezone=True)),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_batches_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "batch_id", name=op.f("pk_batches")),
    )
    op.create_index("ix_batches_tenant_id_created_at_batch_id", "batches", ["tenant_id", "created_at", "batch_id"])
    _index("ix_batches_in_progress", "batches", ["tenant_id", "created_at"], "status = 'in_progress'")
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.add_column("calls", sa.Column("admitted_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE calls SET admitted_at = created_at")  # nobody had to wait
    _index("ix_calls_waiting", "calls", ["tenant_id", "batch_id", "created_at", "id"], _WAITING)
    _index("ix_calls_admitted", "calls", ["tenant_id"], _ADMITTED)
    _index("ix_calls_batch", "calls", ["tenant_id", "batch_id", "status"], "batch_id IS NOT NULL")
    op.add_column("participants", sa.Column("dialed_at", sa.DateTime(timezone=True)))
    op.add_column("participants", sa.Column("tenant_id", sa.String(length=36)))
    op.execute(
        "UPDATE participants SET tenant_id = (SELECT tenant_id FROM calls WHERE calls.id = participants.call_id)"
    )
    with op.batch_alter_table("participants") as batch:
        batch.alter_column("tenant_id", existing_type=sa.String(length=36), nullable=False)
        batch.create_foreign_key("fk_participants_tenant_id", "tenants", ["tenant_id"], ["id"])
    _index("ix_participants_on_line", "participants", ["tenant_id"], _ON_LINE)
    _index("ix_participants_left_line", "participants", ["tenant_id", "left_at"], _LEFT_LINE)
    _index("ix_participants_dialed_at", "participants", ["tenant_id", "dialed_at"], "dialed_at IS NOT NULL")


def downgrade() -> None:
    for name in ("ix_participants_dialed_at", "ix_participants_left_line", "ix_participants_on_line"):
        op.drop_index(name, table_name="participants")
    with op.batch_alter_table("participants") as batch:
        batch.drop_constraint("fk_participants_tenant_id", type_="foreignkey")
        batch.drop_column("tenant_id")
        batch.drop_column("dialed_at")
    for name in ("ix_calls_batch", "ix_calls_admitted", "ix_calls_waiting"):
        op.drop_index(name, table_name="calls")
    op.drop_column("calls", "admitted_at")
    op.drop_table("workers")
    op.drop_table("batches")


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))

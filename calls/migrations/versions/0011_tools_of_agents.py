"""Calls of the agents' tools, and the secrets that they are shown"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "tool_secrets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_tool_secrets_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tool_secrets")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_tool_secrets_tenant_id_name")),
    )
    op.create_table(
        "tool_calls",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("arguments", JSON),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("answer", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("started_at_ms", sa.Integer(), nullable=False),
        sa.Column("duration_ms", sa.Integer()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_tool_calls_call_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tool_calls")),
    )
    op.create_index(op.f("ix_tool_calls_call_id_started_at_ms"), "tool_calls", ["call_id", "started_at_ms"])


def downgrade() -> None:
    op.drop_index(op.f("ix_tool_calls_call_id_started_at_ms"), table_name="tool_calls")
    op.drop_table("tool_calls")
    op.drop_table("tool_secrets")

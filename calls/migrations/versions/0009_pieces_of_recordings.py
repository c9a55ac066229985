"""Pieces of recordings: what agents recorded, on its way from their machines into the storage"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recording_pieces",
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("starts_at_ms", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_recording_pieces_call_id")),
        sa.PrimaryKeyConstraint("call_id", "token", name=op.f("pk_recording_pieces")),
    )


def downgrade() -> None:
    op.drop_table("recording_pieces")

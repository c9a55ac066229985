"""Notes of calls that are too long for their model, as far as they were made"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.String(length=24), nullable=False),
        sa.Column("asked", sa.String(length=64), nullable=False),
        sa.Column("room", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["call_id", "generation", "stage"],
            ["results.call_id", "results.generation", "results.stage"],
            name=op.f("fk_notes_call_id_generation_stage"),
        ),
        sa.PrimaryKeyConstraint("call_id", "generation", "stage", "asked", name=op.f("pk_notes")),
    )


def downgrade() -> None:
    op.drop_table("notes")

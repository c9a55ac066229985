"""How long callers waited for each of the agent's turns is kept with the call"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "turns",
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("decided_at_ms", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("user_stopped_at_ms", sa.Integer, nullable=False),
        sa.Column("first_word_at_ms", sa.Integer, nullable=False),
        sa.Column("first_sound_at_ms", sa.Integer, nullable=False),
        sa.Column("phrase_at_ms", sa.Integer),
        sa.Column("measured_by", sa.String(9), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_turns_call_id")),
        sa.PrimaryKeyConstraint("call_id", "decided_at_ms", name=op.f("pk_turns")),
    )


def downgrade() -> None:
    op.drop_table("turns")

"""What LiveKit has of trunks"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "telephony",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("installation", sa.String(length=32), nullable=False),
        sa.Column("looker", sa.String(length=36), nullable=True),
        sa.Column("looker_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_telephony")),
    )
    # No look has seen the trunks of before, whatever is said of them.
    op.add_column("trunks", sa.Column("version", sa.String(length=36), nullable=False, server_default="0003"))
    op.execute("UPDATE trunks SET state = 'pending', livekit_ids = '{}'")
    op.execute("DELETE FROM jobs WHERE kind = 'provision_trunk'")


def downgrade() -> None:
    op.drop_column("trunks", "version")
    op.drop_table("telephony")

"""Peaks of recordings: how loud each side is, to be drawn without the sound"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recordings", sa.Column("peaks", sa.LargeBinary()))
    op.add_column("recordings", sa.Column("peaks_ms", sa.Integer()))


def downgrade() -> None:
    op.drop_column("recordings", "peaks_ms")
    op.drop_column("recordings", "peaks")

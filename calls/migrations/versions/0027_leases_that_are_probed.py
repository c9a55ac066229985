"""Whoever suspects a holder sees first whether its lease can be written at all"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("leases") as table:
        table.add_column(sa.Column("probes", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("leases") as table:
        table.alter_column("probes", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("leases") as table:
        table.drop_column("probes")

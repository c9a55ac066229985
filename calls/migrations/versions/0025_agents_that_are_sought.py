"""Any agent that is sought is sought among the workers, not only a call's first"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

COLUMNS = ("sought", "elsewhere")


def upgrade() -> None:
    with op.batch_alter_table("leases") as table:
        for name in COLUMNS:
            table.add_column(sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE leases SET sought = true WHERE token = 0")
    with op.batch_alter_table("leases") as table:
        for name in COLUMNS:
            table.alter_column(name, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("leases") as table:
        for name in COLUMNS:
            table.drop_column(name)

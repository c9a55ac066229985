"""Which version each process is of"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("processes", sa.Column("version", sa.String(length=40), nullable=True))


def downgrade() -> None:
    op.drop_column("processes", "version")

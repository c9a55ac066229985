"""What LiveKit Egress records and is not yet in a recording is found without a look at every call"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    unused = sa.text("status NOT IN ('added', 'joined', 'kept')")
    op.create_index("ix_egresses_unused", "egresses", ["call_id"], sqlite_where=unused, postgresql_where=unused)


def downgrade() -> None:
    op.drop_index("ix_egresses_unused", "egresses")

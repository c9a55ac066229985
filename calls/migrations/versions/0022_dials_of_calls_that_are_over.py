"""Jobs that wait to dial a phone of a call that is over, or a phone that was given up, wait no longer"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# They end when the phone was given up, so that they are kept no longer than others.
CALL_OFF = """
UPDATE jobs SET state = 'failed', error = 'The phone was given up before it was called.', finished_at = COALESCE(
    (SELECT COALESCE(participants.left_at, calls.ended_at) FROM participants JOIN calls ON calls.id = participants.call_id
     WHERE participants.call_id = jobs.call_id AND participants.job_id = jobs.id),
    created_at)
WHERE kind = 'dial' AND state = 'waiting'
AND id IN (SELECT job_id FROM participants WHERE status IN ('left', 'failed') AND dialed_at IS NULL)
"""


def upgrade() -> None:
    op.execute(sa.text(CALL_OFF))


def downgrade() -> None:
    """What was called off has nothing to do in any version."""

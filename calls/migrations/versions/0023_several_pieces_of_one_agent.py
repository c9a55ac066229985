"""Several pieces of one agent: its recording begins anew after an interruption, as by a full disk"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TABLE, KEY = "recording_pieces", "pk_recording_pieces"


def upgrade() -> None:
    with op.batch_alter_table(TABLE) as table:
        table.drop_constraint(KEY, type_="primary")
        table.create_primary_key(KEY, ["call_id", "token", "starts_at_ms"])


def downgrade() -> None:
    # Of each agent the first one stays; files of the others are told of anew.
    op.execute(
        "DELETE FROM recording_pieces WHERE EXISTS (SELECT 1 FROM recording_pieces AS earlier"
        " WHERE earlier.call_id = recording_pieces.call_id AND earlier.token = recording_pieces.token"
        " AND earlier.starts_at_ms < recording_pieces.starts_at_ms)"
    )
    with op.batch_alter_table(TABLE) as table:
        table.drop_constraint(KEY, type_="primary")
        table.create_primary_key(KEY, ["call_id", "token"])

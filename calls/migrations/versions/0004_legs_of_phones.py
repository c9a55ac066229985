"""Legs of phones: a name of their own in the room, SIP's name of their call, a number that is dialled again"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("jobs", "on_lost")
    op.add_column("participants", sa.Column("sip_call_id", sa.Text()))
    op.add_column("participants", sa.Column("room_identity", sa.Text()))
    op.execute("UPDATE participants SET room_identity = identity")
    with op.batch_alter_table("participants") as batch:
        batch.alter_column("room_identity", existing_type=sa.Text(), nullable=False)
        batch.drop_constraint("uq_participants_call_id_identity", type_="unique")
        batch.create_unique_constraint("uq_participants_call_id_room_identity", ["call_id", "room_identity"])
    present = sa.text("status NOT IN ('left', 'failed')")
    op.create_index(
        "ix_participants_present",
        "participants",
        ["call_id", "identity"],
        unique=True,
        sqlite_where=present,
        postgresql_where=present,
    )


def downgrade() -> None:
    op.drop_index("ix_participants_present", table_name="participants")
    with op.batch_alter_table("participants") as batch:
        batch.drop_constraint("uq_participants_call_id_room_identity", type_="unique")
        batch.create_unique_constraint("uq_participants_call_id_identity", ["call_id", "identity"])
    op.drop_column("participants", "room_identity")
    op.drop_column("participants", "sip_call_id")
    op.add_column("jobs", sa.Column("on_lost", sa.String(length=8), nullable=False, server_default="retry"))

"""Money per leg: each one's price and bill, when it was there, and what is reserved of credits"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "stays",
        sa.Column("participant_id", sa.String(length=36), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["participant_id"], ["participants.id"], name=op.f("fk_stays_participant_id")),
        sa.PrimaryKeyConstraint("participant_id", "joined_at", name=op.f("pk_stays")),
    )
    op.execute(
        "INSERT INTO stays SELECT id, joined_at, left_at FROM participants WHERE joined_at IS NOT NULL "
        "AND call_id IN (SELECT id FROM calls WHERE transcript_closed_at IS NULL)"
    )
    for table in ("tenants", "calls"):
        op.add_column(table, sa.Column("reserved_micros", NUMBER, nullable=False, server_default="0"))
    for name, kind in (
        ("price_micros_per_minute", NUMBER),
        ("bill_duration", sa.Integer()),
        ("cost_micros", NUMBER),
    ):
        op.add_column("participants", sa.Column(name, kind, nullable=False, server_default="0"))
    op.execute(
        "UPDATE participants SET price_micros_per_minute = "
        "(SELECT price_micros_per_minute FROM calls WHERE calls.id = participants.call_id)"
    )
    # A call that is over was billed as one leg, whoever was in it.
    op.execute(
        "UPDATE participants SET "
        "bill_duration = (SELECT bill_duration FROM calls WHERE calls.id = participants.call_id), "
        "cost_micros = (SELECT cost_micros FROM calls WHERE calls.id = participants.call_id) "
        "WHERE position = 0"
    )
    op.drop_column("calls", "price_micros_per_minute")


def downgrade() -> None:
    op.add_column("calls", sa.Column("price_micros_per_minute", NUMBER, nullable=False, server_default="0"))
    op.execute(
        "UPDATE calls SET price_micros_per_minute = coalesce("
        "(SELECT max(price_micros_per_minute) FROM participants WHERE participants.call_id = calls.id), 0)"
    )
    for name in ("cost_micros", "bill_duration", "price_micros_per_minute"):
        op.drop_column("participants", name)
    for table in ("calls", "tenants"):
        op.drop_column(table, "reserved_micros")
    op.drop_table("stays")

"""Phone numbers, and how they are reached."""

import sqlalchemy as sa

from calls.tables.columns import Json, UtcDateTime, Uuid, created_at, metadata, now, tenant_id

numbers = sa.Table(
    "numbers",
    metadata,
    sa.Column("number", sa.String(20), primary_key=True),
    tenant_id(),
    sa.Column("agent_id", Uuid, sa.ForeignKey("agents.id")),
    created_at(),
    sa.Index(None, "tenant_id", "created_at"),
)

dnc = sa.Table(
    "dnc",
    metadata,
    sa.Column("tenant_id", Uuid, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("phone_number", sa.String(20), primary_key=True),
    sa.Column("reason", sa.Text),
    created_at(),
    sa.Index(None, "tenant_id", "created_at"),
)

trunks = sa.Table(
    "trunks",
    metadata,
    sa.Column("tenant_id", Uuid, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("transport", sa.String(3), nullable=False),
    sa.Column("username", sa.Text),
    sa.Column("password", sa.Text),  # encrypted
    sa.Column("allowed_addresses", Json, nullable=False),
    # What LiveKit has of it, as far as it was seen last.
    sa.Column("state", sa.String(12), nullable=False),  # pending | ready | failed
    sa.Column("reason", sa.Text),
    sa.Column("livekit_ids", Json, nullable=False),  # of its parts: {"outbound", "inbound", "rule"}
    sa.Column("updated_at", UtcDateTime, nullable=False, default=now),
    sa.Column("version", Uuid, nullable=False),  # another one with each change of what LiveKit should have
)

# One row: what the pipelines see of LiveKit's phones, and which of them is looking.
telephony = sa.Table(
    "telephony",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("installation", sa.String(32), nullable=False),  # tells our trunks in LiveKit from those of others
    sa.Column("looker", Uuid),
    sa.Column("looker_until", UtcDateTime),
    sa.Column("looked_at", UtcDateTime),
    sa.Column("problem", sa.Text),  # that keeps every phone from working
)

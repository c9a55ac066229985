"""Who is told what happens, and what they were told."""

import sqlalchemy as sa

from calls.tables.columns import Json, UtcDateTime, Uuid, created_at, metadata, now, tenant_id

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    tenant_id(),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("events", Json, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),  # encrypted, like the next
    sa.Column("previous_secret", sa.Text),
    sa.Column("rotated_at", UtcDateTime),
    sa.Column("active", sa.Boolean, nullable=False, default=True),
    sa.Column("alert_email", sa.Text),
    sa.Column("deleted_at", UtcDateTime),  # it is gone for everybody; what was sent to it goes bit by bit
    created_at(),
    sa.Column("updated_at", UtcDateTime, nullable=False, default=now),
    sa.Index(None, "tenant_id", "created_at"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    sa.Column("webhook_id", Uuid, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    tenant_id(),
    sa.Column("call_id", Uuid),
    sa.Column("event", sa.String(40), nullable=False),
    sa.Column("payload", Json, nullable=False),
    sa.Column("status", sa.String(10), nullable=False),  # pending | delivered | failed
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("response_status", sa.Integer),
    sa.Column("response_body", sa.Text),  # how it begins
    sa.Column("error", sa.Text),
    created_at(),
    sa.Column("delivered_at", UtcDateTime),
    sa.Index(None, "webhook_id", "created_at"),
    sa.Index(None, "call_id"),
    sa.Index(None, "created_at"),
)

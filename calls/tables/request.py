"""What the API remembers of requests."""

import sqlalchemy as sa

from calls.tables.columns import Json, Number, Uuid, created_at, metadata

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("tenant_id", Uuid, sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("scope", sa.String(200), primary_key=True),  # the endpoint's path
    sa.Column("body_hash", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("answer", Json),
    created_at(),
    sa.Index(None, "created_at"),
)

rate_windows = sa.Table(
    "rate_windows",
    metadata,
    sa.Column("key", sa.String(100), primary_key=True),
    sa.Column("window", Number, primary_key=True, autoincrement=False),  # second since 1970
    sa.Column("count", sa.Integer, nullable=False),
)

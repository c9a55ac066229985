"""Who uses this installation, with which keys."""

import sqlalchemy as sa

from calls.tables.columns import Json, Number, UtcDateTime, Uuid, created_at, metadata, tenant_id

tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("metered", sa.Boolean, nullable=False, default=False),
    sa.Column("credits_micros", Number, nullable=False, default=0),
    sa.Column("reserved_micros", Number, nullable=False, default=0),  # of these, for calls that are not over
    # After how many days something of a call is erased whose agent does not say; null: it is kept.
    sa.Column("recordings_days", sa.Integer),
    sa.Column("transcripts_days", sa.Integer),
    created_at(),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    tenant_id(),
    sa.Column("kind", sa.String(12), nullable=False),  # secret | publishable
    sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("key_prefix", sa.String(32), nullable=False),
    sa.Column("label", sa.String(100), nullable=False),
    sa.Column("agent_id", Uuid, sa.ForeignKey("agents.id")),
    sa.Column("allowed_channels", Json),
    sa.Column("audience", sa.String(20)),
    sa.Column("default_from_number", sa.String(20)),
    # What a client said about its secret key; kept and given back, with no meaning here.
    sa.Column("declared_kind", sa.String(40)),
    sa.Column("scopes", Json),
    created_at(),
    sa.Column("last_used_at", UtcDateTime),  # to a minute
    sa.Column("revoked_at", UtcDateTime),
    sa.Index(None, "tenant_id", "kind", "created_at"),
)

# Browsers that are signed in with a key.
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("key_id", Uuid, sa.ForeignKey("api_keys.id"), nullable=False),
    created_at(),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Index(None, "expires_at"),
)

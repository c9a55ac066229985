"""Links by which anybody talks to an agent, within limits."""

import sqlalchemy as sa

from calls.tables.columns import Uuid, call_id, created_at, metadata, tenant_id

share_links = sa.Table(
    "share_links",
    metadata,
    sa.Column("agent_id", Uuid, sa.ForeignKey("agents.id"), primary_key=True),
    tenant_id(),
    sa.Column("key_id", Uuid, sa.ForeignKey("api_keys.id"), nullable=False),  # of its visitors' calls
    sa.Column("code", sa.String(22), nullable=False, unique=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("minutes_limit", sa.Integer, nullable=False),
    sa.Column("max_call_seconds", sa.Integer, nullable=False),
    sa.Column("max_concurrent", sa.Integer, nullable=False),
    sa.Column("calls_per_ip_hour", sa.Integer, nullable=False),
    created_at(),
)

# The calls that came by a link, also by one whose address is another one by now.
share_calls = sa.Table(
    "share_calls",
    metadata,
    call_id(primary_key=True),
    sa.Column("agent_id", Uuid, sa.ForeignKey("agents.id"), nullable=False),
    sa.Column("granted_s", sa.Integer, nullable=False),  # as long as it may last; until it is over, it counts as that
    sa.Index(None, "agent_id"),
)

# From where they came, for the hour in which that counts.
share_visits = sa.Table(
    "share_visits",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    sa.Column("agent_id", Uuid, sa.ForeignKey("agents.id"), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    created_at(),
    sa.Index(None, "agent_id", "address", "created_at"),
    sa.Index(None, "created_at"),
)

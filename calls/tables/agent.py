"""Agents, and the secrets of their tools."""

import sqlalchemy as sa

from calls.tables.columns import Json, UtcDateTime, Uuid, created_at, metadata, now, tenant_id

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    tenant_id(),
    sa.Column("name", sa.Text, nullable=False),
    # Everything that shapes a conversation, as the API takes and shows it.
    sa.Column("config", Json, nullable=False),
    created_at(),
    sa.Column("updated_at", UtcDateTime, nullable=False, default=now),
    sa.Column("deleted_at", UtcDateTime),
    sa.Index(None, "tenant_id", "created_at", "id"),
)

# What was changed, one row per field, written with the change.
agent_changes = sa.Table(
    "agent_changes",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    sa.Column("agent_id", Uuid, sa.ForeignKey("agents.id"), nullable=False),
    sa.Column("key_id", Uuid, sa.ForeignKey("api_keys.id"), nullable=False),
    sa.Column("field", sa.Text, nullable=False),
    # {"value": …}, or {} where there was nothing; what may be a secret in it is hidden.
    sa.Column("before", Json, nullable=False),
    sa.Column("after", Json, nullable=False),
    sa.Column("hidden", sa.Text),  # both as they were, encrypted, if something is
    created_at(),
    sa.Index(None, "agent_id", "created_at", "id"),
)

tool_secrets = sa.Table(
    "tool_secrets",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    tenant_id(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("value", sa.Text, nullable=False),  # encrypted
    created_at(),
    sa.Column("updated_at", UtcDateTime, nullable=False, default=now),
    sa.UniqueConstraint("tenant_id", "name"),
)

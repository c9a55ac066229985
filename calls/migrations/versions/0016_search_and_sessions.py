"""What calls are searched by: who was there, over what, how they ended, and the words of their transcripts; and sessions"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_calls_tenant_id_agent_id_created_at_id": ["tenant_id", "agent_id", "created_at", "id"],
    "ix_calls_tenant_id_primary_transport_created_at_id": ["tenant_id", "primary_transport", "created_at", "id"],
}
PARTIAL_INDEXES = {
    "ix_calls_end_reason": ["tenant_id", "end_reason", "created_at", "id"],
    "ix_calls_batch": ["tenant_id", "batch_id", "created_at", "id", "status"],
}
NEVER = "1970-01-01 00:00:00+00:00"
# The words come as they are to stand there: nothing but spaces is between them.
FTS5 = "CREATE VIRTUAL TABLE call_words USING fts5(call_id UNINDEXED, tenant_id, words, tokenize = 'ascii')"
# To read what was said and part it into words takes ms a call: that is done later, while the database is used.
TO_INDEX = (
    "INSERT INTO unindexed (number, call_id) "
    "SELECT (SELECT min(id) FROM call_events WHERE call_id = calls.id), id FROM calls "
    "WHERE transcript_closed_at IS NOT NULL AND transcript_erased_at IS NULL "
    "AND EXISTS (SELECT 1 FROM segments WHERE call_id = calls.id)"
)


def upgrade() -> None:
    op.drop_index("ix_calls_agent_id_created_at_id", table_name="calls")
    op.drop_index("ix_calls_batch", table_name="calls")
    for name, columns in INDEXES.items():
        op.create_index(name, "calls", columns)
    for name, columns in PARTIAL_INDEXES.items():
        _create_partial_index(name, columns)
    op.add_column(
        "participants",
        sa.Column("call_created_at", sa.DateTime(timezone=True), nullable=False, server_default=NEVER),
    )
    op.execute(
        "UPDATE participants SET call_created_at = (SELECT created_at FROM calls WHERE calls.id = participants.call_id)"
    )
    op.create_index(
        "ix_participants_tenant_id_identity_call_created_at_call_id",
        "participants",
        ["tenant_id", "identity", "call_created_at", "call_id"],
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_sessions_key_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute(FTS5)
    else:
        _create_tsvectors()
    op.create_table(
        "unindexed",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_unindexed_call_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_unindexed")),
    )
    op.execute(TO_INDEX)


def _create_tsvectors() -> None:
    op.execute(
        "CREATE TABLE call_words (rowid BIGINT PRIMARY KEY, call_id VARCHAR(36) NOT NULL, "
        "tenant_id VARCHAR(36) NOT NULL, words TSVECTOR NOT NULL, text TEXT NOT NULL)"
    )
    op.execute("CREATE INDEX ix_call_words_tenant_id_rowid ON call_words (tenant_id, rowid)")
    op.execute("CREATE INDEX ix_call_words_words ON call_words USING gin (words)")


def downgrade() -> None:
    op.drop_table("unindexed")
    op.drop_table("call_words")
    op.drop_table("sessions")
    op.drop_index("ix_participants_tenant_id_identity_call_created_at_call_id", table_name="participants")
    op.drop_column("participants", "call_created_at")
    for name in (*INDEXES, *PARTIAL_INDEXES):
        op.drop_index(name, table_name="calls")
    op.create_index("ix_calls_agent_id_created_at_id", "calls", ["agent_id", "created_at", "id"])
    _create_partial_index("ix_calls_batch", ["tenant_id", "batch_id", "status"])


def _create_partial_index(name: str, columns: list[str]) -> None:
    given = sa.text(f"{columns[1]} IS NOT NULL")
    op.create_index(name, "calls", columns, sqlite_where=given, postgresql_where=given)

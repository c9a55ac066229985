"""What is said and done in a call."""

import sqlalchemy as sa

from calls.tables.columns import Json, Number, Uuid, call_id, created_at, metadata

# Where a segment comes from that nobody has said: it stands in the raw transcript only.
PRESSED = "dtmf"

segments = sa.Table(
    "segments",
    metadata,
    call_id(primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("speaker", sa.String(5), nullable=False),  # user | agent
    sa.Column("participant_id", Uuid),
    sa.Column("participant_identity", sa.Text),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("started_at_ms", sa.Integer, nullable=False),
    sa.Column("ended_at_ms", sa.Integer, nullable=False),
    sa.Column("is_final", sa.Boolean, nullable=False),
    # It ends before its end: who spoke was interrupted, or lost. Who takes the call over has to know.
    sa.Column("is_cut", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("source", sa.String(20), nullable=False, default="runtime"),
    # Grows with every write to the call's transcript, so that a stream can ask for what changed since.
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Index(None, "call_id", "revision"),
)

# Calls that were over before there was an index of words, until they are in it, by the number that they have there.
unindexed = sa.Table(
    "unindexed",
    metadata,
    sa.Column("number", Number, primary_key=True, autoincrement=False),
    call_id(),
)

# The moments of the agent's turns that somebody waited for, and who says when there was sound.
turns = sa.Table(
    "turns",
    metadata,
    call_id(primary_key=True),
    sa.Column("decided_at_ms", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("user_stopped_at_ms", sa.Integer, nullable=False),
    sa.Column("first_word_at_ms", sa.Integer, nullable=False),
    sa.Column("first_sound_at_ms", sa.Integer, nullable=False),
    sa.Column("phrase_at_ms", sa.Integer),
    sa.Column("measured_by", sa.String(9), nullable=False),  # worker | recording
)

# Each call of a tool of the agent's, before it is made and with what came of it.
tool_calls = sa.Table(
    "tool_calls",
    metadata,
    sa.Column("id", Uuid, primary_key=True),
    call_id(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("arguments", Json),  # null where nothing of what is said is kept
    sa.Column("status", sa.String(12), nullable=False),  # a ToolCallStatus
    sa.Column("answer", sa.Text),
    sa.Column("error", sa.Text),  # in words of ours, with what the server said of it
    sa.Column("started_at_ms", sa.Integer, nullable=False),
    sa.Column("duration_ms", sa.Integer),
    created_at(),
    sa.Index(None, "call_id", "started_at_ms"),
)

call_events = sa.Table(
    "call_events",
    metadata,
    sa.Column("id", Number, primary_key=True, autoincrement=True),
    call_id(),
    sa.Column("level", sa.String(8), nullable=False, default="info"),
    sa.Column("kind", sa.String(40), nullable=False),  # an EventKind
    sa.Column("source", sa.String(12), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("data", Json),
    created_at(),
    sa.Index(None, "call_id", "id"),
    sqlite_autoincrement=True,
)

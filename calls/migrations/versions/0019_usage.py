"""What calls come to day by day, when a key was used last, which processes there are, dead jobs, what endpoints say"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DAY = {"sqlite": "date({0})", "postgresql": "CAST({0} AT TIME ZONE 'UTC' AS date)"}
# The steps are those of `calls.usage`: 50 ms each, and 400 is what took longer.
COUNT_CALLS = """
INSERT INTO usage (tenant_id, day, agent_id, status, end_reason, calls, seconds, cost_micros)
SELECT tenant_id, {day}, agent_id, status, end_reason, count(*), sum(bill_duration), sum(cost_micros)
FROM calls WHERE status IN ('completed', 'failed') GROUP BY 1, 2, 3, 4, 5
"""
COUNT_ANSWERS = """
INSERT INTO answer_times (tenant_id, day, agent_id, step, answers)
SELECT tenant_id, day, agent_id, CASE WHEN step < 0 THEN 0 WHEN step > 400 THEN 400 ELSE step END, count(*)
FROM (
    SELECT calls.tenant_id, {day} AS day, calls.agent_id, (turns.first_sound_at_ms - turns.user_stopped_at_ms) / 50 AS step
    FROM turns JOIN calls ON calls.id = turns.call_id WHERE calls.transcript_closed_at IS NOT NULL
) AS answered GROUP BY 1, 2, 3, 4
"""


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("last_used_at", sa.DateTime(timezone=True)))
    op.add_column("deliveries", sa.Column("response_body", sa.Text()))
    op.create_table(
        "processes",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("host", sa.String(length=100), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processes")),
    )
    dead = sa.text("state = 'dead'")
    op.create_index(
        "ix_jobs_dead", "jobs", ["tenant_id", "finished_at", "id"], sqlite_where=dead, postgresql_where=dead
    )
    op.create_table(
        "usage",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("end_reason", sa.String(length=32), nullable=False),
        sa.Column("calls", NUMBER, nullable=False),
        sa.Column("seconds", NUMBER, nullable=False),
        sa.Column("cost_micros", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_usage_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "day", "agent_id", "status", "end_reason", name=op.f("pk_usage")),
    )
    op.create_table(
        "answer_times",
        sa.Column("tenant_id", sa.String(length=36), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("answers", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_answer_times_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "day", "agent_id", "step", name=op.f("pk_answer_times")),
    )
    day = DAY[op.get_bind().dialect.name].format("calls.created_at")
    op.execute(COUNT_CALLS.format(day=day))
    op.execute(COUNT_ANSWERS.format(day=day))


def downgrade() -> None:
    op.drop_table("answer_times")
    op.drop_table("usage")
    op.drop_index("ix_jobs_dead", table_name="jobs")
    op.drop_table("processes")
    op.drop_column("deliveries", "response_body")
    op.drop_column("api_keys", "last_used_at")

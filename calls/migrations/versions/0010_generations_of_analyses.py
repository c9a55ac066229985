"""Generations of analyses with their parts, and what a call itself had said of its post-call work"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("calls", sa.Column("own_post_call", JSON))
    op.create_table(
        "generations",
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("post_call", JSON, nullable=False),
        sa.Column("job_id", NUMBER, nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("concluded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["calls.id"], name=op.f("fk_generations_call_id")),
        sa.PrimaryKeyConstraint("call_id", "number", name=op.f("pk_generations")),
    )
    op.execute(
        "INSERT INTO generations (call_id, number, status, post_call, asked_at, created_at, concluded_at) "
        "SELECT calls.id, 1, CASE WHEN COUNT(*) = COUNT(results.error) THEN 'failed' ELSE 'completed' END, "
        "calls.post_call, MIN(results.created_at), MIN(results.created_at), MAX(results.created_at) "
        "FROM calls JOIN results ON results.call_id = calls.id GROUP BY calls.id, calls.post_call"
    )
    with op.batch_alter_table("results") as batch:
        batch.add_column(sa.Column("generation", sa.Integer(), nullable=False, server_default="1"))
        batch.add_column(sa.Column("status", sa.String(length=12), nullable=False, server_default="completed"))
        batch.add_column(sa.Column("ended_at", sa.DateTime(timezone=True)))
        batch.drop_constraint("fk_results_call_id", type_="foreignkey")
        batch.drop_constraint("pk_results", type_="primary")
        batch.create_primary_key("pk_results", ["call_id", "generation", "stage"])
        batch.create_foreign_key(
            "fk_results_call_id_generation", "generations", ["call_id", "generation"], ["call_id", "number"]
        )
    op.execute("UPDATE results SET ended_at = created_at, job_id = NULL")
    op.execute("UPDATE results SET status = 'failed' WHERE error IS NOT NULL")
    # What is still to be analysed is so once more from the beginning, as it was resolved.
    op.execute("UPDATE calls SET own_post_call = post_call WHERE intelligence_status = 'pending'")
    op.execute(
        "UPDATE jobs SET kind = 'reprocess', queue = 'reprocess', dedup = NULL WHERE kind = 'post_call' AND finished_at IS NULL"
    )


def downgrade() -> None:
    op.execute(
        "DELETE FROM results WHERE generation < "
        "(SELECT MAX(number) FROM generations WHERE generations.call_id = results.call_id)"
    )
    with op.batch_alter_table("results") as batch:
        batch.drop_constraint("fk_results_call_id_generation", type_="foreignkey")
        batch.drop_constraint("pk_results", type_="primary")
        batch.create_primary_key("pk_results", ["call_id", "stage"])
        batch.create_foreign_key("fk_results_call_id", "calls", ["call_id"], ["id"])
        for name in ("generation", "status", "ended_at"):
            batch.drop_column(name)
    op.drop_table("generations")
    op.drop_column("calls", "own_post_call")

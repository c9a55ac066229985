"""Alembic's entry: it runs the migrations over the connection that `calls.database` opened."""

from typing import Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext

from calls.migrations import is_compared
from calls.tables import UtcDateTime, metadata


def _render(kind: str, item: object, autogen: AutogenContext) -> str | Literal[False]:
    # A migration must not change when our own types do, so it names what the database sees.
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, sa.JSON):
        autogen.imports.add("from sqlalchemy.dialects import postgresql")
        return "sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), 'postgresql')"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    render_item=_render,
    compare_type=True,
    include_name=is_compared,
)
with context.begin_transaction():
    context.run_migrations()

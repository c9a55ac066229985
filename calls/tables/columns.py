"""What the columns of all tables are made of."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.types import TypeDecorator

from calls.database.clock import moment

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Uuid = sa.String(36)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; naive times are refused, also where the database itself knows no time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse a naive time, bring any other to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "a time without a time zone"
            raise ValueError(message)
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def result_processor(self, dialect: sa.Dialect, _coltype: object) -> Callable[[str | None], datetime | None] | None:
        """Read what SQLite stored, a text without a time zone; Postgres gives moments in UTC already."""
        return _from_text if dialect.name == "sqlite" else None


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value + "+00:00")


def now(context: DefaultExecutionContext) -> datetime:
    return moment(context.root_connection)


def created_at() -> sa.Column[datetime]:
    return sa.Column("created_at", UtcDateTime, nullable=False, default=now)


def where(condition: str) -> dict[str, Any]:
    """What makes an index a partial one. Only a query that says the same in the same words uses it."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def tenant_id() -> sa.Column[str]:
    return sa.Column("tenant_id", Uuid, sa.ForeignKey("tenants.id"), nullable=False)


def call_id(*, primary_key: bool = False, unique: bool = False) -> sa.Column[str]:
    return sa.Column("call_id", Uuid, sa.ForeignKey("calls.id"), nullable=False, primary_key=primary_key, unique=unique)

"""What SQLAlchemy compiles of a statement is kept for all databases of a process, and for its forks.

To compile takes most of the time of a statement that is executed once, and an engine's own cache ends with the engine.
"""

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.util import LRUCache
from typing_extensions import override

DRIVERS = {name: f"{name}+callroom" for name in ("sqlite", "postgresql")}
SIZE = 1000  # statements; the api has some 300

CACHE: LRUCache[object, object] = LRUCache(SIZE)  # for the execution option `compiled_cache`


class _Alike:
    """All of one class get the same options from us, so what one has compiled serves another."""

    @override
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    @override
    def __hash__(self) -> int:
        return hash(type(self))


class Sqlite(_Alike, SQLiteDialect_aiosqlite):
    supports_statement_cache = True


class Postgres(_Alike, PGDialect_asyncpg):
    supports_statement_cache = True


registry.register("sqlite.callroom", __name__, "Sqlite")
registry.register("postgresql.callroom", __name__, "Postgres")

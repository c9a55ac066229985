"""An SQLite file that somebody else holds."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Somebody else writes to the file, and takes very long over it."""
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.rollback()
        other.close()

"""The secrets that the database holds, encrypted with keys that it does not hold."""

import logging
import os
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.engine import Database
from calls.errors import DatabaseAway, Invalid, SecretUnreadable
from calls.settings import Settings
from calls.tables import agent_changes, tool_secrets, trunks, webhooks

log = logging.getLogger(__name__)

_SECRETS: tuple[sa.Column[Any], ...] = (
    *(trunks.c.password, webhooks.c.secret, webhooks.c.previous_secret),
    tool_secrets.c.value,
    agent_changes.c.hidden,
)


class Keyring:
    """The keys of stored secrets: the first one encrypts, all decrypt.

    Args:
        keys: Fernet keys, comma-separated; if there are none, those of `file` are meant.
        file: holds keys in the same form; who first needs a key to encrypt with makes it.
    """

    def __init__(self, keys: str, file: Path) -> None:
        self._file = file
        self._keys = _parsed(keys, "CALLROOM_ENCRYPTION_KEYS") if keys else []

    @classmethod
    def of(cls, settings: Settings) -> "Keyring":
        """The keys that the settings name. Raises Invalid, naming the setting, if one is no key."""
        return cls(settings.encryption_keys.get_secret_value(), settings.encryption_key_file)

    def encrypt(self, secret: str) -> str:
        """Encrypt with the first key."""
        if not self._known():
            _make_key(self._file)
        return self._known()[0].encrypt(secret.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """Give the secret, whichever of the keys it was encrypted with. Raises SecretUnreadable."""
        try:
            return MultiFernet(self._known()).decrypt(stored).decode()
        except (InvalidToken, ValueError):  # the latter without any key
            raise SecretUnreadable from None

    def encrypted_with_first(self, stored: str) -> bool:
        """Whether the first key reads it."""
        try:
            self._known()[0].decrypt(stored)
        except (InvalidToken, IndexError):
            return False
        return True

    def _known(self) -> list[Fernet]:
        if not self._keys:  # another process may have made the file by now
            with suppress(FileNotFoundError):
                self._keys = _parsed(self._file.read_text(), str(self._file))
        return self._keys


async def count_unreadable(conn: AsyncConnection, keyring: Keyring) -> int:
    """Count the stored secrets whose key is missing."""
    return sum([not _is_readable(row.stored, keyring) for column in _SECRETS for row in await _stored(conn, column)])


async def encrypt_again(conn: AsyncConnection, keyring: Keyring) -> dict[str, int]:
    """Encrypt with the first key whatever another one encrypted; what no key reads stays.

    Gives `{"encrypted", "unchanged", "unreadable"}`, how many secrets each.
    """
    counts = Counter({"encrypted": 0, "unchanged": 0, "unreadable": 0})
    for column in _SECRETS:
        for row in await _stored(conn, column):
            if keyring.encrypted_with_first(row.stored):
                counts["unchanged"] += 1
            elif not _is_readable(row.stored, keyring):
                counts["unreadable"] += 1
            else:
                anew = {column.name: keyring.encrypt(keyring.decrypt(row.stored))}
                # Guarded: one that is changed just now was encrypted with the first key by who changed it.
                await conn.execute(
                    sa.update(column.table).where(_key(column) == row.id, column == row.stored).values(anew)
                )
                counts["encrypted"] += 1
    return dict(counts)


async def tell_of_unreadable(database: Database, keyring: Keyring) -> None:
    """Log one line at a process's start if there are secrets that it cannot read; it goes on without them."""
    with suppress(DatabaseAway):
        async with database.reading() as conn:
            count = await count_unreadable(conn, keyring)
        if count:
            missing = "stored secrets cannot be read: CALLROOM_ENCRYPTION_KEYS lacks their key"
            log.warning(missing, extra={"secrets": count})


async def _stored(conn: AsyncConnection, column: sa.Column[Any]) -> Sequence[sa.Row[Any, Any]]:
    query = sa.select(_key(column).label("id"), column.label("stored")).where(column.is_not(None))
    return (await conn.execute(query)).all()


def _key(column: sa.Column[Any]) -> sa.Column[Any]:
    [key] = column.table.primary_key
    return key


def _is_readable(stored: str, keyring: Keyring) -> bool:
    try:
        keyring.decrypt(stored)
    except SecretUnreadable:
        return False
    return True


def _parsed(text: str, where: str) -> list[Fernet]:
    try:
        return [Fernet(key.strip()) for key in text.split(",")]
    except ValueError:
        expected = "expected Fernet keys, comma-separated: 32 bytes each, as URL-safe base64"
        raise Invalid(f"{where}: {expected}") from None


def _make_key(file: Path) -> None:
    """Make the file with a new key, for its owner alone; of several at once, one makes it, whole from the beginning."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{uuid.uuid4().hex}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:  # noqa: PTH123 # a mode from the start
        output.write(Fernet.generate_key())
        output.flush()
        os.fsync(output.fileno())
    try:
        with suppress(FileExistsError):
            file.hardlink_to(new)
    finally:
        new.unlink()

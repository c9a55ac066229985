"""Sessions of browsers: a key is exchanged once for a token that ends with its key, and by itself when it is not used.

Its hash is kept.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.tables import api_keys, sessions, tenants
from calls.tenants.keys import OF_KEY, Key, hashed, read_key

LASTS = timedelta(days=7)

_FIND = (
    sa.select(sessions.c.token_hash, *OF_KEY)
    .select_from(sessions.join(api_keys, api_keys.c.id == sessions.c.key_id).join(tenants))
    .where(
        sessions.c.token_hash.in_(sa.bindparam("hashes", expanding=True)),
        sessions.c.expires_at > sa.bindparam("now", type_=sessions.c.expires_at.type),
        api_keys.c.revoked_at.is_(None),
    )
)


async def begin_session(conn: AsyncConnection, key_id: str) -> tuple[str, datetime]:
    """Begin a session for a key; its token, which is known only now, and when it ends."""
    token = secrets.token_urlsafe(32)
    expires_at = moment(conn) + LASTS
    await conn.execute(
        sa.insert(sessions).values(token_hash=hashed(token), key_id=key_id, expires_at=expires_at),
    )
    return token, expires_at


async def find_sessions(conn: AsyncConnection, tokens: Sequence[str]) -> list[Key | None]:
    """Give the keys of sessions, in one query; None for each that is unknown, over, or whose key is revoked."""
    hashes = [hashed(one) for one in tokens]
    rows = await conn.execute(_FIND, {"hashes": list(set(hashes)), "now": moment(conn)})
    found = {row.token_hash: read_key(row) for row in rows}
    return [found.get(one) for one in hashes]


async def session_ends(conn: AsyncConnection, token: str) -> datetime | None:
    """When a session ends by itself; None if there is no such session."""
    ends: datetime | None = await conn.scalar(
        sa.select(sessions.c.expires_at).where(sessions.c.token_hash == hashed(token))
    )
    return ends


def is_half_over(conn: AsyncConnection, expires_at: datetime) -> bool:
    """Whether more than half of its time is over for a session that ends then."""
    return expires_at - moment(conn) < LASTS / 2


async def prolong_session(conn: AsyncConnection, token: str) -> datetime | None:
    """Let a session last as if it began now; when it ends then, None if it is over."""
    ends: datetime | None = await conn.scalar(
        sa.update(sessions)
        .where(sessions.c.token_hash == hashed(token), sessions.c.expires_at > moment(conn))
        .values(expires_at=moment(conn) + LASTS)
        .returning(sessions.c.expires_at)
    )
    return ends


async def end_session(conn: AsyncConnection, token: str) -> None:
    """End a session at once, for every process."""
    await conn.execute(sa.delete(sessions).where(sessions.c.token_hash == hashed(token)))

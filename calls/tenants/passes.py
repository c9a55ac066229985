"""Tokens and codes for one call, which a browser may hold: signed, stored nowhere, worth nothing beyond that call."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.database.clock import moment
from calls.settings import Settings
from calls.tables import api_keys, calls, tenants
from calls.tenants.keys import OF_KEY, Key, read_key

CALL_TOKEN = "sb_call_"  # noqa: S105 - how each begins
OUTLIVES_CALL = timedelta(minutes=1)  # so that a page whose line was down at the end still learns of it
_ID_BYTES = 16
_MAC_BYTES = 16

_FIND = (
    sa.select(calls.c.id.label("call_id"), *OF_KEY)
    .select_from(calls.join(api_keys, api_keys.c.tenant_id == calls.c.tenant_id).join(tenants))
    .where(
        sa.tuple_(calls.c.id, api_keys.c.id).in_(sa.bindparam("passes", expanding=True)),
        api_keys.c.revoked_at.is_(None),
        sa.or_(calls.c.ended_at.is_(None), calls.c.ended_at > sa.bindparam("since", type_=calls.c.ended_at.type)),
    )
)


@dataclass(frozen=True)
class Pass:
    """What a token or code says: what it is for, and the key with which the call was made, or somebody added to it."""

    subject: str  # a call's id; of a code, a participant's
    key_id: str


class Passes:
    """Makes and reads them. Whoever knows LiveKit's secret could make them too, and enter every room anyway."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.livekit_api_secret.get_secret_value().encode()
        self._token_key = hmac.digest(secret, b"callroom call tokens", hashlib.sha256)
        self._code_key = hmac.digest(secret, b"callroom join codes", hashlib.sha256)

    def call_token(self, call_id: str, key_id: str) -> str:
        """A token for the stream and the end of a call."""
        return CALL_TOKEN + _sealed(self._token_key, Pass(call_id, key_id))

    def read_call_token(self, token: str) -> Pass | None:
        """Whose call a token is for; None if it is none of ours."""
        return _opened(self._token_key, token.removeprefix(CALL_TOKEN)) if token.startswith(CALL_TOKEN) else None

    def join_code(self, participant_id: str, key_id: str) -> str:
        """A code with which a participant joins."""
        return _sealed(self._code_key, Pass(participant_id, key_id))

    def read_join_code(self, code: str) -> Pass | None:
        """Which participant a code lets in; None if it is none of ours."""
        return _opened(self._code_key, code)


async def find_keys_of(conn: AsyncConnection, passes: Sequence[Pass]) -> list[Key | None]:
    """The key of each call token, in one query; None where it is revoked, or the call has been over for a while."""
    wanted = [(one.subject, one.key_id) for one in set(passes)]
    rows = await conn.execute(_FIND, {"passes": wanted, "since": moment(conn) - OUTLIVES_CALL})
    found = {Pass(row.call_id, row.id): read_key(row) for row in rows}
    return [found.get(one) for one in passes]


def _sealed(key: bytes, it: Pass) -> str:
    ids = UUID(it.subject).bytes + UUID(it.key_id).bytes
    return base64.urlsafe_b64encode(ids + _mac(key, ids)).decode()


def _opened(key: bytes, text: str) -> Pass | None:
    try:
        content = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    ids, mac = content[:-_MAC_BYTES], content[-_MAC_BYTES:]
    if len(ids) != 2 * _ID_BYTES or not hmac.compare_digest(mac, _mac(key, ids)):
        return None
    return Pass(str(UUID(bytes=ids[:_ID_BYTES])), str(UUID(bytes=ids[_ID_BYTES:])))


def _mac(key: bytes, ids: bytes) -> bytes:
    return hmac.digest(key, ids, hashlib.sha256)[:_MAC_BYTES]

"""Job `deliver`: one message to one endpoint of a user's server, signed so that it can be told from a forged one."""

import asyncio
import codecs
import hashlib
import hmac
import json
import random
import time
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import jobs
from calls.database.clock import moment
from calls.database.encryption import Keyring
from calls.errors import SecretUnreadable
from calls.jobs import Job
from calls.outbound import TIMEOUT_S, PrivateAddress, guarded_session
from calls.tables import deliveries
from calls.tables import webhooks as endpoints
from calls.tenants.webhooks import (
    IS_THERE,
    PREVIOUS_SECRET_SIGNS_FOR,
    RETRY_AFTER_S,
    DeliveryStatus,
    give_up_delivery,
    record_attempt,
)
from pipeline.deps import Deps
from pipeline.fate import Done, Fail, Fate, Retry

SPREAD = 0.2
BODY_BYTES, BODY_S = 1000, 1.0  # what is read of an answer, and how long that may take
_UTF8 = codecs.getincrementaldecoder("utf-8")


@dataclass(frozen=True)
class Answer:
    """What the endpoint said: the HTTP status, or None and why there is none; and how its body begins."""

    status: int | None
    error: str | None = None
    body: str | None = None

    @property
    def taken(self) -> bool:
        """Whether the endpoint took the message: any 2xx."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - the HTTP standard


@dataclass(frozen=True)
class _Secrets:
    """What the endpoint's messages are signed with; the one before only for a while."""

    current: str
    previous: str | None

    @classmethod
    def of(cls, row: sa.Row[Any], keyring: Keyring) -> "_Secrets":
        previous = None if row.previous_secret is None else keyring.decrypt(row.previous_secret)
        return cls(keyring.decrypt(row.secret), previous)


async def run(job: Job, deps: Deps) -> Fate:
    """Send the message once; a repetition after a crash may send it twice, under the same `X-Callroom-Delivery`."""
    async with deps.db.reading() as conn:
        still_signs = endpoints.c.rotated_at > moment(conn) - PREVIOUS_SECRET_SIGNS_FOR
        previous = sa.case((still_signs, endpoints.c.previous_secret)).label("previous_secret")
        ends = (endpoints.c.url, endpoints.c.active, endpoints.c.secret, previous)
        query = sa.select(deliveries, *ends).join(endpoints).where(IS_THERE)
        row = (await conn.execute(query.where(deliveries.c.id == job.payload["delivery_id"]))).first()
    if row is None or row.status != DeliveryStatus.PENDING:
        return Done()  # the endpoint was deleted, or a repetition finds the work done
    if not row.active:
        return Fail("the endpoint is switched off")
    try:
        secrets = _Secrets.of(row, deps.keyring)
    except SecretUnreadable as error:
        return Retry(str(error), _pause_s(job.attempt))
    answer = await _post(row, secrets, private_addresses=deps.settings.webhook_private_addresses)
    async with deps.db.writing() as conn:
        status = DeliveryStatus.DELIVERED if answer.taken else DeliveryStatus.PENDING
        if await jobs.hold(conn, job):  # else another process knows better: it may have been delivered meanwhile
            await record_attempt(
                conn,
                row.id,
                status=status,
                response_status=answer.status,
                response_body=answer.body,
                error=answer.error,
            )
    return Done() if answer.taken else Retry(answer.error or "no 2xx", _pause_s(job.attempt))


async def give_up(conn: AsyncConnection, job: Job, reason: str) -> None:
    """After a day the message is kept, not sent: the user can have it redelivered."""
    await give_up_delivery(conn, job.payload["delivery_id"], reason)


async def _post(row: sa.Row[Any], secrets: _Secrets, *, private_addresses: bool) -> Answer:
    body = json.dumps(row.payload, separators=(",", ":")).encode()
    try:
        async with (
            guarded_session(private_addresses=private_addresses) as session,
            session.post(row.url, data=body, headers=_headers(row, secrets, body), allow_redirects=False) as response,
        ):
            answer = Answer(response.status, body=await _beginning(response))
            return answer if answer.taken else replace(answer, error=f"HTTP status {response.status}")
    except TimeoutError:
        return Answer(None, f"no answer within {TIMEOUT_S} s")
    except aiohttp.ClientConnectorError as error:
        refused = isinstance(error.os_error, PrivateAddress)
        return Answer(None, "the URL leads to a private address" if refused else "no connection")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Answer(None, f"no answer: {type(error).__name__}")


async def _beginning(response: aiohttp.ClientResponse) -> str | None:
    """How the body begins, for whoever looks why it was refused; None if it has none, is packed, or late."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return None
    try:
        async with asyncio.timeout(BODY_S):
            # Not final: a character that is cut in its middle is left out.
            text = _UTF8(errors="replace").decode(await response.content.read(BODY_BYTES))
    except (TimeoutError, aiohttp.ClientError, OSError):
        return None
    return text.replace("\0", "") or None


def _headers(row: sa.Row[Any], secrets: _Secrets, body: bytes) -> dict[str, str]:
    timestamp = str(time.time_ns() // 1_000_000)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Callroom-Webhooks/1",
        "X-Callroom-Event": row.event,
        "X-Callroom-Delivery": row.id,
        "X-Callroom-Timestamp": timestamp,
        "X-Callroom-Signature": _signature(secrets.current, timestamp, body),
    }
    if secrets.previous is not None:
        headers["X-Callroom-Signature-Previous"] = _signature(secrets.previous, timestamp, body)
    return headers


def _signature(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def _pause_s(attempt: int) -> float:
    pause = RETRY_AFTER_S[min(attempt, len(RETRY_AFTER_S)) - 1]
    return pause * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 - spreads load, no secret

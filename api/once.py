"""Answers that create something: made in one write transaction, and given once per `Idempotency-Key`."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.routing import DATABASE, IDEMPOTENCY_KEY, KEY, ROOMS, reply
from calls.errors import Invalid, Unavailable
from calls.states import LIVE, EndReason, ParticipantStatus
from calls.store import CallStore
from calls.tenants import idempotency
from calls.tenants.idempotency import Kept, Once

MAX_LENGTH = 255


@dataclass(frozen=True)
class Outcome:
    """What a transaction came to; `browsers` of the call `call_id` need its LiveKit room before they are answered.

    `new` says whether the call itself was created, rather than its browsers added to it.
    """

    status: int
    answer: BaseModel
    call_id: str = ""
    browsers: tuple[str, ...] = ()
    new: bool = True


Work = Callable[[AsyncConnection], Awaitable[Outcome]]


async def answer_once(request: web.Request, body: BaseModel, work: Work) -> web.Response:
    """Do `work` in a transaction together with its answer's keeping, open the room, and answer.

    The same key and body get the kept answer, whatever happened to the process that gave it first. Only if that was
    killed before the call had its room, and the call is over because of that, the work is done anew.

    Raises:
        IdempotencyMismatch: the key came with another body before.
        Unavailable: LiveKit does not answer; then nothing is left that could be joined, and the key is free again.
    """
    once = _once(request, body)
    async with request.app[DATABASE].writing() as conn:
        kept = await _kept(conn, once) if once else None
        if kept is None:
            outcome = await work(conn)
            if once:
                kept_answer = {"body": outcome.answer.model_dump(mode="json"), "room_of": _room_of(outcome)}
                await idempotency.keep(conn, once, outcome.status, kept_answer)
    if kept is not None:
        return await _answer_again(request, kept)
    return await answer(request, outcome, once)


async def answer(request: web.Request, outcome: Outcome, once: Once | None = None) -> web.Response:
    """Open the room, if there is anybody to go in, and answer.

    Raises:
        Unavailable: as `answer_once`.
    """
    if outcome.browsers:
        await _open_room(request, outcome, once)
    return reply(outcome.answer, outcome.status)


def _once(request: web.Request, body: BaseModel) -> Once | None:
    value = request.headers.get(IDEMPOTENCY_KEY)
    if value is None:
        return None
    if not (0 < len(value) <= MAX_LENGTH and value.isascii() and value.isprintable()):
        raise Invalid.field(IDEMPOTENCY_KEY, f"expected 1 to {MAX_LENGTH} printable ASCII characters")
    key = request[KEY]
    # A browser's key is public: it must not reach an answer that another key was given.
    scope = f"{request.path} {key.id}" if key.publishable else request.path
    return Once(key.tenant_id, value, scope, fingerprint(body))


def fingerprint(body: BaseModel) -> str:
    """The same for bodies that mean the same."""
    canonical = orjson.dumps(body.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


def _room_of(outcome: Outcome) -> str | None:
    return outcome.call_id if outcome.browsers else None


async def _open_room(request: web.Request, outcome: Outcome, once: Once | None) -> None:
    try:
        await request.app[ROOMS].create_room(f"call_{outcome.call_id}", outcome.call_id)
    except Unavailable:
        async with request.app[DATABASE].writing() as conn:
            store = CallStore(conn)
            if outcome.new:
                await store.finish(outcome.call_id, EndReason.NO_ROOM)
            else:
                for identity in outcome.browsers:
                    failed, reason = ParticipantStatus.FAILED, EndReason.ERROR
                    await store.participant_left(outcome.call_id, identity, status=failed, reason=reason)
            if once:
                await idempotency.forget(conn, once)
        raise


async def _kept(conn: AsyncConnection, once: Once) -> Kept | None:
    """Claim the key; None if there is no answer yet, or only one that lets people into a call that came to nothing."""
    kept = await idempotency.begin(conn, once)
    if kept is None or kept.answer["room_of"] is None:
        return kept
    call = await CallStore(conn).get(None, kept.answer["room_of"])
    if call.end_reason != EndReason.NO_ROOM:
        return kept
    await idempotency.forget(conn, once)
    return await idempotency.begin(conn, once)


async def _answer_again(request: web.Request, kept: Kept) -> web.Response:
    """Give the kept answer; its room is opened once more in case the process ended before it could."""
    body: dict[str, Any] = kept.answer["body"]
    call_id = kept.answer["room_of"]
    if call_id is not None:
        async with request.app[DATABASE].reading() as conn:
            call = await CallStore(conn).get(None, call_id)
        if call.status in LIVE:
            await request.app[ROOMS].create_room(call.room_name, call_id)
    return web.Response(status=kept.status, body=orjson.dumps(body), content_type="application/json")

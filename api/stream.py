"""`GET /v1/calls/:id/stream`: a call's events, segments and turns as they are written, as server-sent events.

A message's id says how far the stream is: `<last event>-<last revision of the transcript>-<last turn's decision>`.
`Last-Event-ID` goes on exactly behind it. A stream reads the call whenever the feed says so and whenever its client has
taken what was sent, so a slow client delays nobody and fills no memory. Whoever shows the call's own token sees less of
it (`api.caller_view`), and its end as soon as nothing more is said.
"""

import asyncio
import heapq
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caller_view, rendering, sse
from api.credentials import find
from api.feed import FEED, progress
from api.routing import CREDENTIAL, DATABASE, DATABASE_S, named
from api.schema.stream import StreamEnd
from calls.database.allowance import limit
from calls.database.changes import Watch
from calls.errors import DatabaseAway, Invalid
from calls.latency import Turn
from calls.store import CallStore
from calls.tables import PRESSED, call_events, segments, turns

HEARTBEAT_S = 15
RETRY_S = 1
BATCH = 500
_ID = re.compile(r"(\d{1,18})-(\d{1,9})-(\d{1,9})(-end)?", re.ASCII)

Row = sa.Row[Any]


@dataclass(frozen=True)
class Mark:
    """Up to where a client has everything."""

    event: int = 0
    revision: int = 0
    turn: int = 0
    ended: bool = False

    def __str__(self) -> str:
        return f"{self.event}-{self.revision}-{self.turn}{'-end' if self.ended else ''}"


@dataclass(frozen=True)
class Batch:
    """What a client lacks: its messages, the mark behind them, and whether anything may follow."""

    messages: list[bytes]
    mark: Mark
    over: bool = False  # the call is, and this is all
    more: bool = False  # there is more to read at once
    revoked: bool = False  # the client's key is, or its session is over


async def stream(request: web.Request) -> web.StreamResponse:
    mark = _mark(request)
    tenant_id, call_id = named(request)
    async with request.app[DATABASE].reading() as conn:
        await CallStore(conn).get(tenant_id, call_id)
    async with request.app[FEED].follow(call_id) as watch:
        first = await _read(request, call_id, mark)
        if mark.ended and first.over and first.mark == replace(mark, ended=True):
            return web.Response(status=204)  # tells a browser's EventSource not to come back
        response = web.StreamResponse(headers=sse.HEADERS)
        await response.prepare(request)
        with suppress(ConnectionResetError, TimeoutError):  # the client is gone, or takes nothing
            await _send(request, response, call_id, first, watch)
    return response


async def _send(request: web.Request, response: web.StreamResponse, call_id: str, batch: Batch, watch: Watch) -> None:
    await sse.write(response, [sse.RETRY])
    while not (batch.revoked or request.app[FEED].closed):
        await sse.write(response, batch.messages)
        if batch.over:
            break
        if not batch.more and not await watch.wait(HEARTBEAT_S):
            await sse.write(response, [sse.STILL_HERE])
        try:
            batch = await _read(request, call_id, batch.mark)
        except DatabaseAway:  # the stream goes on where it is when that is back
            await asyncio.sleep(RETRY_S)
            await sse.write(response, [sse.STILL_HERE])  # or who waits for a database would never see its client go
            batch = Batch([], batch.mark, more=True)


async def _read(request: web.Request, call_id: str, mark: Mark) -> Batch:
    async with limit(DATABASE_S), request.app[DATABASE].reading() as conn:
        if await find(conn, [request[CREDENTIAL]]) == [None]:
            return Batch([], mark, revoked=True)
        # First how far the call is, then what there is: what was there when it was over is in the batch.
        call = (await conn.execute(progress([call_id]))).one()
        events = await _after(conn, call_events, call_events.c.id, call_id, mark.event)
        changed = await _after(conn, segments, segments.c.revision, call_id, mark.revision)
        answered = await _after(conn, turns, turns.c.decided_at_ms, call_id, mark.turn)
    is_caller = request[CREDENTIAL].call is not None
    messages, mark = _messages(call, events, changed, answered, mark, is_caller=is_caller)
    if BATCH in (len(events), len(changed), len(answered)):
        return Batch(messages, mark, more=True)
    if not (call.told if is_caller else call.settled):
        return Batch(messages, mark)
    end = StreamEnd(
        id=call.id,
        status=call.status,
        end_reason=call.end_reason,
        intelligence_status=call.intelligence_status,
    )
    mark = replace(mark, ended=True)
    return Batch([*messages, sse.message("end", end, mark)], mark, over=True)


async def _after(
    conn: AsyncConnection,
    table: sa.Table,
    order: sa.Column[int],
    call_id: str,
    last: int,
) -> list[Row]:
    query = sa.select(table).where(table.c.call_id == call_id, order > last).order_by(order).limit(BATCH)
    return list((await conn.execute(query)).all())


def _messages(
    call: Row,
    events: list[Row],
    changed: list[Row],
    answered: list[Row],
    mark: Mark,
    *,
    is_caller: bool,
) -> tuple[list[bytes], Mark]:
    """All that was written, each kind in its own order, side by side in time."""
    zero = call.started_at or call.created_at
    happened: list[tuple[datetime, str, Row]] = [(row.created_at, "event", row) for row in events]
    said = [(zero + timedelta(milliseconds=row.ended_at_ms), "segment", row) for row in changed]
    waited = [(zero + timedelta(milliseconds=row.first_sound_at_ms), "turn", row) for row in answered]
    messages = []
    mark = replace(mark, ended=False)
    for _moment, kind, row in heapq.merge(happened, said, waited, key=lambda item: item[0]):
        if kind == "event":
            mark = replace(mark, event=row.id)
            event = caller_view.event(row) if is_caller else rendering.event(row)
            if event is not None:
                messages.append(sse.message(kind, event, mark))
        elif kind == "turn":
            mark = replace(mark, turn=row.decided_at_ms)
            if not is_caller:
                messages.append(sse.message(kind, rendering.turn(Turn.stored(row)), mark))
        else:
            mark = replace(mark, revision=row.revision)
            if row.source != PRESSED:
                segment = caller_view.segment(row) if is_caller else rendering.segment(row)
                messages.append(sse.message(kind, segment, mark))
    return messages, mark


def _mark(request: web.Request) -> Mark:
    text = request.headers.get("Last-Event-ID", "").strip()
    if not text:
        return Mark()
    known = _ID.fullmatch(text)
    if known is None:
        raise Invalid.field("Last-Event-ID", "expected the id of a message of this stream")
    return Mark(event=int(known[1]), revision=int(known[2]), turn=int(known[3]), ended=known[4] is not None)

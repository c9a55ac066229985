"""The very end of a call: it is over and nobody writes any more, so what comes after it may begin."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls.analysis import generations
from calls.analysis.post_call import PostCall
from calls.database.changes import CALLS, mark
from calls.database.clock import moment
from calls.latency import queue_measuring, read_turns
from calls.recordings.pieces import queue_joining
from calls.search.index import add_words
from calls.settling import settle_segments
from calls.states import TERMINAL
from calls.tables import calls, leases, recording_pieces, recordings, segments
from calls.tenants import webhooks
from calls.tools.records import settle_tool_calls
from calls.usage import Place, count_answers, steps


async def close(conn: AsyncConnection, call_id: str) -> None:
    """Close the call's transcript and begin its post-call work, unless that is done, or an agent may still write.

    To be called in the transaction that ends a call, and in the one that frees its lease: the later one does it.
    """
    # Of an end and a release at once, the second waits here, and then sees the first.
    await conn.execute(sa.select(calls.c.id).where(calls.c.id == call_id).with_for_update())
    free = ~sa.exists().where(leases.c.call_id == call_id, leases.c.held)
    over = (calls.c.id == call_id, calls.c.status.in_(TERMINAL), calls.c.transcript_closed_at.is_(None), free)
    closing = sa.update(calls).where(*over).values(transcript_closed_at=moment(conn))
    row = (await conn.execute(closing.returning(calls))).one_or_none()
    if row is None:
        return
    mark(conn, CALLS)
    await settle_tool_calls(conn, call_id)
    await settle_segments(conn, call_id)
    joining = f"store_recording:{call_id}"
    if row.started_at is None:
        await generations.start_asked(conn, call_id)
        if await conn.scalar(sa.select(sa.exists().where(recording_pieces.c.call_id == call_id))):
            await queue_joining(conn, row.tenant_id, call_id, dedup=joining)  # which keeps nothing of such a call
        return
    if await conn.scalar(sa.select(sa.exists().where(segments.c.call_id == call_id))):
        await add_words(conn, row.tenant_id, call_id)
        await webhooks.announce(conn, call_id, "call.transcript.ready")
    if not await generations.begin(conn, row, PostCall.stored(row.post_call)):
        await generations.start_asked(conn, call_id)
    turns = await read_turns(conn, call_id)
    await count_answers(conn, Place.of(row), steps(turn.response_ms for turn in turns))
    await queue_measuring(conn, row.tenant_id, call_id)
    waiting = sa.exists().where(recordings.c.call_id == call_id, recordings.c.status == "pending")
    if await conn.scalar(sa.select(waiting)):
        await queue_joining(conn, row.tenant_id, call_id, dedup=joining)

"""Reading calls: lists, the whole of one, and its parts."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api import rendering
from api.routing import DATABASE, KEY, SETTINGS, STORAGE, named, own_address, reply
from api.schema.agents import CallAgent
from api.schema.analyses import GenerationPage, SummaryAnswer
from api.schema.calls import EventPage, EventPageQuery
from api.schema.common import Page
from api.schema.listing import ActiveCallsQuery, CallPageQuery
from api.schema.recordings import Recording, RecordingAnswer, RecordingPeaks
from api.schema.transcripts import TranscriptAnswer
from calls.agent_config import AgentSnapshot
from calls.errors import NotFound
from calls.latency import read_turns
from calls.listing import Wanted, list_calls
from calls.providers.choice import firsts
from calls.reading import (
    count_events,
    count_generations,
    read_events,
    read_generations,
    read_participants,
    read_parts,
    read_peaks,
    read_recording,
    why_not_begun,
)
from calls.states import CallStatus
from calls.store import CallStore
from calls.tools.records import read_tool_calls
from calls.transcript import as_text, read_transcript, spoken

MOST_EVENTS = 1000  # in a call's detail; the others are read page by page


async def list_page(request: web.Request, query: CallPageQuery) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        wanted = query.wanted(query.agent_id)
        page = await list_calls(conn, request[KEY].tenant_id, wanted, **query.part)
    return reply(rendering.call_page(page, query.limit, query.offset))


async def list_active(request: web.Request, query: ActiveCallsQuery) -> web.Response:
    active = Wanted(status=CallStatus.IN_PROGRESS)
    async with request.app[DATABASE].reading() as conn:
        page = await list_calls(conn, request[KEY].tenant_id, active, **query.part)
    return reply(rendering.call_page(page, query.limit, query.offset))


async def get(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        call = await CallStore(conn).get(*named(request))
        parts = await read_parts(conn, call.id)
        detail = rendering.call_detail(
            call,
            people=await read_participants(conn, call.id),
            segments=await read_transcript(conn, call.id),
            tool_calls=await read_tool_calls(conn, call.id),
            recording=await _recording(request, conn, call),
            parts=parts,
            late=await why_not_begun(conn, call, parts),
            turns=await read_turns(conn, call.id),
            events=await read_events(conn, call.id, MOST_EVENTS),
        )
    return reply(detail)


async def get_summary(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        call = await CallStore(conn).get(*named(request))
        found = rendering.intelligence(call.intelligence_status, await read_parts(conn, call.id))
    if found.summary is None:
        _check_kept(call.transcript_erased_at, "summary")
        raise NotFound("This call has no summary, or not yet.", code="summary_not_available")
    return reply(SummaryAnswer(status=found.status, sentiment=found.sentiment, summary=found.summary))


async def list_generations(request: web.Request, page: Page) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        call = await CallStore(conn).get(*named(request))
        _check_kept(call.transcript_erased_at, "intelligence")
        rows = await read_generations(conn, call.id, page.limit, page.offset)
        total = await count_generations(conn, call.id)
    generations = [rendering.generation(row, parts) for row, parts in rows]
    return reply(GenerationPage(generations=generations, total=total, limit=page.limit, offset=page.offset))


async def get_transcript(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        call = await CallStore(conn).get(*named(request))
        rows = await read_transcript(conn, call.id)
    if not rows:
        _check_kept(call.transcript_erased_at, "transcript")
        raise NotFound("This call has no transcript, or not yet.", code="transcript_not_available")
    return reply(
        TranscriptAnswer(
            transcript=[rendering.timed_utterance(row) for row in rows],
            text=as_text(rows),
            segments=[rendering.segment(row) for row in spoken(rows)],
        ),
    )


async def get_recording(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        call = await CallStore(conn).get(*named(request))
        if rendering.is_recording_erased(call):
            _check_kept(call.recording_erased_at, "recording")
        recording = await _recording(request, conn, call)
    return reply(RecordingAnswer(call_id=call.id, recording=recording))


async def get_peaks(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        call = await CallStore(conn).get(*named(request))
        if rendering.is_recording_erased(call):
            _check_kept(call.recording_erased_at, "recording")
        row, peaks = await read_recording(conn, call.id), await read_peaks(conn, call.id)
    if rendering.recording(call, row, None).status == "pending":
        raise NotFound("The recording of this call is not there yet.", code="recording_pending")
    if row is None or peaks is None:
        raise NotFound("This call has no recording, or one without peaks.", code="peaks_not_available")
    people, agent = peaks[: len(peaks) // 2], peaks[len(peaks) // 2 :]
    sides = {"people": list(people), "agent": list(agent)}
    return reply(RecordingPeaks(call_id=call.id, duration_ms=row.duration_ms, step_ms=row.peaks_ms, **sides))


async def get_agent(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        call = await CallStore(conn).get(*named(request))
    _check_kept(call.erased_at, "agent")
    agent = AgentSnapshot.stored(call.agent)
    shown = agent.config() | firsts(agent.choices)
    return reply(CallAgent(id=agent.id, name=agent.name, **shown))


async def list_events(request: web.Request, page: EventPageQuery) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        call = await CallStore(conn).get(*named(request))
        rows = await read_events(conn, call.id, page.limit, page.offset)
        total = await count_events(conn, call.id)
    events = [rendering.event(row) for row in rows]
    return reply(EventPage(events=events, total=total, offset=page.offset, limit=page.limit))


def _check_kept(erased_at: datetime | None, what: str) -> None:
    if erased_at is not None:
        raise NotFound(f"The {what} of this call was erased.", code="erased")


async def _recording(request: web.Request, conn: AsyncConnection, call: sa.Row[Any]) -> Recording:
    row = await read_recording(conn, call.id)
    url = None
    if row is not None and row.status == "ready" and call.recording_erased_at is None:
        link = request.app[STORAGE].signed_url(row.key, request.app[SETTINGS].recording_link_s)
        url = own_address(request) + link
    return rendering.recording(call, row, url)

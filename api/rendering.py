"""From rows to the shapes of answers."""

import heapq
import math
from collections.abc import Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from api.schema.agents import AgentName
from api.schema.analyses import AnalysisPart, Evaluation, Generation, Intelligence
from api.schema.calls import CallDetail, CallPage, Event, Latency, LatencyOfTurn, Spread, ToolCall
from api.schema.participants import Access, BrowserPlace, Participant, PhonePlace
from api.schema.recordings import Recording
from api.schema.transcripts import Segment, TimedUtterance, Transcript, Utterance
from calls.analysis.findings import Finding
from calls.analysis.post_call import PostCall
from calls.latency import Turn
from calls.listing import SHOWN, Page
from calls.reading import Part
from calls.tables import PRESSED
from calls.tenants.prices import MICROS_PER_DOLLAR
from calls.transcript import AGENT, as_text, spoken

Row = sa.Row[Any]

_WAITS = ("response_ms", "end_of_turn_ms", "llm_ms", "tts_ms")


def call_row(shown: tuple[Any, ...]) -> dict[str, Any]:
    """The fields that a call has in a list and in its detail, from values that begin with those of `SHOWN`."""
    # Taken all at once: asked of a row one by one, they are most of what a long list costs.
    fields = dict(zip(SHOWN, shown, strict=False))
    fields["total_cost"] = fields.pop("cost_micros") / MICROS_PER_DOLLAR
    fields["primary_participant"] = {
        "identity": fields.pop("primary_identity"),
        "transport": fields.pop("primary_transport"),
    }
    return fields


def listed_call(row: Row, found: Finding) -> dict[str, Any]:
    """The fields that a call has in a list, from a row that begins with what is `LISTED`."""
    went = {"sentiment": found.sentiment, "passed": found.passed}
    return call_row(tuple(row)) | {"agent_name": row.agent_name} | went


def call_page(page: Page, limit: int, offset: int) -> CallPage:
    """A page of a list of calls."""
    # In one piece: a model made row by row takes twice as long.
    return CallPage.model_validate(
        {
            "calls": [listed_call(row, page.found(row)) for row in page.rows],
            "total": page.total,
            "limit": limit,
            "offset": offset,
            "next_cursor": page.next_cursor,
        },
    )


def call_detail(
    row: Row,
    *,
    people: Sequence[Row],
    segments: Sequence[Row],
    tool_calls: Sequence[Row],
    recording: Recording,
    parts: Sequence[Part],
    late: str | None,
    turns: Sequence[Turn],
    events: Sequence[Row],
) -> CallDetail:
    """Everything about a call."""
    return CallDetail(
        **call_row(tuple(getattr(row, name) for name in SHOWN)),
        agent=agent_name(row.agent),
        participants=[participant(one) for one in people],
        variables=row.variables,
        post_call=row.post_call,
        transcript=Transcript(
            text=as_text(segments),
            segments=[segment(one) for one in spoken(segments)],
            raw=_raw(segments, tool_calls),
            erased_at=row.transcript_erased_at,
        ),
        tool_calls=[tool_call(one) for one in tool_calls],
        recording=recording,
        intelligence=intelligence(row.intelligence_status, parts, late),
        latency=latency(turns) if turns else None,
        events=[event(one) for one in events],
    )


def agent_name(agent: dict[str, Any]) -> AgentName:
    """The agent of a call, from its snapshot."""
    return AgentName(id=agent["id"], name=agent["name"])


def participant(row: Row) -> Participant:
    """One participant of a call."""
    shown = {name: getattr(row, name) for name in Participant.model_fields if name != "cost"}
    return Participant(**shown, cost=row.cost_micros / MICROS_PER_DOLLAR)


def browser_place(row: Row, access: Access, join_url: str | None) -> BrowserPlace:
    """A new browser with its way in."""
    shown = {name: getattr(row, name) for name in ("id", "identity", "status")}
    return BrowserPlace(**shown, transport="webrtc", access=access, join_url=join_url)


def phone_place(row: Row) -> PhonePlace:
    """A new phone with its job."""
    return PhonePlace(
        id=row.id,
        transport="pstn",
        identity=row.identity,
        status=row.status,
        telephony_leg_id=row.telephony_leg_id,
        job_id=job_id(row.job_id),
    )


def job_id(number: int) -> str:
    """A job's number as clients see it."""
    return f"job_{number}"


def segment(row: Row) -> Segment:
    """One segment of a transcript."""
    return Segment(**{name: getattr(row, name) for name in Segment.model_fields})


def tool_call(row: Row) -> ToolCall:
    """One call of a tool."""
    return ToolCall(**{name: getattr(row, name) for name in ToolCall.model_fields})


def timed_utterance(row: Row) -> TimedUtterance:
    """One segment as the raw transcript names it, with its times."""
    return TimedUtterance(
        **_utterance(row),
        speaker=row.speaker,
        sequence=row.sequence,
        started_at_ms=row.started_at_ms,
        ended_at_ms=row.ended_at_ms,
        is_final=row.is_final,
        source=row.source,
    )


def recording(call: Row, row: Row | None, signed_url: str | None) -> Recording:
    """A call's recording; without one it is `disabled`, and `pending` as long as the call may still have one."""
    if is_recording_erased(call):
        erased_at = call.recording_erased_at.isoformat().replace("+00:00", "Z")
        metadata = {"erased_at": erased_at}
        return Recording(id=None, status="disabled", format=None, provider_recording_id=None, metadata=metadata)
    if row is None:
        status = "pending" if "recording" in PostCall.stored(call.post_call).on else "disabled"
        return Recording(id=None, status=status, format=None, provider_recording_id=None, metadata={})
    metadata = {"duration_ms": row.duration_ms, "size_bytes": row.size_bytes, "error": row.error}
    metadata = {name: value for name, value in metadata.items() if value is not None}
    if signed_url is not None:
        metadata["stereo_mix"] = {"signed_url": signed_url}
    return Recording(id=row.id, status=row.status, format=row.format, provider_recording_id=row.key, metadata=metadata)


def is_recording_erased(call: Row) -> bool:
    """Whether the call had a recording, or nobody knows any more whether it had one."""
    had_one = call.erased_at is not None or "recording" in PostCall.stored(call.post_call).on
    return call.recording_erased_at is not None and had_one


def intelligence(status: str, parts: Sequence[Part], late: str | None = None) -> Intelligence:
    """What the parts of the latest generation found, or found before; they come the newest first.

    `late` says why there is no newer one yet, which is to come.
    """
    latest = [part for part in parts if part.generation == parts[0].generation]
    stages = {part.stage for part in latest}
    found = {part.stage: part.value for part in reversed(parts) if part.value is not None and part.stage in stages}
    summary, evaluation = found.get("summary") or {}, found.get("evaluation")
    return Intelligence(
        status=status,
        summary=summary.get("summary"),
        sentiment=summary.get("sentiment"),
        structured_data=found.get("extraction"),
        evaluation=None if evaluation is None else Evaluation(**evaluation),
        errors=[f"{part.stage}: {part.error}" for part in latest if part.error is not None]
        + ([f"analysis: {late}"] if late else []),
        parts={part.stage: _analysis_part(part) for part in latest},
    )


def _analysis_part(part: Part) -> AnalysisPart:
    return AnalysisPart(
        status=part.status,
        error=part.cause,
        attempt=part.attempt,
        max_attempts=part.max_attempts,
        next_attempt_at=part.next_attempt_at,
    )


def latency(turns: Sequence[Turn]) -> Latency:
    """How long the callers waited for these turns, of which there is one at least."""
    return Latency(
        **{name: _spread([getattr(turn, name) for turn in turns]) for name in _WAITS},
        turns=[turn(one) for one in turns],
    )


def turn(row: Turn) -> LatencyOfTurn:
    """How long the callers waited for one answer."""
    return LatencyOfTurn(
        user_stopped_at_ms=row.user_stopped_at_ms,
        **{name: getattr(row, name) for name in _WAITS},
        phrase_ms=None if row.phrase_at_ms is None else max(row.phrase_at_ms - row.user_stopped_at_ms, 0),
        measured_by=row.measured_by,
    )


def generation(row: Row, parts: Sequence[Part]) -> Generation:
    """One generation, with what its own parts found."""
    return Generation(
        **dict(intelligence(row.status, parts)),
        generation=row.number,
        asked_at=row.asked_at,
        concluded_at=row.concluded_at,
        post_call=row.post_call,
    )


def event(row: Row) -> Event:
    """One entry of a call's log."""
    return Event(
        id=f"evt_{row.id}",
        call_id=row.call_id,
        kind=row.kind,
        level=row.level,
        source=row.source,
        message=row.message,
        data=row.data or {},
        created_at=row.created_at,
    )


def _spread(values: Sequence[int]) -> Spread:
    ranked = sorted(values)
    p50, p95 = (ranked[math.ceil(share * len(ranked)) - 1] for share in (0.5, 0.95))
    return Spread(p50=p50, p95=p95)


def _raw(segments: Sequence[Row], tool_calls: Sequence[Row]) -> list[Utterance]:
    """What was said and which tools were called, in the order of their beginnings."""
    said = [(one.started_at_ms, Utterance(**_utterance(one))) for one in segments]
    asked = [(one.started_at_ms, _asked(number, one)) for number, one in enumerate(tool_calls, 1)]
    return [entry for _, entry in heapq.merge(said, asked, key=lambda one: one[0])]


def _asked(number: int, row: Row) -> Utterance:
    shown = {name: getattr(row, name) for name in ("name", "arguments", "status", "answer", "error")}
    response = orjson.dumps({name: value for name, value in shown.items() if value is not None}).decode()
    return Utterance(id=f"tool_{number}", type="tool_call", response=response)


def _utterance(row: Row) -> dict[str, Any]:
    kind = "agent_response" if row.speaker == AGENT else "dtmf" if row.source == PRESSED else "user_input"
    return {"id": f"t_{row.sequence + 1}", "type": kind, "response": row.text}

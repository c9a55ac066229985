"""Asking for the post-call work of a call, and asking for it again."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from calls import jobs
from calls.agent_config import AgentConfig, AgentSnapshot
from calls.errors import Invalid, NotFound
from calls.post_call import ANALYSES, PostCall, merge, overrides
from calls.states import CallStatus, IntelligenceStatus
from calls.tables import agents, calls

ATTEMPTS = 8  # with the queue's backoff, a model's server may be away for four minutes


async def queue_analysis(conn: AsyncConnection, tenant_id: str, call_id: str, *, dedup: str) -> int:
    """Queue the job that closes a call's transcript and makes what is on; jobs of one call run one after the other."""
    return await jobs.enqueue(
        conn,
        "post_call",
        {"call_id": call_id},
        queue="post_call",
        tenant_id=tenant_id,
        call_id=call_id,
        ordering_key=f"post_call:{call_id}",
        dedup=dedup,
        max_attempts=ATTEMPTS,
    )


async def reprocess(conn: AsyncConnection, tenant_id: str, call_id: str) -> int:
    """Queue the post-call work of a completed call again, with the agent's sections of today; returns the job's id.

    What the call itself had overridden stays overridden. Raises NotFound, or Invalid if the call is not completed
    or its transcript was erased.
    """
    call = (await conn.execute(sa.select(calls).where(calls.c.id == call_id, calls.c.tenant_id == tenant_id))).first()
    if call is None:
        raise NotFound("no such call")
    if call.status != CallStatus.COMPLETED:
        raise Invalid(f"only a completed call can be reprocessed; this one is {call.status}")
    if call.transcript_erased_at is not None:
        raise Invalid("the transcript of this call was erased: there is nothing to be processed")
    config = (await conn.execute(sa.select(agents.c.config).where(agents.c.id == call.agent_id))).scalar_one()
    then, today = AgentSnapshot.stored(call.agent), AgentConfig.stored(config)
    resolved = merge(today.post_call, overrides(then.post_call, PostCall.stored(call.post_call)))
    values: dict[str, Any] = {"post_call": resolved.given()}
    if then.features.transcription_enabled and resolved.on & ANALYSES:
        values["intelligence_status"] = IntelligenceStatus.PENDING
    await conn.execute(sa.update(calls).where(calls.c.id == call_id).values(values))
    return await queue_analysis(conn, tenant_id, call_id, dedup=f"reprocess:{call_id}")

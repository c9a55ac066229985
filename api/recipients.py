"""`POST /v1/calls/batch` and `/fanout`: many phones, each in a call of its own or all in one."""

import uuid
from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api import people, rendering
from api.once import Outcome, answer_once, fingerprint
from api.placing import place
from api.provider_health import PROVIDER_HEALTH, ask_beforehand
from api.routing import KEY, SETTINGS
from api.schema.batches import BatchCall, CreateBatch, CreatedBatch, CreatedFanout, Recipient, RejectedRecipient
from calls.agent_config import AgentSnapshot
from calls.agents import adapted, get_agent, snapshot
from calls.analysis.post_call import merge
from calls.errors import FieldError, Invalid
from calls.phones import dnc
from calls.phones.numbers import normalise
from calls.placing import batches, rules
from calls.placing.creation import NewCall, NewParticipant, create_calls
from calls.tenants.prices import priced


@dataclass(frozen=True)
class Target:
    """A recipient that was looked at: `rejected` says why nobody is called."""

    recipient: Recipient
    path: str  # of its number in the body
    from_path: str  # of its caller ID
    phone: NewParticipant
    rejected: RejectedRecipient | None


async def create_batch(request: web.Request, body: CreateBatch) -> web.Response:
    """A call for each recipient who can be called; the others are named with the reason.

    The same batch again is answered as the first time, whatever has become of it.
    """
    targets = _targets(body)
    await ask_beforehand(request, body.agent_id)
    tenant_id = request[KEY].tenant_id
    batch_id = body.batch_id or f"batch_{uuid.uuid4().hex}"

    async def work(conn: AsyncConnection) -> Outcome:
        given = await batches.begin(conn, tenant_id, batch_id, body.agent_id, fingerprint(body))
        if given is not None:
            return Outcome(202, CreatedBatch(**given))
        answer = await _batch(request, conn, body, targets, batch_id)
        await batches.keep(conn, tenant_id, batch_id, answer.model_dump(mode="json"))
        return Outcome(202, answer)

    return await answer_once(request, body, work)


async def create_fanout(request: web.Request, body: CreateBatch) -> web.Response:
    """One call with all recipients; one who cannot be called is an error."""
    rules.check_size(request.app[SETTINGS], len(body.everyone), "to" if body.recipients is None else "recipients")
    targets = _targets(body)
    wrong = [FieldError(each.path, each.rejected.error) for each in targets if each.rejected]
    if wrong:
        raise Invalid(f"{wrong[0].path}: {wrong[0].message}", wrong)
    fanout_id = body.batch_id or f"fanout_{uuid.uuid4().hex}"
    variables = dict(body.variables)
    for target in targets:
        variables |= target.recipient.variables  # one conversation has one set of variables
    await ask_beforehand(request, body.agent_id)

    async def work(conn: AsyncConnection) -> Outcome:
        outcome, call = await place(
            request,
            conn,
            body.agent_id,
            [each.phone for each in targets],
            from_paths=[each.from_path for each in targets],
            metadata=body.metadata | {"fanout_id": fanout_id},
            variables=variables,
            post_call=body.post_call,
            machine_detection=body.machine_detection,
        )
        answer = CreatedFanout(**dict(call), fanout_id=fanout_id, queued=len(targets))
        return Outcome(outcome.status, answer, outcome.call_id)

    return await answer_once(request, body, work)


async def _batch(
    request: web.Request,
    conn: AsyncConnection,
    body: CreateBatch,
    targets: list[Target],
    batch_id: str,
) -> CreatedBatch:
    key = request[KEY]
    agent = adapted(snapshot(await get_agent(conn, key.tenant_id, body.agent_id)), body.machine_detection)
    config = AgentSnapshot.stored(agent)
    post_call = merge(config.post_call, body.post_call).given()
    blocked = await dnc.blocked(conn, key.tenant_id, [each.phone.identity for each in targets if not each.rejected])
    accepted = [each for each in targets if not each.rejected and each.phone.identity not in blocked]
    shown = await rules.with_caller_ids(
        conn, key, [each.phone for each in accepted], [each.from_path for each in accepted]
    )
    phones = priced(request.app[SETTINGS], shown)
    if phones:
        await rules.reserve_credits(conn, key, phones)
    calls = [
        NewCall(
            tenant_id=key.tenant_id,
            agent=agent,
            participants=[phone],
            metadata=body.metadata | target.recipient.metadata | {"batch_id": batch_id},
            variables=body.variables | target.recipient.variables,
            post_call=post_call,
            own_post_call=None if body.post_call is None else body.post_call.given(),
            reserved_micros=phone.price_micros_per_minute if key.metered else 0,
            batch_id=batch_id,
        )
        for target, phone in zip(accepted, phones, strict=True)
    ]
    written = await create_calls(conn, calls)
    queued = [_queued(call, written[call.id][0].job_id) for call in calls]
    rejected = [each.rejected or _on_dnc(each) for each in targets if each.rejected or each.phone.identity in blocked]
    # In the answer alone: when the turn of these calls comes, who does not work now may be back.
    warnings = [one.message for one in request.app[PROVIDER_HEALTH].unreachable(config)]
    return CreatedBatch(batch_id=batch_id, queued=len(queued), calls=queued, rejected=rejected, warnings=warnings)


def _targets(body: CreateBatch) -> list[Target]:
    wrong: list[FieldError] = []
    default = people.number(body.from_number, "from_number", wrong) if body.from_number else None
    seen: set[str] = set()
    targets = []
    for index, recipient in enumerate(body.everyone):
        path = f"to[{index}]" if body.recipients is None else f"recipients[{index}].{recipient.spelled}"
        from_path = f"recipients[{index}].from_number" if recipient.from_number else "from_number"
        own = people.number(recipient.from_number, from_path, wrong) if recipient.from_number else default
        number, rejected = _look_at(recipient, seen)
        seen.add(number)
        phone = NewParticipant("pstn", number, recipient.metadata, own)
        targets.append(Target(recipient, path, from_path, phone, rejected))
    if wrong:
        raise Invalid(f"{wrong[0].path}: {wrong[0].message}", wrong)
    return targets


def _look_at(recipient: Recipient, seen: set[str]) -> tuple[str, RejectedRecipient | None]:
    try:
        number = normalise(recipient.number)
    except ValueError as error:
        reason = f"expected {error}"
        return recipient.number, RejectedRecipient(identity=recipient.number, code="invalid_number", error=reason)
    if number in seen:
        return number, RejectedRecipient(identity=number, code="duplicate", error="the same number twice")
    return number, None


def _on_dnc(target: Target) -> RejectedRecipient:
    return RejectedRecipient(identity=target.phone.identity, code="dnc", error="on the do-not-call list")


def _queued(call: NewCall, job_id: int) -> BatchCall:
    return BatchCall(
        id=call.id,
        identity=call.participants[0].identity,
        status=call.status,
        job_id=rendering.job_id(job_id),
    )

"""Batches that were made: how far they are, and the end of one before its time."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from api.once import Outcome, answer_once
from api.routing import DATABASE, KEY, SETTINGS, reply
from api.schema.batches import Batch, BatchCounts, BatchDetail, BatchPage, RejectedRecipient
from api.schema.common import Nothing, Page
from calls.errors import NotFound
from calls.phones.lines import Limits
from calls.placing import admission, batches
from calls.placing.admission import Holdup
from calls.placing.batches import BatchStatus


async def list_page(request: web.Request, page: Page) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        found, total = await batches.list_batches(conn, request[KEY].tenant_id, page.limit, page.offset)
        holdup = await admission.holdup(conn, request[KEY].tenant_id, Limits.of(request.app[SETTINGS]))
    shown = [_shown(batch, holdup) for batch in found]
    return reply(BatchPage(batches=shown, total=total, limit=page.limit, offset=page.offset))


async def get(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        batch = await batches.get_batch(conn, *_named(request))
        rejected = await batches.read_rejected(conn, *_named(request))
        failures = await batches.read_failures(conn, *_named(request))
        holdup = await admission.holdup(conn, request[KEY].tenant_id, Limits.of(request.app[SETTINGS]))
    shown = [RejectedRecipient(**each) for each in rejected]
    return reply(BatchDetail(**dict(_shown(batch, holdup)), failures=failures, rejected_recipients=shown))


async def cancel(request: web.Request, body: Nothing) -> web.Response:
    async def work(conn: AsyncConnection) -> Outcome:
        return Outcome(200, _shown(await batches.cancel(conn, *_named(request)), None))

    return await answer_once(request, body, work)


def _named(request: web.Request) -> tuple[str, str]:
    batch_id = request.match_info["batch"]
    if not batch_id.isprintable():
        raise NotFound("Batch not found.")
    return request[KEY].tenant_id, batch_id


def _shown(batch: batches.Batch, holdup: Holdup | None) -> Batch:
    """The batch; what holds up the tenant's batches does so where there are calls that wait."""
    waits = batch.row.status == BatchStatus.IN_PROGRESS and batch.waiting
    counts = BatchCounts(**batch.counts)
    return Batch(**batch.row._asdict(), counts=counts, waiting_for=holdup if waits else None)

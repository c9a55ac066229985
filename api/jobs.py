"""How many phone calls wait to be dialled (`/v1/calls/queue/stats`), and work that was given up (`/v1/jobs/dead`)."""

from aiohttp import web

from api.rendering import job_id
from api.routing import DATABASE, KEY, reply
from api.schema.common import Page
from api.schema.jobs import DeadJob, DeadJobPage
from api.schema.options import QueueStats
from calls.jobs import count_jobs, list_dead


async def queue_stats(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        counts = await count_jobs(conn, request[KEY].tenant_id, "dial")
    return reply(QueueStats(**counts))


async def list_given_up(request: web.Request, page: Page) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        rows, total = await list_dead(conn, request[KEY].tenant_id, page.limit, page.offset)
    shown = [
        DeadJob(
            id=job_id(row.id),
            kind=row.kind,
            call_id=row.call_id,
            attempts=row.attempt,
            error=row.error,
            created_at=row.created_at,
            finished_at=row.finished_at,
        )
        for row in rows
    ]
    return reply(DeadJobPage(jobs=shown, total=total, **page.model_dump()))

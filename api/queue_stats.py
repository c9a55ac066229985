"""`GET /v1/calls/queue/stats`: how many phone calls wait to be dialled."""

from aiohttp import web

from api.routing import DATABASE, KEY, reply
from api.schema.options import QueueStats
from calls.jobs import count_jobs


async def get(request: web.Request) -> web.Response:
    async with request.app[DATABASE].reading() as conn:
        counts = await count_jobs(conn, request[KEY].tenant_id, "dial")
    return reply(QueueStats(**counts))

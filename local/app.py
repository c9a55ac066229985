"""The web application: routes, and the models that its requests need."""

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from local import chat, speech
from local.errors import errors
from local.listen.live import listen_live
from local.listen.recorded import listen_recorded
from local.models import LOADING, load
from local.settings import LocalSettings

_LARGEST_BODY = 64 * 2**20


def create_app(settings: LocalSettings) -> web.Application:
    app = web.Application(middlewares=[errors], client_max_size=_LARGEST_BODY)
    app.cleanup_ctx.extend([_models(settings), chat.http_session])
    app.add_routes(
        [
            web.get("/healthz", alive),
            web.get("/readyz", ready),
            web.get("/v1/listen", listen_live),
            web.post("/v1/listen", listen_recorded),
            web.post("/v1/audio/speech", speech.speak),
            web.post("/v1/chat/completions", chat.chat),
            web.get("/v1/models", chat.list_models),
        ]
    )
    return app


async def alive(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """200 once the models are warm, 503 before."""
    loading = request.app[LOADING]
    warm = loading.done() and not loading.cancelled() and loading.exception() is None
    return web.json_response({"status": "ready" if warm else "loading"}, status=200 if warm else 503)


def _models(settings: LocalSettings) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(app: web.Application) -> AsyncIterator[None]:
        app[LOADING] = loading = asyncio.create_task(load(settings.local_llm))
        yield
        if loading.done() and loading.exception() is None:
            loading.result().close()
        loading.cancel()

    return context

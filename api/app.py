"""The application: its route table on one screen, what it opens at the start and closes at the end."""

from collections.abc import AsyncIterator

from aiohttp import web

from api import agents, calls, end, health, livekit_webhook, participants, placing, realtime, recipients, recordings
from api.middleware import answer_errors, cross_origin
from api.parsing import MAX_BODY
from api.routing import DATABASE, ROOMS, SETTINGS, STORAGE, Route, Who
from api.schema.agents import Agent, AgentPage, CreateAgent, UpdateAgent
from api.schema.calls import (
    ActiveCallsQuery,
    AgentCallsQuery,
    CallDetail,
    CallPage,
    CallPageQuery,
    CreateBatch,
    CreateCall,
    CreatedBatch,
    CreatedCall,
    CreatedFanout,
    CreatedToken,
    CreateToken,
    EndedCall,
    EventPage,
    EventPageQuery,
    RecordingAnswer,
    RecordingQuery,
    Reprocessing,
    SummaryAnswer,
    TranscriptAnswer,
)
from api.schema.common import Nothing, Page
from api.schema.health import Alive
from api.schema.participants import AddedParticipants, AddParticipants
from calls.database import Database
from calls.rooms import Rooms
from calls.settings import Settings
from calls.storage import Storage

OPEN = Who.ANYONE
BROWSERS = Who.PUBLISHABLE
CALL = "/v1/calls/{id}"
AGENT = "/v1/agents/{id}"

# method, path, handler, answers; then who may (a secret key, unless said), what is parsed, which errors besides the
# usual ones (401, 403 with a key; 400 with a query or body; 413 and 415 with a body; 404 with an id in the path).
ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", health.alive, {200: Alive}, who=OPEN),
    Route("GET", "/readyz", health.ready, {200: Alive}, who=OPEN, errors=(503,)),
    Route("POST", "/livekit/webhook", livekit_webhook.receive, {200: None}, who=OPEN, errors=(401,)),
    Route("GET", "/v1/recordings/{key:.+}", recordings.download, {200: None}, who=OPEN, query=RecordingQuery,
        errors=(403, 404)),
    Route("GET", "/v1/agents", agents.list_page, {200: AgentPage}, query=Page),
    Route("POST", "/v1/agents", agents.create, {201: Agent}, body=CreateAgent),
    Route("GET", AGENT, agents.get, {200: Agent}),
    Route("PUT", AGENT, agents.update, {200: Agent}, body=UpdateAgent),
    Route("DELETE", AGENT, agents.delete, {204: None}),
    Route("POST", f"{AGENT}/clone", agents.clone, {201: Agent}, body=Nothing),
    Route("GET", f"{AGENT}/calls", agents.list_calls, {200: CallPage}, query=AgentCallsQuery),
    Route("POST", "/v1/calls", placing.create, {201: CreatedCall, 202: CreatedCall}, who=BROWSERS, body=CreateCall,
        errors=(402, 404, 409, 422, 429, 503), idempotent=True),
    Route("POST", "/v1/calls/batch", recipients.create_batch, {202: CreatedBatch}, body=CreateBatch,
        errors=(402, 404, 422), idempotent=True),
    Route("POST", "/v1/calls/fanout", recipients.create_fanout, {202: CreatedFanout}, body=CreateBatch,
        errors=(402, 404, 409, 422), idempotent=True),
    Route("POST", "/v1/realtime/token", realtime.create_token, {201: CreatedToken}, who=BROWSERS, body=CreateToken,
        errors=(402, 404, 429, 503)),
    Route("GET", "/v1/calls", calls.list_page, {200: CallPage}, query=CallPageQuery),
    Route("GET", "/v1/calls/active", calls.list_active, {200: CallPage}, query=ActiveCallsQuery),
    Route("GET", CALL, calls.get, {200: CallDetail}),
    Route("GET", f"{CALL}/summary", calls.get_summary, {200: SummaryAnswer}),
    Route("GET", f"{CALL}/transcript", calls.get_transcript, {200: TranscriptAnswer}),
    Route("GET", f"{CALL}/recording", calls.get_recording, {200: RecordingAnswer}),
    Route("GET", f"{CALL}/events", calls.list_events, {200: EventPage}, query=EventPageQuery),
    Route("POST", f"{CALL}/participants", participants.add, {201: AddedParticipants, 202: AddedParticipants},
        body=AddParticipants, errors=(409, 422), idempotent=True),
    Route("POST", f"{CALL}/end", end.end_call, {200: EndedCall}, body=Nothing, errors=(409,)),
    Route("POST", f"{CALL}/reprocess", end.reprocess, {202: Reprocessing}, body=Nothing),
)  # fmt: skip


def create_app(settings: Settings) -> web.Application:
    """The API for one set of settings; nothing is opened before the application starts."""
    browser_paths = {route.path for route in ROUTES if route.who is Who.PUBLISHABLE}
    app = web.Application(
        middlewares=[cross_origin(browser_paths), answer_errors],
        client_max_size=MAX_BODY,
    )
    app[SETTINGS] = settings
    for route in ROUTES:
        route.bind(app)
    app.cleanup_ctx.append(_open)
    return app


async def _open(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    database = Database(settings.database)
    await database.migrate()
    async with Rooms.connect(settings) as rooms:
        app[DATABASE], app[ROOMS], app[STORAGE] = database, rooms, Storage(settings)
        yield
    await database.close()

"""The application: its route table on one screen, what it opens at the start and closes at the end."""

from collections.abc import AsyncIterator
from functools import cache, partial

from aiohttp import web

from api import (
    agent_changes,
    agents,
    batches,
    call_table,
    calls,
    dnc,
    end,
    erasure,
    health,
    jobs,
    join,
    keys,
    listening,
    live,
    livekit_webhook,
    numbers,
    openapi,
    options,
    participants,
    placing,
    realtime,
    recipients,
    recordings,
    session,
    sharing,
    stream,
    telephony,
    tool_secrets,
    usage,
    voice_samples,
    webhooks,
)
from api.feed import close_feed, open_feed
from api.key_use import KeyUse
from api.live_feed import close_live_feed, open_live_feed
from api.middleware import allow_origin, answer_errors, answer_preflight
from api.openapi import DOCUMENT, EVENT_STREAM
from api.page import add_pages, answer_mistyped
from api.parsing import MAX_BODY
from api.provider_health import open_provider_health
from api.providers import open_providers
from api.routing import DATABASE, KEY_USE, KEYRING, KEYS, PASSES, ROOMS, SETTINGS, STORAGE, Route, Who, bind, look_up
from api.schema.agent_changes import AgentChangePage, ChangesQuery
from api.schema.agents import Agent, AgentNames, AgentPage, CallAgent, CreateAgent, UpdateAgent
from api.schema.analyses import GenerationPage, SummaryAnswer
from api.schema.batches import Batch, BatchDetail, BatchPage, CreateBatch, CreatedBatch, CreatedFanout
from api.schema.calls import (
    CallDetail,
    CallPage,
    CreateCall,
    CreatedCall,
    CreatedToken,
    CreateToken,
    EndedCall,
    EventPage,
    EventPageQuery,
    Listening,
    Reprocessing,
)
from api.schema.common import Nothing, Page
from api.schema.dnc import AddedToDnc, AddManyToDnc, AddToDnc, CheckDnc, DncEntry, DncPage, DncResults
from api.schema.health import Alive, Installation, Ready
from api.schema.jobs import DeadJobPage
from api.schema.join import Join, Joined
from api.schema.keys import (
    ApiKeys,
    CreateApiKey,
    CreatedApiKey,
    CreatedPublishableKey,
    CreatePublishableKey,
    KeySelf,
    Me,
    PublishableKeys,
)
from api.schema.listing import ActiveCallsQuery, AgentCallsQuery, CallPageQuery, CallsWanted
from api.schema.numbers import AttachNumber, CreateNumber, Number, Numbers
from api.schema.options import LlmOptions, QueueStats
from api.schema.participants import AddedParticipants, AddParticipants
from api.schema.recordings import RecordingAnswer, RecordingPeaks, RecordingQuery
from api.schema.session import BeginSession, Session
from api.schema.sharing import PutShareLink, SharedAgent, SharedCall, ShareLink, Testers
from api.schema.stream import CallStreamMessage, LiveQuery, LiveStreamMessage
from api.schema.telephony import PutTrunk, TelephonyStatus, Trunk
from api.schema.tools import PutToolSecret, ToolSecret, ToolSecrets
from api.schema.transcripts import TranscriptAnswer
from api.schema.usage import Usage, UsageQuery
from api.schema.voice_samples import CreateVoiceSample
from api.schema.webhooks import (
    CreateWebhook,
    Delivery,
    DeliveryPage,
    UpdateWebhook,
    Webhook,
    WebhookPage,
    WebhookWithSecret,
)
from api.together import Together
from calls.database.encryption import Keyring, tell_of_unreadable
from calls.database.engine import Database
from calls.migrations import migrate
from calls.processes import present
from calls.recordings.storage import Storage
from calls.rooms import Rooms
from calls.settings import Settings
from calls.tenants.passes import Passes

OPEN = Who.ANYONE
BROWSERS = Who.PUBLISHABLE
CALLERS = Who.CALL
LIVEKIT_S = 3.0  # nobody who asks the api for something waits longer for LiveKit
CALL = "/v1/calls/{id}"
BATCH = "/v1/calls/batch/{batch}"
AGENT = "/v1/agents/{id}"
SHARED = "/v1/shared/{code}"
NUMBER = "/v1/numbers/{number}"
WEBHOOK = "/v1/webhooks/{id}"
OF_TOOLS = "/v1/tool-secrets/{name}"

# method, path, handler, answers; then who may (a secret key, unless said), what is parsed, which errors besides the
# usual ones (401, 403 with a key; 400 with a query or body; 413 and 415 with a body; 404 with an id in the path; 422
# with an Idempotency-Key; 412 with an If-Match). A POST takes no such key whose answer has a secret, tells of people,
# or does nothing but read, nor one that finds out by itself that it was done before: undo, redeliver.
ROUTES: tuple[Route, ...] = (
    Route("GET", "/healthz", health.alive, {200: Alive}, who=OPEN),
    Route("GET", "/readyz", health.ready, {200: Ready}, who=OPEN, errors=(503,)),
    Route("GET", "/openapi.json", openapi.get, {200: None}, who=OPEN),
    Route("POST", "/livekit/webhook", livekit_webhook.receive, {200: None}, who=OPEN, errors=(401,)),
    Route("GET", "/v1/recordings/{key:.+}", recordings.download, {200: None, 206: None, 307: None},
        who=OPEN, query=RecordingQuery, errors=(403, 404, 503), media="audio/*", head=True),
    Route("GET", "/v1/agents", agents.list_page, {200: AgentPage}, query=Page),
    Route("POST", "/v1/agents", agents.create, {201: Agent}, body=CreateAgent, idempotent=True),
    Route("GET", "/v1/agents/names", agents.list_names, {200: AgentNames}, query=Page),
    Route("GET", "/v1/agents/llm-options", options.get, {200: LlmOptions}),
    Route("POST", "/v1/agents/voice-sample", voice_samples.create, {200: None}, body=CreateVoiceSample,
        errors=(429,), media="audio/wav"),
    Route("GET", AGENT, agents.get, {200: Agent}),
    Route("PUT", AGENT, agents.update, {200: Agent}, body=UpdateAgent, conditional=True),
    Route("DELETE", AGENT, agents.delete, {204: None}),
    Route("POST", f"{AGENT}/clone", agents.clone, {201: Agent}, body=Nothing, idempotent=True),
    Route("GET", f"{AGENT}/calls", agents.list_calls, {200: CallPage}, query=AgentCallsQuery),
    Route("GET", f"{AGENT}/changes", agent_changes.list_page, {200: AgentChangePage}, query=ChangesQuery),
    Route("POST", f"{AGENT}/changes/{{change_id}}/undo", agent_changes.undo, {200: Agent}, body=Nothing,
        errors=(409,)),
    Route("GET", f"{AGENT}/testers", sharing.testers, {200: Testers}),
    Route("PUT", f"{AGENT}/share-link", sharing.put, {200: ShareLink}, body=PutShareLink),
    Route("POST", f"{AGENT}/share-link/regenerate", sharing.regenerate, {200: ShareLink}, body=Nothing),
    Route("GET", SHARED, sharing.get_shared, {200: SharedAgent}, who=OPEN, errors=(503,)),
    Route("POST", f"{SHARED}/calls", sharing.create_call, {201: SharedCall}, who=OPEN, body=Nothing,
        errors=(402, 409, 429, 503)),
    Route("POST", "/v1/calls", placing.create, {201: CreatedCall, 202: CreatedCall}, who=BROWSERS, body=CreateCall,
        errors=(402, 404, 409, 429, 503), idempotent=True),
    Route("POST", "/v1/calls/batch", recipients.create_batch, {202: CreatedBatch}, body=CreateBatch,
        errors=(402, 404, 409), idempotent=True),
    Route("GET", "/v1/calls/batch", batches.list_page, {200: BatchPage}, query=Page),
    Route("GET", BATCH, batches.get, {200: BatchDetail}),
    Route("POST", f"{BATCH}/cancel", batches.cancel, {200: Batch}, body=Nothing, errors=(409,), idempotent=True),
    Route("POST", "/v1/calls/fanout", recipients.create_fanout, {202: CreatedFanout}, body=CreateBatch,
        errors=(402, 404, 409), idempotent=True),
    Route("POST", "/v1/realtime/token", realtime.create_token, {201: CreatedToken}, who=BROWSERS, body=CreateToken,
        errors=(402, 404, 429, 503), idempotent=True),
    Route("GET", "/v1/calls", calls.list_page, {200: CallPage}, query=CallPageQuery),
    Route("GET", "/v1/calls.csv", call_table.export, {200: None}, query=CallsWanted, media="text/csv"),
    Route("GET", "/v1/calls/active", calls.list_active, {200: CallPage}, query=ActiveCallsQuery),
    Route("GET", "/v1/calls/stream", live.stream, {200: LiveStreamMessage}, query=LiveQuery,
        errors=(429,), media=EVENT_STREAM),
    Route("GET", "/v1/calls/queue/stats", jobs.queue_stats, {200: QueueStats}),
    Route("GET", CALL, calls.get, {200: CallDetail}),
    Route("DELETE", CALL, erasure.erase, {204: None}, errors=(409,)),
    Route("GET", f"{CALL}/summary", calls.get_summary, {200: SummaryAnswer}),
    Route("GET", f"{CALL}/intelligence", calls.list_generations, {200: GenerationPage}, query=Page),
    Route("GET", f"{CALL}/transcript", calls.get_transcript, {200: TranscriptAnswer}),
    Route("GET", f"{CALL}/recording", calls.get_recording, {200: RecordingAnswer}),
    Route("GET", f"{CALL}/recording/peaks", calls.get_peaks, {200: RecordingPeaks}),
    Route("GET", f"{CALL}/agent", calls.get_agent, {200: CallAgent}),
    Route("GET", f"{CALL}/events", calls.list_events, {200: EventPage}, query=EventPageQuery),
    Route("GET", f"{CALL}/stream", stream.stream, {200: CallStreamMessage, 204: None}, who=CALLERS,
        media=EVENT_STREAM),
    Route("POST", f"{CALL}/participants", participants.add, {201: AddedParticipants, 202: AddedParticipants},
        body=AddParticipants, errors=(402, 409), idempotent=True),
    Route("POST", f"{CALL}/listen", listening.listen, {201: Listening}, body=Nothing, errors=(409,)),
    Route("POST", f"{CALL}/end", end.end_call, {200: EndedCall}, who=CALLERS, body=Nothing, errors=(409,),
        idempotent=True),
    Route("POST", f"{CALL}/reprocess", end.reprocess, {202: Reprocessing}, body=Nothing, idempotent=True),
    Route("POST", "/v1/join", join.exchange, {200: Joined}, who=OPEN, body=Join, errors=(404, 409, 503)),
    Route("GET", "/v1/usage", usage.get, {200: Usage}, query=UsageQuery),
    Route("GET", "/v1/health", health.installation, {200: Installation}),
    Route("GET", "/v1/jobs/dead", jobs.list_given_up, {200: DeadJobPage}, query=Page),
    Route("GET", "/v1/keys/self", keys.this_key, {200: KeySelf}),
    Route("GET", "/v1/keys/publishable", keys.list_publishable, {200: PublishableKeys}),
    Route("POST", "/v1/keys/publishable", keys.create_publishable, {201: CreatedPublishableKey},
        body=CreatePublishableKey, errors=(404,)),
    Route("DELETE", "/v1/keys/publishable/{id}", keys.revoke_publishable, {204: None}),
    Route("GET", "/v1/auth/me", keys.me, {200: Me}),
    Route("GET", "/v1/auth/api-keys", keys.list_secret, {200: ApiKeys}),
    Route("POST", "/v1/auth/api-keys", keys.create_secret, {201: CreatedApiKey}, body=CreateApiKey),
    Route("DELETE", "/v1/auth/api-keys/{id}", keys.revoke_secret, {204: None}),
    Route("POST", "/v1/session", session.begin, {201: Session}, who=OPEN, body=BeginSession, errors=(401, 403, 503)),
    Route("GET", "/v1/session", session.get, {200: Session}),
    Route("DELETE", "/v1/session", session.end, {204: None}, errors=(404,)),
    Route("GET", "/v1/numbers", numbers.list_page, {200: Numbers}, query=Page),
    Route("POST", "/v1/numbers", numbers.create, {201: Number}, body=CreateNumber, errors=(404, 409), idempotent=True),
    Route("POST", f"{NUMBER}/attach", numbers.attach, {200: Number}, body=AttachNumber, idempotent=True),
    Route("DELETE", NUMBER, numbers.delete, {204: None}),
    Route("GET", "/v1/dnc", dnc.list_page, {200: DncPage}, query=Page),
    Route("POST", "/v1/dnc", dnc.add, {200: DncEntry, 201: DncEntry}, body=AddToDnc, idempotent=True),
    Route("POST", "/v1/dnc/batch", dnc.add_batch, {200: AddedToDnc}, body=AddManyToDnc, idempotent=True),
    Route("POST", "/v1/dnc/check", dnc.check, {200: DncResults}, body=CheckDnc),
    Route("DELETE", "/v1/dnc/{phone}", dnc.delete, {204: None}),
    Route("GET", "/v1/telephony/status", telephony.get_status, {200: TelephonyStatus}),
    Route("GET", "/v1/telephony/trunk", telephony.get_trunk, {200: Trunk}, errors=(404,)),
    Route("PUT", "/v1/telephony/trunk", telephony.put_trunk, {200: Trunk}, body=PutTrunk),
    Route("DELETE", "/v1/telephony/trunk", telephony.delete_trunk, {204: None}, errors=(404,)),
    Route("GET", "/v1/tool-secrets", tool_secrets.list_all, {200: ToolSecrets}),
    Route("PUT", OF_TOOLS, tool_secrets.put, {200: ToolSecret}, body=PutToolSecret),
    Route("DELETE", OF_TOOLS, tool_secrets.delete, {204: None}),
    Route("GET", "/v1/webhooks", webhooks.list_page, {200: WebhookPage}, query=Page),
    Route("POST", "/v1/webhooks", webhooks.create, {201: WebhookWithSecret}, body=CreateWebhook),
    Route("GET", WEBHOOK, webhooks.get, {200: Webhook}),
    Route("PATCH", WEBHOOK, webhooks.update, {200: Webhook}, body=UpdateWebhook),
    Route("DELETE", WEBHOOK, webhooks.delete, {204: None}),
    Route("POST", f"{WEBHOOK}/test", webhooks.test, {202: Delivery}, body=Nothing, idempotent=True),
    Route("POST", f"{WEBHOOK}/rotate-secret", webhooks.rotate_secret, {200: WebhookWithSecret}, body=Nothing),
    Route("GET", f"{WEBHOOK}/deliveries", webhooks.list_deliveries, {200: DeliveryPage}, query=Page),
    Route("POST", f"{WEBHOOK}/deliveries/{{delivery_id}}/redeliver", webhooks.redeliver, {202: Delivery},
        body=Nothing, errors=(409,)),
)  # fmt: skip


def create_app(settings: Settings) -> web.Application:
    """The API for one set of settings; nothing is opened before the application starts."""
    app = web.Application(
        middlewares=[answer_preflight, answer_errors, answer_mistyped],
        client_max_size=MAX_BODY,
    )
    app[SETTINGS], app[PASSES] = settings, Passes(settings)
    bind(app, ROUTES)
    add_pages(app)
    app[DOCUMENT] = _document()
    app.cleanup_ctx.extend([_open, open_feed, open_live_feed, open_providers, open_provider_health])
    app.on_response_prepare.append(allow_origin)
    app.on_shutdown.extend([close_feed, close_live_feed])
    return app


@cache
def _document() -> bytes:
    return openapi.document(ROUTES)


async def _open(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    database, keyring = Database(settings.database), Keyring.of(settings)
    await migrate(database)
    await tell_of_unreadable(database, keyring)
    async with Rooms.connect(settings, LIVEKIT_S) as rooms, present(database, "api"):
        app[DATABASE], app[KEYRING], app[ROOMS], app[STORAGE] = database, keyring, rooms, Storage(settings)
        app[KEY_USE] = KeyUse(database)
        app[KEYS] = Together(partial(look_up, database))
        app[placing.CALLS] = Together(partial(placing.place_all, database))
        yield
    await app[KEY_USE].close()
    await database.close()

"""One example of each shape: what the document at `/openapi.json` shows. Tests hold each against its model."""

from typing import Any

from calls.version import VERSION

AGENT_ID = "550e8400-e29b-41d4-a716-446655440000"
CALL_ID = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
ROOM = f"call_{CALL_ID}"
PHONE, OWN_NUMBER = "+15551234567", "+15559876543"
TIME, LATER = "2026-03-01T10:00:00Z", "2026-03-01T10:05:00Z"

Example = dict[str, Any]

_PAGE = {"total": 1, "offset": 0, "limit": 50}
_POST_CALL: Example = {
    "recording": {"enabled": True},
    "summary": {"enabled": True},
    "structured_extraction": {
        "json_schema": {"type": "object", "properties": {"booked_appointment": {"type": "boolean"}}},
    },
    "evaluation": {"criteria": "Did the agent successfully book an appointment?"},
}
_AGENT: Example = {
    "name": "Aria",
    "system_prompt": "You book appointments for {{company}}.",
    "language": "en",
    "stt": [],
    "llm": [],
    "tts": [{"provider": None, "model": None, "options": {}, "voice": "ash"}],
    "stt_provider": None,
    "stt_model": None,
    "llm_provider": None,
    "llm_model": None,
    "tts_provider": None,
    "tts_model": None,
    "voice": "ash",
    "first_message": "Hello {{customer_name}}, how can I help?",
    "phrases": {
        "reminder": "Hello, are you there?",
        "back": None,
        "goodbye": "Bye for now.",
        "transfer": None,
        "silence": None,
        "sorry": None,
        "unheard": None,
        "failed": None,
        "credits_used_up": None,
    },
    "max_duration_s": 3600,
    "silence_reminder_s": 12,
    "silence_timeout_s": 30,
    "eager": 0.1,
    "machine_detection": "continue",
    "tools": [
        {
            "name": "look_up_order",
            "description": "Finds an order by its number.",
            "parameters": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
            "url": "https://api.example.com/orders/{{arguments.number}}",
            "method": "GET",
            "headers": {"X-Shop": "{{shop}}"},
            "timeout_s": 10,
            "meanwhile": "Let me look that up.",
        },
    ],
    "mcp_servers": [
        {"name": "stock", "url": "https://mcp.example.com/mcp", "headers": {}, "timeout_s": 10, "meanwhile": None},
    ],
    "features": {"transcription_enabled": True, "redact": ["card"], "transfer_to": None},
    "retention_days": {"recordings": 30, "transcripts": None},
    "post_call": _POST_CALL,
}
_AGENT_SHOWN = {"id": AGENT_ID, **_AGENT, "created_at": TIME, "updated_at": TIME}
_BROWSER: Example = {
    "id": ID,
    "transport": "webrtc",
    "identity": "browser-tab-1",
    "status": "joining",
    "access": {"url": "wss://livekit.example.com", "token": "eyJ..."},
    "join_url": "https://calls.example.com/join/q83v...",
}
_LEG: Example = {
    "id": ID,
    "transport": "pstn",
    "identity": PHONE,
    "status": "queued",
    "telephony_leg_id": ID,
    "job_id": "job_123",
}
_REJECTED = {"identity": "nobody", "code": "invalid_number", "error": "expected a phone number"}
_BATCH: Example = {
    "batch_id": "batch_1710",
    "agent_id": AGENT_ID,
    "status": "in_progress",
    "calls": 500,
    "rejected": 2,
    "counts": {"queued": 410, "ringing": 3, "in_progress": 7, "completed": 55, "failed": 25},
    "waiting_for": "line",
    "created_at": TIME,
    "canceled_at": None,
    "completed_at": None,
}
_CALL: Example = {
    "id": CALL_ID,
    "room_name": ROOM,
    "agent_id": AGENT_ID,
    "status": "completed",
    "end_reason": "caller_hung_up",
    "created_at": TIME,
    "started_at": TIME,
    "ended_at": LATER,
    "bill_duration": 300,
    "total_cost": 0.3,
    "metadata": {"batch_id": "batch_1710"},
    "intelligence_status": "completed",
    "participant_count": 1,
    "primary_participant": {"identity": PHONE, "transport": "pstn"},
    "erased_at": None,
}
_MADE = {"status": "completed", "error": None, "attempt": 1, "max_attempts": 8, "next_attempt_at": None}
_INTELLIGENCE = {
    "status": "completed",
    "summary": "Caller asked for support and the agent resolved the issue.",
    "sentiment": "neutral",
    "structured_data": {"booked_appointment": True},
    "evaluation": {"passed": True, "score": 1, "reasoning": "The issue was resolved successfully."},
    "errors": [],
    "parts": {"summary": _MADE, "extraction": _MADE, "evaluation": _MADE},
}
_LISTED_CALL: Example = {**_CALL, "agent_name": "Aria", "sentiment": "neutral", "passed": True}
_CALL_PAGE = {
    "calls": [_LISTED_CALL],
    "total": 1,
    "limit": 200,
    "offset": 0,
    "next_cursor": None,
}
_SEGMENT: Example = {
    "speaker": "user",
    "text": "Hello?",
    "sequence": 0,
    "started_at_ms": 0,
    "ended_at_ms": 850,
    "is_final": True,
    "is_cut": False,
    "source": "runtime",
    "participant_id": ID,
    "participant_identity": PHONE,
}
_UTTERANCE = {"id": "t_1", "type": "user_input", "response": "Hello?"}
_NOT_TIMED = {"text", "is_cut", "participant_id", "participant_identity"}
_TIMED = {key: _SEGMENT[key] for key in _SEGMENT if key not in _NOT_TIMED}
_TOOL_SECRET: Example = {"name": "SHOP_KEY", "host": "api.example.com", "created_at": TIME, "updated_at": TIME}
_RECORDING: Example = {
    "id": ID,
    "status": "ready",
    "format": "wav",
    "provider_recording_id": f"recordings/{CALL_ID}.wav",
    "metadata": {"stereo_mix": {"signed_url": f"https://storage.example.com/recordings/{CALL_ID}.wav?signature=..."}},
}
_EVENT: Example = {
    "id": "evt_3",
    "call_id": CALL_ID,
    "kind": "participant.joined",
    "level": "info",
    "source": "livekit",
    "message": "Participant joined",
    "data": {"identity": "browser-tab-1"},
    "created_at": TIME,
}
_PARTICIPANT: Example = {
    "id": ID,
    "transport": "pstn",
    "identity": PHONE,
    "status": "left",
    "metadata": {},
    "end_reason": None,
    "from_number": OWN_NUMBER,
    "telephony_leg_id": ID,
    "created_at": TIME,
    "joined_at": TIME,
    "left_at": LATER,
    "bill_duration": 300,
    "cost": 0.3,
}
_BROWSER_KEY: Example = {
    "id": ID,
    "key_prefix": "sb_publishable_3fYkQ2",
    "agent_id": AGENT_ID,
    "label": "Landing page",
    "allowed_channels": ["web"],
    "audience": "sdk",
    "default_from_number": None,
    "created_at": TIME,
    "last_used_at": LATER,
}
_FIGURES: Example = {
    "calls": 120,
    "completed": 111,
    "failed": 9,
    "failures": {"busy": 2, "no_answer": 7},
    "minutes": 342.5,
    "cost": 17.1,
    "answers": {"count": 1834, "p50_ms": 910, "p95_ms": 1720},
}
_SECRET_KEY: Example = {
    "id": ID,
    "key_prefix": "sb_secret_9aLmP0",
    "label": "Backend",
    "kind": "secret",
    "scopes": ["*"],
    "created_at": TIME,
    "last_used_at": LATER,
    "is_current": True,
}
_NUMBER = {"number": OWN_NUMBER, "agent_id": AGENT_ID, "created_at": TIME}
_DNC = {"phone_number": PHONE, "reason": "Asked not to be called", "created_at": TIME}
_WEBHOOK: Example = {
    "id": ID,
    "url": "https://example.com/hooks",
    "events": ["call.completed"],
    "active": True,
    "alert_email": None,
    "created_at": TIME,
    "updated_at": TIME,
}
_CALL_THEN: Example = {
    **{
        key: value
        for key, value in _CALL.items()
        if key not in {"participant_count", "primary_participant", "erased_at"}
    },
    "intelligence_status": "pending",
    "participants": [{"id": ID, "transport": "pstn", "identity": PHONE, "status": "left"}],
}
_NOT_OVER = {"ended_at": None, "end_reason": None, "bill_duration": 0, "total_cost": 0}
_CALL_STARTED: Example = {
    **_CALL_THEN,
    **_NOT_OVER,
    "status": "in_progress",
    "intelligence_status": "not_started",
    "participants": [{"id": ID, "transport": "pstn", "identity": PHONE, "status": "joined"}],
}
_CALL_FAILED: Example = {
    **_CALL_THEN,
    "status": "failed",
    "end_reason": "no_answer",
    "started_at": None,
    "bill_duration": 0,
    "total_cost": 0,
    "intelligence_status": "not_started",
    "participants": [{"id": ID, "transport": "pstn", "identity": PHONE, "status": "failed"}],
}
_BATCH_THEN: Example = {
    **{key: value for key, value in _BATCH.items() if key != "waiting_for"},
    "status": "completed",
    "counts": {"queued": 0, "ringing": 0, "in_progress": 0, "completed": 472, "failed": 28},
    "completed_at": LATER,
}


def _message(event: str, data: Example) -> Example:
    return {"id": ID, "event": event, "created_at": LATER, "data": data}


_DELIVERY: Example = {
    "id": ID,
    "webhook_id": ID,
    "call_id": CALL_ID,
    "event": "call.completed",
    "payload": _message("call.completed", _CALL_THEN),
    "status": "delivered",
    "attempts": 1,
    "response_status": 200,
    "response_body": "ok",
    "error": None,
    "created_at": LATER,
    "delivered_at": LATER,
}

_LATENCY = {
    "response_ms": {"p50": 1240, "p95": 1240},
    "end_of_turn_ms": {"p50": 420, "p95": 420},
    "llm_ms": {"p50": 510, "p95": 510},
    "tts_ms": {"p50": 310, "p95": 310},
    "turns": [
        {
            "user_stopped_at_ms": 4180,
            "response_ms": 1240,
            "end_of_turn_ms": 420,
            "llm_ms": 510,
            "tts_ms": 310,
            "phrase_ms": None,
            "measured_by": "worker",
        },
    ],
}

_SHARE_LINK = {
    "url": "http://127.0.0.1:8080/talk/q83vEjRWeJCrze8SNFZ4kA",
    "enabled": True,
    "minutes_limit": 60,
    "minutes_used": 12.5,
    "max_call_seconds": 300,
    "max_concurrent": 2,
    "calls_per_ip_hour": 5,
    "created_at": "2026-07-14T09:30:00Z",
    "warnings": [],
}

EXAMPLES: dict[str, Example] = {
    "Alive": {"status": "ok"},
    "Ready": {
        "status": "degraded",
        "providers": {"stt": {"local": "ok"}, "llm": {"openai": "does not accept the key"}, "tts": {"local": "ok"}},
    },
    "Installation": {
        "status": "degraded",
        "version": VERSION,
        "missing": ["worker"],
        "livekit": True,
        "processes": [
            {"kind": "api", "host": "callroom-1", "pid": 4711, "version": VERSION}
            | {"began_at": TIME, "told_at": LATER}
        ],
        "workers": [],
        "providers": {"stt": {"local": "ok"}, "llm": {"openai": "does not accept the key"}, "tts": {"local": "ok"}},
    },
    "DeadJobPage": {
        "jobs": [
            {
                "id": "job_123",
                "kind": "summarize",
                "call_id": CALL_ID,
                "attempts": 12,
                "error": "the model does not answer",
                "created_at": TIME,
                "finished_at": LATER,
            }
        ],
        "total": 1,
        "offset": 0,
        "limit": 50,
    },
    "Usage": {
        "from_day": "2026-03-01",
        "to_day": "2026-03-31",
        "total": _FIGURES,
        "groups": [{"day": "2026-03-01", "agent_id": None, **_FIGURES}],
    },
    "Nothing": {},
    "CreateAgent": {"name": "Aria", "system_prompt": _AGENT["system_prompt"], "first_message": _AGENT["first_message"]},
    "UpdateAgent": {"post_call": _POST_CALL},
    "CreateVoiceSample": {"provider": "openai", "voice": "ash", "text": "Good evening, how can I help you?"},
    "Agent": _AGENT_SHOWN,
    "AgentChangePage": {
        "changes": [
            {
                "id": "0b0f6c1e-3d4a-4f7e-9c55-2a1d8f6b7e90",
                "field": "first_message",
                "before": "Hello!",
                "after": "Good evening!",
                "can_undo": True,
                "changed_by": {
                    "key_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
                    "label": "Operations",
                    "key_prefix": "sb_secret_3fYk2a",
                },
                "created_at": "2026-07-14T09:30:00Z",
            },
        ],
        **_PAGE,
    },
    "PutShareLink": {"minutes_limit": 60, "max_call_seconds": 300},
    "ShareLink": _SHARE_LINK,
    "Testers": {"link_feature": True, "link": _SHARE_LINK},
    "SharedAgent": {"agent_name": "Aria", "max_call_seconds": 300},
    "SharedCall": {
        "call_id": CALL_ID,
        "participant_id": "5f0c1d9e-8a35-4a4e-b9c6-0d5f7d9f2c11",
        "agent": {"id": AGENT_ID, "name": "Aria"},
        "call_token": "sb_call_obLD1OX2eJCrze8SNFZ4kA…",
        "access": {"url": "ws://127.0.0.1:7880", "token": "eyJhbGciOiJIUzI1NiJ9…"},
        "max_call_seconds": 300,
    },
    "AgentNames": {"agents": [{"id": AGENT_ID, "name": "Aria"}], **_PAGE},
    "AgentPage": {"agents": [_AGENT_SHOWN], **_PAGE},
    "CreateCall": {
        "agent_id": AGENT_ID,
        "participants": [{"transport": "webrtc", "identity": "browser-tab-1"}],
        "metadata": {"source": "sdk", "session_id": "sess_123"},
        "post_call": _POST_CALL,
    },
    "CreatedCall": {
        "id": CALL_ID,
        "room_name": ROOM,
        "status": "connecting",
        "participants": [_BROWSER],
        "agent": {"id": AGENT_ID, "name": "Aria"},
        "call_token": "sb_call_q83v...",
        "warnings": [],
    },
    "CreateBatch": {"agent_id": AGENT_ID, "to": [PHONE]},
    "CreatedBatch": {
        "batch_id": "batch_1710",
        "queued": 1,
        "calls": [{"id": CALL_ID, "identity": PHONE, "status": "queued", "job_id": "job_123"}],
        "rejected": [_REJECTED],
        "warnings": [],
    },
    "BatchDetail": {**_BATCH, "failures": {"busy": 19, "no_answer": 6}, "rejected_recipients": [_REJECTED]},
    "CreatedFanout": {
        "id": CALL_ID,
        "room_name": ROOM,
        "status": "queued",
        "participants": [_LEG],
        "agent": {"id": AGENT_ID, "name": "Aria"},
        "call_token": "sb_call_q83v...",
        "warnings": [],
        "fanout_id": "fanout_1710",
        "queued": 1,
    },
    "Batch": _BATCH,
    "BatchPage": {"batches": [_BATCH], **_PAGE},
    "CreateToken": {"agent_id": AGENT_ID, "metadata": {"source": "landing page"}},
    "CreatedToken": {
        "client_token": "eyJ...",
        "room_name": ROOM,
        "server_url": "wss://livekit.example.com",
        "call_id": CALL_ID,
        "call_token": "sb_call_q83v...",
    },
    "Join": {"code": "q83v..."},
    "Joined": {
        "call_id": CALL_ID,
        "participant_id": ID,
        "agent": {"id": AGENT_ID, "name": "Aria"},
        "access": {"url": "wss://livekit.example.com", "token": "eyJ..."},
        "call_token": "sb_call_q83v...",
    },
    "CallPage": _CALL_PAGE,
    "CallDetail": {
        **_CALL,
        "agent": {"id": AGENT_ID, "name": "Aria"},
        "participants": [_PARTICIPANT],
        "variables": {"customer_segment": "renewal"},
        "post_call": _POST_CALL,
        "transcript": {"text": "Caller: Hello?", "segments": [_SEGMENT], "raw": [_UTTERANCE], "erased_at": None},
        "tool_calls": [
            {
                "id": ID,
                "name": "look_up_order",
                "arguments": {"number": "4711"},
                "status": "completed",
                "answer": '{"status": "shipped"}',
                "error": None,
                "started_at_ms": 5200,
                "duration_ms": 180,
            },
        ],
        "recording": _RECORDING,
        "intelligence": _INTELLIGENCE,
        "latency": _LATENCY,
        "events": [_EVENT],
    },
    "SummaryAnswer": {
        "status": "completed",
        "sentiment": "positive",
        "summary": "The caller confirmed the appointment and no follow-up was needed.",
    },
    "GenerationPage": {
        "generations": [
            {
                **_INTELLIGENCE,
                "generation": 1,
                "asked_at": "2026-03-01T10:05:00Z",
                "concluded_at": "2026-03-01T10:05:04Z",
                "post_call": _POST_CALL,
            },
        ],
        **_PAGE,
    },
    "TranscriptAnswer": {
        "transcript": [{**_UTTERANCE, **_TIMED}],
        "text": "Caller: Hello?",
        "segments": [_SEGMENT],
    },
    "RecordingAnswer": {"call_id": CALL_ID, "recording": _RECORDING},
    "RecordingPeaks": {
        "call_id": CALL_ID,
        "duration_ms": 40,
        "step_ms": 10,
        "people": [0, 3, 96, 120],
        "agent": [88, 40, 1, 0],
    },
    "CallAgent": {"id": AGENT_ID, **_AGENT},
    "EventPage": {"events": [_EVENT], **_PAGE},
    "AddParticipants": {"participants": [{"transport": "webrtc", "identity": "browser-tab-2"}]},
    "AddedParticipants": {"participants": [_BROWSER]},
    "EndedCall": {"status": "ended", "id": CALL_ID, "message": "Call has been terminated."},
    "Listening": {"url": "wss://livekit.example.com", "token": "eyJ..."},
    "Reprocessing": {
        "status": "queued",
        "job_id": "job_123",
        "message": "Post-call intelligence reprocessing has been queued.",
    },
    "QueueStats": {"waiting": 12, "active": 2, "completed": 340, "failed": 4},
    "CreatePublishableKey": {"agent_id": AGENT_ID, "label": "Landing page", "allowed_channels": ["web"]},
    "CreatedPublishableKey": {**_BROWSER_KEY, "key": "sb_publishable_3fYkQ2..."},
    "PublishableKeys": {"keys": [_BROWSER_KEY]},
    "CreateApiKey": {"label": "Backend"},
    "CreatedApiKey": {**_SECRET_KEY, "key": "sb_secret_9aLmP0..."},
    "ApiKeys": {"keys": [_SECRET_KEY]},
    "Me": {"id": ID, "name": "default", "metered": False, "credits": 0},
    "KeySelf": {"kind": "secret", "scopes": ["*"]},
    "BeginSession": {"key": "sb_secret_9aLmP0..."},
    "Session": {"tenant": {"id": ID, "name": "default"}, "rights": ["*"], "expires_at": "2026-03-08T10:00:00Z"},
    "CreateNumber": {"number": OWN_NUMBER, "agent_id": AGENT_ID},
    "AttachNumber": {"agent_id": AGENT_ID},
    "Number": _NUMBER,
    "Numbers": {"numbers": [_NUMBER], **_PAGE},
    "AddToDnc": {"phone_number": PHONE, "reason": "Asked not to be called"},
    "AddManyToDnc": {"phone_numbers": [PHONE, "nobody"]},
    "CheckDnc": {"phone_numbers": [PHONE]},
    "DncEntry": _DNC,
    "DncPage": {"entries": [_DNC], **_PAGE},
    "AddedToDnc": {"added": 1, "invalid": ["nobody"]},
    "DncResults": {"results": [{"phone_number": PHONE, "blocked": True}]},
    "PutTrunk": {"address": "sip.example.com", "transport": "tls", "username": "callroom", "password": "secret"},
    "Trunk": {
        "address": "sip.example.com",
        "transport": "tls",
        "username": "callroom",
        "allowed_addresses": [],
        "state": "ready",
        "reason": None,
        "updated_at": TIME,
    },
    "TelephonyStatus": {"connected": False, "provider": "sip", "reason": "No SIP trunk is configured."},
    "PutToolSecret": {"value": "sk_live_...", "host": "api.example.com"},
    "ToolSecret": _TOOL_SECRET,
    "ToolSecrets": {"secrets": [_TOOL_SECRET]},
    "CreateWebhook": {"url": "https://example.com/hooks", "events": ["call.completed"]},
    "UpdateWebhook": {"events": ["call.completed", "call.failed"]},
    "Webhook": _WEBHOOK,
    "WebhookWithSecret": {**_WEBHOOK, "secret": "whsec_..."},
    "WebhookPage": {"webhooks": [_WEBHOOK], **_PAGE},
    "Delivery": _DELIVERY,
    "CallStartedMessage": _message("call.started", _CALL_STARTED),
    "CallCompletedMessage": _message("call.completed", _CALL_THEN),
    "CallFailedMessage": _message("call.failed", _CALL_FAILED),
    "TranscriptReadyMessage": _message("call.transcript.ready", _CALL_THEN),
    "RecordingReadyMessage": _message("call.recording.ready", _CALL_THEN),
    "IntelligenceReadyMessage": _message("call.intelligence.ready", {**_CALL_THEN, "intelligence_status": "completed"}),
    "BatchCompletedMessage": _message("batch.completed", _BATCH_THEN),
    "WebhookTestMessage": _message("webhook.test", {"message": "It works."}),
    "CallStreamMessage": {"id": "17-4-5420", "event": "segment", "data": _SEGMENT},
    "LiveStreamMessage": {
        "event": "call",
        "data": {**_LISTED_CALL, "participants": [_PARTICIPANT], "is_transcribed": True},
    },
    "DeliveryPage": {"deliveries": [_DELIVERY], **_PAGE},
    "LlmOptions": {
        "models": [{"id": "gpt-4.1-mini", "provider_id": "openai"}],
        "usual": {"provider_id": "openai", "id": "gpt-4.1-mini"},
        "voices": [{"id": "ash", "provider": "openai", "name": "Ash"}],
    },
}

FAILURES: dict[int, Example] = {
    status: {"error": error, "code": code}
    for status, code, error in (
        (400, "validation_error", "limit: expected once"),
        (401, "unauthorized", "An API key is needed: Authorization: Bearer KEY."),
        (
            402,
            "insufficient_credits",
            "Not enough credits: a minute for each participant costs 0.12 dollars, 0.05 are left.",
        ),
        (403, "forbidden", "Publishable keys cannot do this."),
        (404, "not_found", "Call not found."),
        (409, "call_over", "Call is already completed or failed."),
        (412, "changed_since", "The agent was changed since it was read: read it again."),
        (413, "body_too_large", "The body is larger than 1000000 bytes."),
        (415, "unsupported_media_type", "The body must be application/json."),
        (422, "idempotency_key_reused", "This Idempotency-Key came with another body before."),
        (429, "rate_limited", "Too many new calls; try again later."),
        (503, "database_unavailable", "The database does not answer; try again."),
    )
}
FAILURES[400]["details"] = [{"path": "limit", "message": "expected once"}]

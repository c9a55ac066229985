"""The examples of the specification, as they stand there (agent_id, and what only repeats, left out)."""

WEBRTC = {
    "participants": [{"transport": "webrtc", "identity": "browser-tab-1"}],
    "metadata": {"source": "sdk", "session_id": "sess_123"},
}
CREATED_WEBRTC = {
    "id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "room_name": "call_a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "status": "connecting",
    "participants": [
        {
            "id": "participant_1",
            "transport": "webrtc",
            "identity": "browser-tab-1",
            "status": "joining",
            "access": {"url": "wss://livekit.rymi.live", "token": "eyJ..."},
        },
    ],
    "agent": {"id": "550e8400-...", "name": "Aria"},
}
PSTN = {
    "participants": [{"transport": "pstn", "identity": "+15551234567", "from_number": "+15559876543"}],
    "metadata": {"customer_name": "Alice"},
    "variables": {"customer_segment": "renewal"},
}
CREATED_PSTN = {
    "id": "call_abc123",
    "room_name": "call_call_abc123",
    "status": "queued",
    "participants": [
        {
            "id": "participant_1",
            "transport": "pstn",
            "identity": "+15551234567",
            "status": "queued",
            "telephony_leg_id": "leg_123",
            "job_id": "job_xyz",
        },
    ],
}
POST_CALL = {
    "recording": {"enabled": True},
    "summary": {"enabled": True},
    "structured_extraction": {
        "json_schema": {
            "type": "object",
            "properties": {"booked_appointment": {"type": "boolean"}, "preferred_date": {"type": "string"}},
        },
    },
    "evaluation": {"criteria": "Did the agent successfully book an appointment?"},
}
LISTED = {
    "calls": [
        {
            "id": "call_abc123",
            "room_name": "call_call_abc123",
            "agent_id": "550e8400-...",
            "status": "completed",
            "started_at": "2026-03-01T10:00:00Z",
            "ended_at": "2026-03-01T10:05:00Z",
            "bill_duration": 300,
            "total_cost": 0.30,
            "metadata": {},
            "intelligence_status": "completed",
            "participant_count": 1,
            "primary_participant": {"identity": "+15551234567", "transport": "pstn"},
        },
    ],
    "total": 1,
    "limit": 50,
    "offset": 0,
    "next_cursor": None,
}
SEGMENT = {
    "speaker": "user",
    "text": "Hello",
    "sequence": 0,
    "started_at_ms": 0,
    "ended_at_ms": 900,
    "is_final": True,
    "source": "runtime",
}
TIMED = {name: value for name, value in SEGMENT.items() if name != "text"}
SPOKEN = {"id": "t_1", "type": "user_input", "response": "Hello"}
RECORDING = {
    "id": "rec_1",
    "status": "ready",
    "format": "wav",
    "provider_recording_id": "prov_123",
    "metadata": {"stereo_mix": {"signed_url": "https://storage.rymi.live/recordings/..."}},
}
EVENT = {
    "id": "evt_1",
    "call_id": "call_abc123",
    "level": "info",
    "source": "lifecycle",
    "message": "Call created",
    "created_at": "2026-03-01T10:00:00Z",
}
DETAIL = {
    "id": "call_abc123",
    "status": "completed",
    "intelligence_status": "completed",
    "bill_duration": 145,
    "total_cost": 0.21,
    "transcript": {"text": "Caller: Hello", "segments": [SEGMENT], "raw": [SPOKEN]},
    "recording": RECORDING,
    "intelligence": {
        "status": "completed",
        "summary": "Caller asked for support and the agent resolved the issue.",
        "sentiment": "neutral",
        "structured_data": {},
        "evaluation": {"passed": True, "score": 1, "reasoning": "The issue was resolved successfully."},
        "errors": [],
    },
    "events": [EVENT],
}
TRANSCRIPT = {"transcript": [SPOKEN | TIMED], "text": "Caller: Hello?", "segments": [SEGMENT]}
EVENTS = {"events": [EVENT], "total": 3, "offset": 0, "limit": 20}
ENDED = {"status": "ended", "id": "call_abc123", "message": "Call has been terminated."}
REPROCESSING = {
    "status": "queued",
    "job_id": "job_123",
    "message": "Post-call intelligence reprocessing has been queued.",
}
QUEUE_STATS = {"waiting": 12, "active": 2, "completed": 340, "failed": 4}

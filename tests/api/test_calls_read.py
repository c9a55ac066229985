"""Reading a call: detail, summary, transcript, recording, events."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from calls.analysis.parts import end_part
from calls.latency import Turn, write_turns
from calls.privacy.erasure import Part, erase
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import PRESSED, recordings
from calls.tools.records import Outcome, ToolCall, ToolCallStatus
from calls.transcript import Segment, write_segments
from calls.workers import leases
from tests.api.conftest import Api, browser, run_api
from tests.conftest import MakeSettings, now
from tests.pipeline.finished import finished_call
from tests.servers import S3Server

Talk = Callable[..., Awaitable[str]]

POST_CALL = {
    "summary": {"enabled": True},
    "structured_extraction": {"json_schema": {"properties": {"intent": {"type": "string"}}}},
    "evaluation": {"rubric": "Was it kind?"},
}
SUMMARY = {"summary": "Caller asked for support.", "sentiment": "neutral"}
EVALUATION = {"passed": True, "score": 1.0, "reasoning": "The issue was resolved."}


@pytest.fixture
def talk(api: Api, agent: str) -> Talk:
    """`await talk(ends=False)`: the id of a call in which two sentences were said over 145 seconds."""

    async def make(*, ends: bool = True, says: bool = True, **fields: Any) -> str:
        created = await api.post("/v1/calls", {"agent_id": agent, "participants": [browser("Ann")], **fields})
        call_id, person = created.body["id"], created.body["participants"][0]["id"]
        start = now() - timedelta(seconds=145)
        async with api.database.writing() as conn:
            store = CallStore(conn, start)
            token = await leases.take(conn, call_id, "worker-1", "agent-1")
            assert token is not None
            await store.agent_joined(call_id, token)
            await store.participant_joined(call_id, "Ann")
            await store.start(call_id)
            if says:
                spoken = [
                    Segment(
                        0, "user", "Hello", 0, 900, is_final=True, participant_id=person, participant_identity="Ann"
                    ),
                    Segment(1, "agent", "Hi there, how can I help?", 1000, 2500, is_final=True),
                ]
                await write_segments(conn, call_id, token, spoken)
            if ends:
                end = start + timedelta(seconds=144.2)
                await CallStore(conn, end).finish(call_id, EndReason.CALLER_HUNG_UP)
                await leases.release(conn, call_id, token)
        return str(call_id)

    return make


async def test_digits_stand_in_the_raw_transcript_only(api: Api, talk: Talk):
    call_id = await talk(ends=False)
    async with api.database.writing() as conn:
        [held] = await leases.held_leases(conn)
        pressed = Segment(2, "user", "4711#", 3000, 3000, is_final=True, source=PRESSED)
        assert await write_segments(conn, call_id, held.token, [pressed])
    detail = (await api.get(f"/v1/calls/{call_id}")).body["transcript"]
    shown = (await api.get(f"/v1/calls/{call_id}/transcript")).body
    assert detail["raw"][2] == {"id": "t_3", "type": "dtmf", "response": "4711#"}
    assert (shown["transcript"][2]["type"], shown["transcript"][2]["source"]) == ("dtmf", "dtmf")
    for transcript in (detail, shown):
        assert "4711" not in transcript["text"]
        assert [each["sequence"] for each in transcript["segments"]] == [0, 1]


async def test_calls_of_tools_stand_where_they_were_made_and_go_with_the_transcript(api: Api, talk: Talk):
    call_id = await talk(ends=False)
    made = ToolCall("11111111-2222-4333-8444-555555555555", "look_up", {"number": "47"}, 950)
    lost = ToolCall("21111111-2222-4333-8444-555555555555", "book", {}, 3000)
    async with api.database.writing() as conn:
        store = CallStore(conn)
        await store.begin_tool_call(call_id, made)
        await store.end_tool_call(call_id, made, Outcome(ToolCallStatus.COMPLETED, 40, answer="Shipped."), None)
        await store.begin_tool_call(call_id, lost)
        await store.finish(call_id, EndReason.CALLER_HUNG_UP)
        await leases.release(conn, call_id, 1)
    detail = (await api.get(f"/v1/calls/{call_id}")).body
    assert [(one["name"], one["status"], one["answer"]) for one in detail["tool_calls"]] == [
        ("look_up", "completed", "Shipped."),
        ("book", "unknown", None),
    ]
    raw = detail["transcript"]["raw"]
    assert [(one["id"], one["type"]) for one in raw] == [
        ("t_1", "user_input"),
        ("tool_1", "tool_call"),
        ("t_2", "agent_response"),
        ("tool_2", "tool_call"),
    ]
    assert json.loads(raw[1]["response"]) == {
        "name": "look_up",
        "arguments": {"number": "47"},
        "status": "completed",
        "answer": "Shipped.",
    }
    kinds = [one["kind"] for one in detail["events"] if one["kind"].startswith("tool.")]
    assert kinds == ["tool.called", "tool.answered", "tool.called"]
    assert "47" not in str([one["data"] for one in detail["events"] if one["kind"].startswith("tool.")])
    assert (await api.delete(f"/v1/calls/{call_id}")).status == 204
    erased = (await api.get(f"/v1/calls/{call_id}")).body
    assert (erased["tool_calls"], erased["transcript"]["raw"]) == ([], [])


async def test_the_detail_has_everything_about_a_call(database_url: str, api: Api, agent: str, talk: Talk):
    call_id = await talk(metadata={"a": 1}, variables={"b": 2}, post_call=POST_CALL)
    async with api.database.writing() as conn:
        await end_part(conn, call_id, 1, "summary", value=SUMMARY)
        await end_part(conn, call_id, 1, "extraction", value={"intent": "support"})
        await end_part(conn, call_id, 1, "evaluation", error="no")
    answer = await api.get(f"/v1/calls/{call_id}")
    assert answer.status == 200
    detail = answer.body
    [row] = (await api.get("/v1/calls")).body["calls"]
    went = {"sentiment": detail["intelligence"]["sentiment"], "passed": None}
    found = {"agent_name": detail["agent"]["name"]} | went
    assert row == {name: detail[name] for name in row.keys() - found} | found
    assert (detail["status"], detail["end_reason"], detail["bill_duration"]) == ("completed", "caller_hung_up", 145)
    assert (detail["metadata"], detail["variables"]) == ({"a": 1}, {"b": 2})
    assert detail["post_call"] == POST_CALL
    assert detail["agent"] == {"id": agent, "name": "Aria"}
    [person] = detail["participants"]
    assert (person["identity"], person["status"], person["metadata"]) == ("Ann", "left", {})
    assert person["joined_at"] < person["left_at"]
    assert detail["transcript"]["text"] == "Caller: Hello\nAgent: Hi there, how can I help?"
    assert [each["speaker"] for each in detail["transcript"]["segments"]] == ["user", "agent"]
    assert detail["transcript"]["raw"] == [
        {"id": "t_1", "type": "user_input", "response": "Hello"},
        {"id": "t_2", "type": "agent_response", "response": "Hi there, how can I help?"},
    ]
    parts = detail["intelligence"].pop("parts")
    assert {stage: (part["status"], part["error"]) for stage, part in parts.items()} == {
        "summary": ("completed", None),
        "extraction": ("completed", None),
        "evaluation": ("failed", "no"),
    }
    assert detail["intelligence"] == {
        "status": "completed",
        **SUMMARY,
        "structured_data": {"intent": "support"},
        "evaluation": None,
        "errors": ["evaluation: no"],
    }
    assert detail["recording"]["status"] == "disabled"
    assert detail["events"] == (await api.get(f"/v1/calls/{call_id}/events")).body["events"]


async def test_how_long_callers_waited_is_shown_turn_by_turn_and_goes_with_the_transcript(api: Api, talk: Talk):
    call_id = await talk(ends=False)
    assert (await api.get(f"/v1/calls/{call_id}")).body["latency"] is None
    waits = [(400, 900, 1500), (300, 300, 1000), (600, 700, 3000)]  # decided, first word, first sound after so long
    moments = [(10_000 * number, wait) for number, wait in enumerate(waits, 1)]
    turns = [Turn(at + decided, at, at + word, at + sound) for at, (decided, word, sound) in moments]
    turns[2] = replace(turns[2], phrase_at_ms=turns[2].user_stopped_at_ms + 2000, measured_by="recording")
    async with api.database.writing() as conn:
        await write_turns(conn, call_id, turns)
        await write_turns(conn, call_id, turns[:1])  # the answer that it is written was lost
        await CallStore(conn).finish(call_id, EndReason.CALLER_HUNG_UP)
        await leases.release(conn, call_id, 1)
    assert (await api.get(f"/v1/calls/{call_id}")).body["latency"] == {
        "response_ms": {"p50": 1500, "p95": 3000},
        "end_of_turn_ms": {"p50": 400, "p95": 600},
        "llm_ms": {"p50": 100, "p95": 500},
        "tts_ms": {"p50": 700, "p95": 2300},
        "turns": [
            turn(10_000, 1500, 400, 500, 600, None, "worker"),
            turn(20_000, 1000, 300, 0, 700, None, "worker"),
            turn(30_000, 3000, 600, 100, 2300, 2000, "recording"),
        ],
    }
    async with api.database.writing() as conn:
        await erase(conn, call_id, {Part.TRANSCRIPT})
    assert (await api.get(f"/v1/calls/{call_id}")).body["latency"] is None


def turn(*shown: int | str | None) -> dict[str, int | str | None]:
    names = ("user_stopped_at_ms", "response_ms", "end_of_turn_ms", "llm_ms", "tts_ms", "phrase_ms", "measured_by")
    return dict(zip(names, shown, strict=True))


async def test_times_are_utc_with_a_z(api: Api, talk: Talk):
    detail = (await api.get(f"/v1/calls/{await talk()}")).body
    for name in ("created_at", "started_at", "ended_at"):
        assert detail[name].endswith("Z")


async def test_a_new_call_has_all_parts_empty(api: Api, agent: str):
    call = (await api.post("/v1/calls", {"agent_id": agent, "participants": [browser()]})).body["id"]
    detail = (await api.get(f"/v1/calls/{call}")).body
    assert detail["transcript"] == {"text": "", "segments": [], "raw": [], "erased_at": None}
    assert detail["intelligence"] == {
        "status": "not_started",
        "summary": None,
        "sentiment": None,
        "structured_data": None,
        "evaluation": None,
        "errors": [],
        "parts": {},
    }
    assert (detail["started_at"], detail["ended_at"], detail["end_reason"]) == (None, None, None)
    assert (detail["bill_duration"], detail["total_cost"]) == (0, 0)


async def test_the_summary_is_a_404_until_there_is_one(api: Api, talk: Talk):
    call_id = await talk(post_call={"summary": {"enabled": True}})
    before = await api.get(f"/v1/calls/{call_id}/summary")
    async with api.database.writing() as conn:
        await end_part(conn, call_id, 1, "summary", value=SUMMARY)
    after = await api.get(f"/v1/calls/{call_id}/summary")
    assert (before.status, after.status) == (404, 200)
    assert after.body == {"status": "completed", **SUMMARY}


async def test_the_transcript_is_a_404_until_there_is_a_segment_and_grows_while_the_call_runs(api: Api, talk: Talk):
    silent, talking = await talk(ends=False, says=False), await talk(ends=False)
    assert (await api.get(f"/v1/calls/{silent}/transcript")).status == 404
    answer = await api.get(f"/v1/calls/{talking}/transcript")
    assert answer.status == 200
    assert answer.body["text"] == "Caller: Hello\nAgent: Hi there, how can I help?"
    timed = {"sequence": 0, "started_at_ms": 0, "ended_at_ms": 900, "is_final": True, "source": "runtime"}
    assert answer.body["transcript"][0] == {
        "id": "t_1",
        "type": "user_input",
        "response": "Hello",
        "speaker": "user",
        **timed,
    }
    detail = (await api.get(f"/v1/calls/{talking}")).body
    person = {"participant_id": detail["participants"][0]["id"], "participant_identity": "Ann"}
    assert answer.body["segments"][0] == {"speaker": "user", "text": "Hello", "is_cut": False, **timed, **person}
    assert answer.body["segments"] == detail["transcript"]["segments"]


async def test_an_event_has_a_kind_and_the_data_of_its_kind(api: Api, talk: Talk):
    detail = (await api.get(f"/v1/calls/{await talk()}")).body
    person = {"participant_id": detail["participants"][0]["id"], "identity": "Ann"}
    assert [(event["kind"], event["data"]) for event in detail["events"]] == [
        ("call.created", {}),
        ("agent.joined", {}),
        ("participant.joined", person),
        ("call.started", {}),
        ("call.completed", {"reason": "caller_hung_up"}),
    ]


async def test_a_recordings_peaks_are_those_of_both_sides_once_it_is_there(database_url: str, api: Api, talk: Talk):
    call_id = await talk(ends=False, post_call={"recording": {"enabled": True}})
    path = f"/v1/calls/{call_id}/recording/peaks"
    assert (await api.get(path)).body["code"] == "recording_pending"
    async with api.database.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.CALLER_HUNG_UP)
    assert (await api.get(path)).body["code"] == "recording_pending"
    ready = {"status": "ready", "key": f"recordings/default/{call_id}.wav", "duration_ms": 35, "size_bytes": 1}
    async with api.database.writing() as conn:
        await conn.execute(sa.update(recordings).values(**ready))
    assert (await api.get(path)).body["code"] == "peaks_not_available"  # as of one that was made before there were any
    async with api.database.writing() as conn:
        await conn.execute(sa.update(recordings).values(peaks=bytes([0, 1, 2, 255, 254, 253]), peaks_ms=10))
    answer = await api.get(path)
    assert (answer.status, answer.body) == (
        200,
        {"call_id": call_id, "duration_ms": 35, "step_ms": 10, "people": [0, 1, 2], "agent": [255, 254, 253]},
    )
    assert "peaks" not in str((await api.get(f"/v1/calls/{call_id}")).body)


async def test_a_call_without_a_recording_has_no_peaks(api: Api, talk: Talk):
    assert (await api.get(f"/v1/calls/{await talk()}/recording/peaks")).body["code"] == "peaks_not_available"


async def test_the_agent_of_a_call_is_shown_as_it_was(api: Api, talk: Talk):
    call_id = await talk()
    detail = (await api.get(f"/v1/calls/{call_id}")).body
    path = f"/v1/agents/{detail['agent_id']}"
    before = (await api.get(path)).body
    assert (await api.put(path, {"name": "Another", "system_prompt": "Be brief."})).status == 200
    then = (await api.get(f"/v1/calls/{call_id}/agent")).body
    assert then == {name: value for name, value in before.items() if name not in {"created_at", "updated_at"}}
    assert then["name"] != "Another"


async def test_events_are_paged_oldest_first(api: Api, talk: Talk):
    path = f"/v1/calls/{await talk()}/events"
    everything = (await api.get(path)).body
    assert (everything["limit"], everything["offset"]) == (50, 0)
    assert everything["total"] == len(everything["events"]) >= 5
    first = everything["events"][0]
    assert set(first) == {"id", "call_id", "kind", "level", "source", "message", "data", "created_at"}
    assert (first["message"], first["source"], first["level"]) == ("Call created", "lifecycle", "info")
    assert first["id"].startswith("evt_")
    part = (await api.get(f"{path}?limit=2&offset=1")).body
    assert part["events"] == everything["events"][1:3]
    assert (await api.get(f"{path}?limit=201")).status == 400


async def test_a_recording_is_pending_from_the_start_then_ready_with_a_link(
    api: Api,
    talk: Talk,
    tmp_path: Path,
):
    call_id = await talk(ends=False, post_call={"recording": {"enabled": True}})
    path = f"/v1/calls/{call_id}/recording"
    before = (await api.get(path)).body
    assert before == {
        "call_id": call_id,
        "recording": {
            "id": None,
            "status": "pending",
            "format": None,
            "provider_recording_id": None,
            "metadata": {},
        },
    }
    audio = bytes(range(256)) * 40
    (tmp_path / "a.wav").write_bytes(audio)
    await api.storage.put_file(f"recordings/default/{call_id}.wav", tmp_path / "a.wav")
    async with api.database.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.CALLER_HUNG_UP)
        ready = {"status": "ready", "key": f"recordings/default/{call_id}.wav", "duration_ms": 1000}
        await conn.execute(sa.update(recordings).values(**ready, size_bytes=len(audio)))
    recording = (await api.get(path)).body["recording"]
    assert (recording["status"], recording["format"]) == ("ready", "wav")
    assert recording["id"]
    shown = (await api.get(f"/v1/calls/{call_id}")).body["recording"]
    assert (shown["id"], set(shown["metadata"])) == (recording["id"], set(recording["metadata"]))
    url = recording["metadata"]["stereo_mix"]["signed_url"]
    async with api.session.get(url) as whole:
        assert (whole.status, await whole.read()) == (200, audio)
        assert whole.content_type == "audio/wav"
    async with api.session.head(url) as head:
        assert (head.status, head.content_length, head.headers["Accept-Ranges"]) == (200, len(audio), "bytes")
    async with api.session.get(url, headers={"Range": "bytes=10-19"}) as part:
        assert (part.status, await part.read()) == (206, audio[10:20])
    async with api.session.get(url, headers={"Range": f"bytes={len(audio)}-"}) as beyond:
        assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(audio)}")
    async with api.database.writing() as conn:
        await erase(conn, call_id, [Part.RECORDING])
    async with api.session.get(url) as erased:  # though nobody has removed the file yet
        assert (erased.status, (await erased.json())["code"]) == (404, "erased")


async def test_a_link_stands_at_the_public_address_and_holds_for_as_long_as_was_set(settings: MakeSettings):
    behind_a_proxy = settings(public_url="https://calls.example.com/voice/", recording_link_s=60)
    async for api in run_api(behind_a_proxy):
        call_id = await finished_call(api.database, {"recording": {"enabled": True}})
        key = f"recordings/default/{call_id}.wav"
        async with api.database.writing() as conn:
            await conn.execute(sa.update(recordings).values(status="ready", key=key))
        recording = (await api.get(f"/v1/calls/{call_id}/recording")).body["recording"]
        link = urlsplit(recording["metadata"]["stereo_mix"]["signed_url"])
        assert (link.scheme, link.netloc) == ("https", "calls.example.com")
        assert link.path == f"/voice/v1/recordings/{key}"
        left_s = int(parse_qs(link.query)["expires"][0]) - time.time()
        assert 0 < left_s <= 60


async def test_a_link_to_a_recording_in_a_bucket_leads_there_for_whoever_seeks_too(
    settings: MakeSettings, s3: S3Server, tmp_path: Path
):
    s3.create("calls")
    (tmp_path / "a.wav").write_bytes(b"what was said")
    async for api in run_api(settings(storage_url="s3://calls")):
        await api.storage.put_file("recordings/a.wav", tmp_path / "a.wav")
        link = api.url + api.storage.signed_url("recordings/a.wav", 60)
        async with api.session.get(link, headers={"Range": "bytes=5-7"}) as part:
            assert part.url.port == s3.port
            assert (await part.read(), part.headers["Content-Range"]) == (b"was", "bytes 5-7/13")
        async with api.session.head(link, allow_redirects=True) as head:
            assert (head.status, head.content_length, head.headers["Accept-Ranges"]) == (200, 13, "bytes")
        async with api.session.get(link, allow_redirects=False) as led:
            assert (led.status, led.headers["Cache-Control"]) == (307, "no-store")
            assert 0 < int(parse_qs(urlsplit(led.headers["Location"]).query)["X-Amz-Expires"][0]) <= 60
        async with api.session.get(f"{link}0", allow_redirects=False) as altered:
            assert altered.status == 403


async def test_a_link_that_was_tampered_with_is_a_403(api: Api, tmp_path: Path):
    (tmp_path / "a.ogg").write_bytes(b"secret")
    await api.storage.put_file("recordings/a.ogg", tmp_path / "a.ogg")
    link = urlsplit(api.storage.signed_url("recordings/a.ogg", 60))
    old = urlsplit(api.storage.signed_url("recordings/a.ogg", -1))
    gone = api.storage.signed_url("recordings/b.ogg", 60)
    bad = [f"/v1/recordings/recordings/b.ogg?{link.query}", f"{old.path}?{old.query}", f"{link.path}?{link.query}0"]
    bad.append("/v1/recordings/../callroom.db?" + link.query)
    bad.append("/v1/recordings/%2e%2e/callroom.db?" + link.query)
    for path in bad:
        assert (await api.get(path, key=None)).status in {403, 404}, path
    assert (await api.get(link.path, key=None)).status == 400
    assert (await api.get(gone, key=None)).status == 404
    assert (await api.get(f"{link.path}?{link.query}", key=None)).status == 200


async def test_a_call_that_never_started_has_a_failed_recording(api: Api, agent: str):
    body = {"agent_id": agent, "participants": [browser()], "post_call": {"recording": {"enabled": True}}}
    call_id = (await api.post("/v1/calls", body)).body["id"]
    async with api.database.writing() as conn:
        await CallStore(conn).finish(call_id, EndReason.NOBODY_JOINED)
    answer = await api.get(f"/v1/calls/{call_id}/recording")
    assert (answer.status, answer.body["recording"]["status"]) == (200, "failed")


async def test_the_parts_of_a_call_that_is_not_there_are_404(api: Api):
    nowhere = "/v1/calls/00000000-0000-4000-8000-000000000000"
    for part in ("", "/summary", "/transcript", "/recording", "/recording/peaks", "/events", "/agent"):
        assert (await api.get(nowhere + part)).status == 404


async def test_of_an_erased_call_the_bill_is_shown_and_that_it_was_erased(database_url: str, api: Api, talk: Talk):
    path = f"/v1/calls/{await talk(metadata={'a': 1}, variables={'b': 2}, post_call={'recording': {'enabled': True}})}"
    before = (await api.get(path)).body
    assert (await api.delete(path)).status == 204
    assert (await api.delete(path)).status == 204
    after = (await api.get(path)).body
    billed = ("id", "status", "end_reason", "started_at", "ended_at", "bill_duration", "total_cost")
    assert {name: after[name] for name in billed} == {name: before[name] for name in billed}
    assert after["erased_at"] == after["transcript"]["erased_at"] == after["recording"]["metadata"]["erased_at"]
    assert (after["metadata"], after["variables"], after["post_call"]) == ({}, {}, {})
    assert (after["transcript"]["text"], after["transcript"]["segments"]) == ("", [])
    assert after["primary_participant"] == {"identity": "erased", "transport": "webrtc"}
    assert [person["identity"] for person in after["participants"]] == ["erased"]
    assert "Ann" not in str(after)
    for part in ("summary", "transcript", "recording", "recording/peaks", "agent"):
        answer = await api.get(f"{path}/{part}")
        assert (answer.status, answer.body["code"]) == (404, "erased")
    answer = await api.post(f"{path}/reprocess", {})
    assert (answer.status, "erased" in answer.body["error"]) == (400, True)
    page = (await api.get("/v1/calls")).body
    assert (page["total"], page["calls"][0]["erased_at"]) == (1, after["erased_at"])


async def test_a_call_that_runs_is_not_erased_and_no_browser_or_stranger_erases_one(
    api: Api, talk: Talk, tenant: Any, publishable: Any
):
    path = f"/v1/calls/{await talk(ends=False)}"
    running = await api.delete(path)
    assert (running.status, running.body["code"]) == (409, "call_running")
    assert (await api.delete(path, key=await publishable())).status == 403
    assert (await api.delete(path, key=(await tenant()).key)).status == 404
    assert (await api.get(f"{path}/transcript")).status == 200

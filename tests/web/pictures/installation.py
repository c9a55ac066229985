"""A plausible installation for the pictures: a restaurant and a clinic, with the calls of some days, as rows.

What people do by the API comes by the API; what worker and pipeline write is written with their verbs.
"""

import random
import uuid
import wave
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from calls.analysis.parts import end_part
from calls.database.engine import Database
from calls.events import EventKind
from calls.jobs import JobQueue, enqueue
from calls.latency import Turn
from calls.placing.creation import NewCall, NewParticipant
from calls.recordings.storage import Storage
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import (
    agents,
    api_keys,
    batches,
    call_events,
    calls,
    deliveries,
    jobs,
    participants,
    processes,
    recordings,
    telephony,
    trunks,
    workers,
)
from calls.tenants.webhooks import DeliveryStatus, record_attempt
from calls.tools.records import Outcome, ToolCall, ToolCallStatus
from calls.transcript import Segment, write_segments
from calls.usage import Place, count_answers, count_call, steps
from calls.version import VERSION
from calls.workers import leases
from pipeline.waveform import waveform
from tests.web.conftest import Served
from tests.web.console import ask
from tests.web.pictures.conversations import APPOINTMENT, BOOKED, CANCELED, FOUND, OPENING, REMINDER, Said

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(hours=1)  # a sign of life from then counts as long as pictures are made
RATE = 16_000
GIVEN_UP = "The language model does not answer. Given up after 5 attempts."
DAYS = 5
CALLED = 11  # of the campaign, by now
CAMPAIGN = "Reminders for Thursday"
OWN, CLINIC = "+4930901820100", "+4930901820200"
GUESTS = ("anna.miller", "web-visitor-318", "+4915112345601", "+4917798765402", "jo.okafor", "+447700900123")
RESTAURANT: dict[str, Any] = {
    "name": "Blue Door",
    "language": "en-GB",
    "system_prompt": 'You are on the phone for the restaurant Blue Door in {{city | default: "Hamburg"}}. You take '
    "bookings: the name, for how many, and when. Look into the book before you promise a table. Answer in one short "
    "sentence.",
    "first_message": "Hello, this is the restaurant Blue Door. How can I help you?",
    "tools": [
        {
            "name": "find_table",
            "description": "Looks into the book for a free table.",
            "parameters": {
                "type": "object",
                "properties": {"people": {"type": "integer"}, "time": {"type": "string"}},
                "required": ["people", "time"],
            },
            "url": "https://book.bluedoor.example/tables",
        }
    ],
    "post_call": {
        "recording": {"enabled": True},
        "summary": {"enabled": True},
        "structured_extraction": {
            "json_schema": {
                "type": "object",
                "properties": {
                    "caller_name": {"type": "string", "description": "The name that the caller gives"},
                    "people": {"type": "integer", "description": "For how many people the table is"},
                    "time": {"type": "string", "description": "The day and time of the booking"},
                    "outside": {"type": "boolean", "description": "Whether they want to sit outside"},
                },
            }
        },
        "evaluation": {"rubric": "1. Did the agent greet? 2. Did it look into the book? 3. Did it repeat the booking?"},
    },
}
HOSPITAL: dict[str, Any] = {
    "name": "Harbour Clinic",
    "language": "en-GB",
    "system_prompt": "You are the reception of Harbour Clinic. The patient is {{patient}}. Give appointments, never "
    "advice about health.",
    "first_message": "Harbour Clinic, good morning. What can I do for you?",
    "features": {"transfer_to": "+4930901820299", "redact": ["card"]},
    "retention_days": {"recordings": 30},
    "post_call": {
        "summary": {"enabled": True},
        "evaluation": {"rubric": "Did the agent find an appointment without giving advice about health?"},
    },
}


@dataclass
class Installation:
    """What the pictures need to know of it."""

    served: Served
    db: Database
    tenant_id: str
    restaurant: str = ""
    clinic: str = ""
    shown: str = ""  # the call whose page is shown
    webhook: str = ""

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        return await ask(self.served, method, path, body)


async def furnish(served: Served, folder: Path) -> Installation:
    """Write all of it for the tenant whose key was served."""
    random.seed(13)
    made = Installation(served, Database(served.settings.database), served.tenant_id)
    await _set_up(made)
    for number in range(60):  # in five days: a call every two hours
        await _past_call(made, number)
    await _showcase(made, folder)
    await _campaign(made)
    await _count_usage(made)
    await _messages(made)
    await _live(made)
    await _health(made)
    return made


async def _set_up(made: Installation) -> None:
    made.restaurant = (await made.ask("POST", "/v1/agents", RESTAURANT))["id"]
    made.clinic = (await made.ask("POST", "/v1/agents", HOSPITAL))["id"]
    changed = {"eager": 0.3, "first_message": "Blue Door, good evening. How can I help you?"}
    await made.ask("PUT", f"/v1/agents/{made.restaurant}", changed)
    await made.ask("PUT", f"/v1/agents/{made.restaurant}", {"first_message": RESTAURANT["first_message"]})
    limits = {"minutes_limit": 120, "max_call_seconds": 300, "max_concurrent": 2, "calls_per_ip_hour": 5}
    await made.ask("PUT", f"/v1/agents/{made.restaurant}/share-link", {"enabled": True, **limits})
    trunk = {"address": "sip.carrier.example", "transport": "tls", "username": "bluedoor", "password": "kept secret"}
    await made.ask("PUT", "/v1/telephony/trunk", {**trunk, "allowed_addresses": ["192.0.2.0/28"]})
    await made.ask("POST", "/v1/numbers", {"number": OWN, "agent_id": made.restaurant})
    await made.ask("POST", "/v1/numbers", {"number": CLINIC, "agent_id": made.clinic})
    for number, reason in (("+4915112349901", "asked for it on the phone"), ("+4917612349902", "by letter")):
        await made.ask("POST", "/v1/dnc", {"phone_number": number, "reason": reason})
    await made.ask("POST", "/v1/auth/api-keys", {"label": "Booking server"})
    await made.ask("POST", "/v1/auth/api-keys", {"label": "Nightly export"})
    await made.ask("POST", "/v1/keys/publishable", {"agent_id": made.restaurant, "label": "www.bluedoor.example"})
    hook = {"url": "https://book.bluedoor.example/callroom", "events": ["call.completed", "call.failed"]}
    made.webhook = (await made.ask("POST", "/v1/webhooks", hook))["id"]
    await made.ask(
        "POST", "/v1/webhooks", {"url": "https://example.com/analysis", "events": ["call.intelligence.ready"]}
    )
    async with made.db.writing() as conn:
        await conn.execute(sa.update(trunks).values(state="ready", reason=None, livekit_ids={"outbound": "ST_1"}))
        await conn.execute(sa.insert(telephony).values(id=1, installation="pictures", looked_at=LATER))
        weeks = sa.update(api_keys).where(api_keys.c.label == "Booking server")
        await conn.execute(weeks.values(created_at=NOW - timedelta(days=41), last_used_at=NOW - timedelta(minutes=2)))


async def _past_call(made: Installation, number: int) -> None:
    """A call of the last days, the more recent the smaller its number."""
    began = NOW - timedelta(hours=0.4 + 1.9 * number + random.random())
    said = random.choice((BOOKED, OPENING, CANCELED, OPENING)) if number % 3 else random.choice((APPOINTMENT, REMINDER))
    who = GUESTS[(number * 5) % len(GUESTS)]
    call_id, token = await _begin(made, said, who, began)
    if number % 17 == 5:
        reason = EndReason.PROVIDER_FAILED
    elif number % 11 == 7:
        reason = EndReason.SILENCE
    else:
        reason = EndReason.AGENT_HUNG_UP if number % 4 == 0 else EndReason.CALLER_HUNG_UP
    await _finish(made, call_id, token, said, began, reason)
    async with made.db.writing() as conn:
        for stage, value in FOUND[said].items():
            await end_part(conn, call_id, 1, stage, value=value)


async def _showcase(made: Installation, folder: Path) -> None:
    """The call of the Call page: with sound, a tool, what each answer took, and a part that failed."""
    began = NOW - timedelta(minutes=14)
    said = spoken(BOOKED)
    call_id, token = await _begin(made, BOOKED, "anna.miller", began)
    made.shown = call_id
    async with made.db.writing() as conn:
        asked = ToolCall(str(uuid.uuid4()), "find_table", {"people": 4, "time": "tomorrow 20:00"}, 11_200)
        store = CallStore(conn, began + timedelta(milliseconds=11_200))
        await store.begin_tool_call(call_id, asked)
        done = Outcome(ToolCallStatus.COMPLETED, 340, '{"free": true, "tables": ["terrace 3", "window 7"]}')
        await CallStore(conn, began + timedelta(milliseconds=11_540)).end_tool_call(call_id, asked, done, None)
        for before, after in pairwise(said):
            if after.speaker == "agent":
                gap = after.started_at_ms - before.ended_at_ms
                decided, word = before.ended_at_ms + gap * 2 // 5, before.ended_at_ms + gap * 3 // 4
                await store.add_turn(call_id, Turn(decided, before.ended_at_ms, word, after.started_at_ms))
    await _finish(made, call_id, token, BOOKED, began, EndReason.CALLER_HUNG_UP)
    await _record(made, call_id, said, folder)
    async with made.db.writing() as conn:
        await end_part(conn, call_id, 1, "evaluation", error=GIVEN_UP)
        for stage, value in FOUND[BOOKED].items():
            await end_part(conn, call_id, 1, stage, value=value)
        stored = (call_events.c.call_id == call_id, call_events.c.created_at > NOW - timedelta(minutes=1))
        await conn.execute(sa.update(call_events).where(*stored).values(created_at=NOW - timedelta(minutes=12)))


async def _record(made: Installation, call_id: str, said: list[Segment], folder: Path) -> None:
    """Noise that swells as syllables do, on the side of whoever speaks."""
    noise = np.random.default_rng(13)
    length_ms = said[-1].ended_at_ms + 900
    pcm = np.zeros((length_ms * RATE // 1000, 2))
    for one in said:
        first, count = one.started_at_ms * RATE // 1000, (one.ended_at_ms - one.started_at_ms) * RATE // 1000
        times = np.arange(count) / RATE
        syllables = np.abs(np.sin(2 * np.pi * 2.1 * times + noise.random())) ** 1.5
        words = 0.35 + 0.65 * np.abs(np.sin(2 * np.pi * 0.37 * times + noise.random() * 3))
        side, loud = (1, 15_000) if one.speaker == "agent" else (0, 11_000)
        pcm[first : first + count, side] = noise.standard_normal(count) * syllables * words * loud / 3
    file, key = folder / "shown.wav", f"recordings/{made.tenant_id}/{call_id}.wav"
    with wave.open(str(file), "wb") as target:
        target.setnchannels(2)
        target.setsampwidth(2)
        target.setframerate(RATE)
        target.writeframes(pcm.clip(-32_000, 32_000).astype("<i2").tobytes())
    with file.open("rb") as sound:
        seen = waveform(sound, "wav")
    await Storage(made.served.settings).put_file(key, file)
    stored = {"status": "ready", "key": key, "duration_ms": length_ms, "size_bytes": file.stat().st_size}
    async with made.db.writing() as conn:
        mine = sa.update(recordings).where(recordings.c.call_id == call_id)
        await conn.execute(mine.values(**stored, peaks=seen.peaks, peaks_ms=seen.step_ms))
        await CallStore(conn).add_event(call_id, EventKind.RECORDING_STORED, "post_call", "Recording stored")


async def _campaign(made: Installation) -> None:
    """Some of it is over, one talks, one rings, the others wait; two numbers were refused."""
    numbers = [f"+49151234567{number:02}" for number in range(16)]
    refused = ["+4915112349901", "extension 12"]
    body = {"agent_id": made.clinic, "batch_id": CAMPAIGN, "to": [*numbers, *refused], "from_number": CLINIC}
    await made.ask("POST", "/v1/calls/batch", body)
    page = await made.ask("GET", "/v1/calls?limit=16&order=asc&batch_id=Reminders%20for%20Thursday")
    ends = [EndReason.CALLER_HUNG_UP] * 6 + [EndReason.NO_ANSWER, EndReason.NO_ANSWER, EndReason.BUSY]
    asked = NOW - timedelta(minutes=11)
    async with made.db.writing() as conn:
        await conn.execute(sa.update(batches).values(created_at=asked))
    for number, one in enumerate(page["calls"]):
        call_id, began = one["id"], asked + timedelta(seconds=40 * number)
        async with made.db.writing() as conn:
            store = CallStore(conn, began)
            admitted = began if number < CALLED else None
            same = sa.update(calls).where(calls.c.id == call_id)
            await conn.execute(same.values(created_at=asked, admitted_at=admitted))
            await conn.execute(
                sa.update(participants).where(participants.c.call_id == call_id).values(call_created_at=asked)
            )
            if admitted is None:
                continue
            await conn.execute(sa.update(jobs).where(jobs.c.call_id == call_id).values(state="completed"))
            token = await leases.take(conn, call_id, "worker", f"agent-{call_id}")
            assert token is not None
            await store.agent_joined(call_id, token)
            mine = sa.select(participants.c.id, participants.c.room_identity).where(participants.c.call_id == call_id)
            leg = (await conn.execute(mine)).one()
            await store.dialing(call_id, leg.id)
            await store.ringing(call_id, leg.room_identity)
            reason = ends[number] if number < len(ends) else None
            if reason in {EndReason.NO_ANSWER, EndReason.BUSY}:
                await store.leg_failed(call_id, leg.room_identity, reason)
            elif number != len(ends):  # that one still rings
                await store.participant_joined(call_id, leg.room_identity)
                await store.start(call_id)
                await write_segments(conn, call_id, token, spoken(REMINDER[: None if reason else 3]))
        if reason is EndReason.CALLER_HUNG_UP:
            await _finish(made, call_id, token, REMINDER, began, reason)
        elif reason is not None:
            async with made.db.writing() as conn:
                await leases.release(conn, call_id, token)


async def _count_usage(made: Installation) -> None:
    """What the days before those of the calls came to; how long answers took is counted for all."""
    async with made.db.writing() as conn:
        for days in range(30):
            day = (NOW - timedelta(days=days)).date()
            for agent_id, usual in ((made.restaurant, 9), (made.clinic, 5)):
                quiet = 0.25 if day.weekday() == 0 else 1
                talked = round(usual * quiet * random.uniform(0.7, 1.3))
                place, seconds = Place(made.tenant_id, day, agent_id), talked * random.randint(50, 80)
                waits = [max(350, round(random.gauss(900, 220))) for _ in range(talked * 5)]
                await count_answers(conn, place, steps(waits))
                if days < DAYS:  # of these there are calls, which have counted
                    continue
                await count_call(
                    conn, place, "completed", "caller_hung_up", calls=talked, seconds=seconds, micros=seconds * 500
                )
                await count_call(conn, place, "failed", "no_answer", calls=random.randint(0, 2))
                await count_call(conn, place, "failed", "provider_failed", calls=int(days == 17) * 3)


async def _messages(made: Installation) -> None:
    """Of what the endpoints were told most was taken, something waits, something was refused."""
    mine = sa.select(deliveries.c.id, deliveries.c.call_id, calls.c.ended_at)
    query = mine.join(calls, calls.c.id == deliveries.c.call_id).order_by(calls.c.ended_at.desc())
    async with made.db.writing() as conn:
        for number, row in enumerate((await conn.execute(query)).all()):
            if number in {2, 3}:
                status, code, said, error = DeliveryStatus.FAILED, 503, "over capacity", "HTTP status 503"
            else:
                status, code, said, error = DeliveryStatus.DELIVERED, 200, "ok", None
            if number:
                await record_attempt(conn, row.id, status=status, response_status=code, response_body=said, error=error)
            times = {"created_at": row.ended_at}
            if number and error is None:
                times["delivered_at"] = row.ended_at + timedelta(seconds=1)
            await conn.execute(sa.update(deliveries).where(deliveries.c.id == row.id).values(times))


async def _live(made: Installation) -> None:
    """Calls that run now, in the order in which they began."""
    running: tuple[tuple[Said, str, int], ...] = (
        (BOOKED[:9], "+447700900123", 61), (APPOINTMENT[:3], "web-visitor-402", 24), (OPENING[:2], "jo.okafor", 9)
    )  # fmt: skip
    for said, who, seconds in running:
        await _begin(made, said, who, NOW - timedelta(seconds=seconds))


async def _health(made: Installation) -> None:
    """Two machines, and work that was given up."""
    async with made.db.writing() as conn:
        for name, seats, taken in (("AW_hamburg", 10, 4), ("AW_bremen", 6, 1)):
            await conn.execute(sa.insert(workers).values(id=name, seats=seats, taken=taken, told_at=LATER))
        since = NOW - timedelta(days=6, hours=3)
        for host, kind, number in (("hamburg", "worker", 812), ("bremen", "worker", 655), ("hamburg", "pipeline", 815)):
            row = {"id": f"{host}:{kind}", "kind": kind, "host": host, "pid": number, "began_at": since}
            await conn.execute(sa.insert(processes).values(**row, version=VERSION, told_at=LATER))
        await enqueue(
            conn,
            "post_call",
            {},
            queue="pictures",
            tenant_id=made.tenant_id,
            call_id=made.shown,
            max_attempts=1,
        )
    queue = JobQueue(made.db, "pictures", 60)
    [job] = await queue.claim("pictures", 1)
    await queue.retry(job, GIVEN_UP)
    async with made.db.writing() as conn:
        await conn.execute(sa.update(jobs).where(jobs.c.id == job.id).values(attempt=5))
        await conn.execute(sa.update(processes).where(processes.c.kind == "api").values(host="hamburg", pid=811))


async def _begin(made: Installation, said: Said, who: str, began: datetime) -> tuple[str, int]:
    """A running call in which this is said; its id and the token of its agent's lease."""
    is_phone = who.startswith("+")
    agent_id = made.clinic if said in {APPOINTMENT, APPOINTMENT[:3], REMINDER} else made.restaurant
    at = began - timedelta(seconds=2)
    async with made.db.writing() as conn:
        row = (await conn.execute(sa.select(agents).where(agents.c.id == agent_id))).one()
        agent = {"id": agent_id, "name": row.name, **row.config}
        price = 45_000 if is_phone else 15_000
        phone: dict[str, Any] = {"from_number": who, "called_from": f"sip_{who}"} if is_phone else {}
        person = NewParticipant("pstn" if is_phone else "webrtc", who, price_micros_per_minute=price, **phone)
        post_call = row.config["post_call"]
        call = NewCall(made.tenant_id, agent, [person], post_call=post_call)
        store = CallStore(conn, began)
        await store.create(call)
        await conn.execute(sa.update(calls).where(calls.c.id == call.id).values(created_at=at, admitted_at=at))
        moved = sa.update(participants).where(participants.c.call_id == call.id)
        await conn.execute(moved.values(created_at=at, call_created_at=at))
        token = await leases.take(conn, call.id, "worker", f"agent-{call.id}")
        assert token is not None
        await store.agent_joined(call.id, token)
        await store.participant_joined(call.id, person.room_identity)
        await store.start(call.id)
        early = sa.update(call_events).where(call_events.c.call_id == call.id, call_events.c.created_at > began)
        await conn.execute(early.values(created_at=at))
        await write_segments(conn, call.id, token, spoken(said))
    return call.id, token


async def _finish(made: Installation, call_id: str, token: int, said: Said, began: datetime, reason: EndReason) -> None:
    ended = began + timedelta(milliseconds=spoken(said)[-1].ended_at_ms + 900)
    async with made.db.writing() as conn:
        await CallStore(conn, ended).finish(call_id, reason)
        await leases.release(conn, call_id, token)


def spoken(said: Said) -> list[Segment]:
    """When each says it: some three words a second, with a wait before each answer; what ends in a sentence is cut."""
    segments, at_ms = [], 600
    for sequence, (speaker, text) in enumerate(said):
        if sequence:
            at_ms += 640 + (sequence * 7919) % 520 if speaker == "agent" else 450
        ends_ms = at_ms + 340 * len(text.split())
        is_cut = text[-1] not in ".?!"
        segments.append(Segment(sequence, speaker, text, at_ms, ends_ms, is_final=True, is_cut=is_cut))
        at_ms = ends_ms
    return segments

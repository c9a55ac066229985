"""Messages to a user's server, delivered by the real runner to a real one."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer
from rymi.resources.webhooks import WebhooksResource

from api.receiver import receiver as trial_receiver
from api.schema.messages import MESSAGES
from calls.database.engine import DEFAULT_TENANT, Database
from calls.jobs import LANE_WIDTH, JobQueue
from calls.placing import batches
from calls.placing.creation import NewCall
from calls.states import EndReason
from calls.store import CallStore
from calls.tables import deliveries, jobs
from calls.tables import webhooks as endpoints
from calls.tenants import webhooks
from calls.tenants.webhooks import PREVIOUS_SECRET_SIGNS_FOR, RETRY_AFTER_S, WebhookEvent
from pipeline.deps import Deps, open_deps
from pipeline.fate import Done
from pipeline.webhooks import run
from tests.conftest import now
from tests.pipeline.finished import working
from tests.pipeline.patient import open_patient
from tests.pipeline.placed import place
from tests.servers import free_port

pytestmark = pytest.mark.restless

EXCUSE = "Please come again \0in some time – a minute. " * 100  # byte 1000 is in the middle of a character
MANY = LANE_WIDTH * 3


class Receiver:
    """A user's server: keeps what it is sent; `/fails` answers as `answers` says, `/hangs` so after `let_go`."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], str]] = []
        self.answers: list[int] = []
        self.let_go = asyncio.Event()
        self.hanging = 0
        app = web.Application()
        app.router.add_post("/hangs", self._hang)
        app.router.add_post("/{path}", self._take)
        self.server = TestServer(app)

    def url(self, path: str) -> str:
        return str(self.server.make_url(path))

    def messages(self, path: str = "/ok") -> list[dict[str, Any]]:
        bodies = [body for at, _, body in self.got if at == path]
        for body in bodies:
            MESSAGES[json.loads(body)["event"]].model_validate_json(body)
        return [json.loads(body) for body in bodies]

    def events(self, path: str = "/ok") -> list[str]:
        return [message["event"] for message in self.messages(path)]

    async def _take(self, request: web.Request) -> web.Response:
        self.got.append((request.path, dict(request.headers), await request.text()))
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "/ok"})
        status = self.answers.pop(0) if request.path == "/fails" and self.answers else 204
        return web.Response(status=status, text=EXCUSE if status == 503 else "")

    async def _hang(self, _request: web.Request) -> web.Response:
        self.hanging += 1
        await self.let_go.wait()
        return web.Response(status=self.answers.pop(0) if self.answers else 204)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.server.start_server()
    yield made
    made.let_go.set()
    await made.server.close()


@pytest.fixture
async def deps(settings) -> AsyncIterator[Deps]:
    async with open_patient(settings(webhook_private_addresses=True)) as opened:
        yield opened


async def endpoint(deps: Deps, url: str, **fields: Any) -> str:
    async with deps.db.writing() as conn:
        wanted = {"url": url, "events": list(WebhookEvent), **fields}
        return str((await webhooks.create_webhook(conn, deps.keyring, DEFAULT_TENANT, **wanted)).id)


async def start_and_end(db: Database) -> NewCall:
    call = await place(db)
    async with db.writing() as conn:
        await CallStore(conn).start(call.id)
    async with db.writing() as conn:
        await CallStore(conn).finish(call.id, EndReason.CALLER_HUNG_UP)
    return call


async def send_test(db: Database, webhook_id: str) -> str:
    async with db.writing() as conn:
        return str((await webhooks.send_test(conn, DEFAULT_TENANT, webhook_id)).id)


async def delivery(db: Database, delivery_id: str) -> sa.Row[Any]:
    async with db.reading() as conn:
        return (await conn.execute(sa.select(deliveries).where(deliveries.c.id == delivery_id))).one()


def reached(db: Database, delivery_id: str, **wanted: Any) -> Callable[[], Any]:
    """Whether the delivery has these values yet."""

    async def ask() -> bool:
        row = await delivery(db, delivery_id)
        return all(getattr(row, name) == value for name, value in wanted.items())

    return ask


async def test_every_event_is_sent_as_it_is_described(deps, receiver, until):
    webhook_id = await endpoint(deps, receiver.url("/ok"))
    call = await start_and_end(deps.db)
    async with deps.db.writing() as conn:
        for event in set(WebhookEvent) - {WebhookEvent.BATCH_COMPLETED}:
            await webhooks.announce(conn, call.id, event)
        assert await batches.begin(conn, DEFAULT_TENANT, "empty", call.agent["id"], "hash") is None
        await batches.keep(conn, DEFAULT_TENANT, "empty", {"calls": [], "rejected": []})
    await send_test(deps.db, webhook_id)
    async with working(deps):
        await until(lambda: set(MESSAGES) == set(receiver.events()))


async def test_the_receiver_that_comes_along_shows_what_is_genuine(deps, until, capsys):
    server = TestServer(trial_receiver("the secret"))
    await server.start_server()
    await endpoint(deps, str(server.make_url("/hooks")), secret="the secret")
    wrong = await endpoint(deps, str(server.make_url("/hooks")), secret="another")
    call = await start_and_end(deps.db)
    await send_test(deps.db, wrong)
    told = ""

    async def all_of_it() -> bool:
        nonlocal told
        told += capsys.readouterr().out
        return f'"id": "{call.id}"' in told and "call.completed" in told and "refused: the signature" in told

    async with working(deps):
        await until(all_of_it)
    assert "webhook.test" not in told
    await server.close()


async def test_a_message_is_signed_as_the_official_client_verifies_it(database_url, deps, receiver, until):
    await endpoint(deps, receiver.url("/ok"), secret="the secret")
    call = await start_and_end(deps.db)
    async with working(deps):
        await until(lambda: "call.completed" in receiver.events())
    _, headers, body = receiver.got[0]
    signature, timestamp = headers["X-Callroom-Signature"], headers["X-Callroom-Timestamp"]
    assert WebhooksResource.verify_signature(body, signature, timestamp, "the secret")
    assert headers["X-Callroom-Event"] == "call.started"
    assert headers["Content-Type"] == "application/json"
    message = json.loads(body)
    assert headers["X-Callroom-Delivery"] == message["id"]
    assert (message["data"]["id"], message["data"]["status"]) == (call.id, "in_progress")
    assert "X-Callroom-Signature-Previous" not in headers
    row = await delivery(deps.db, message["id"])
    assert (row.status, row.attempts, row.response_status, row.error) == ("delivered", 1, 204, None)


async def test_the_old_secret_signs_beside_the_new_one_for_a_day(deps, receiver, until):
    webhook_id = await endpoint(deps, receiver.url("/ok"), secret="old")
    async with deps.db.writing() as conn:
        await webhooks.update_webhook(conn, deps.keyring, DEFAULT_TENANT, webhook_id, {"secret": "new"})
    await send_test(deps.db, webhook_id)
    async with working(deps):
        await until(lambda: len(receiver.got) == 1)
        async with deps.db.writing() as conn:
            yesterday = now() - PREVIOUS_SECRET_SIGNS_FOR
            await conn.execute(endpoints.update().values(rotated_at=yesterday))
        await send_test(deps.db, webhook_id)
        await until(lambda: len(receiver.got) == 2)
    (_, headers, body), (_, later, _) = receiver.got
    for header, secret in (("X-Callroom-Signature", "new"), ("X-Callroom-Signature-Previous", "old")):
        assert WebhooksResource.verify_signature(body, headers[header], headers["X-Callroom-Timestamp"], secret)
    assert "X-Callroom-Signature-Previous" not in later


async def test_what_is_refused_is_tried_again_and_keeps_its_place_before_the_calls_next_message(deps, receiver, until):
    await endpoint(deps, receiver.url("/fails"))
    receiver.answers = [500]
    call = await start_and_end(deps.db)
    async with working(deps):
        await until(lambda: "call.completed" in receiver.events("/fails"))
    about = [message for message in receiver.messages("/fails") if message["data"]["id"] == call.id]
    assert [message["event"] for message in about][:3] == ["call.started", "call.started", "call.completed"]
    assert about[0] == about[1]
    row = await delivery(deps.db, about[0]["id"])
    assert (row.status, row.attempts, row.response_status) == ("delivered", 2, 204)


async def test_an_endpoint_that_does_not_answer_delays_nobody_elses(deps, receiver, until):
    hanging = await endpoint(deps, receiver.url("/hangs"))
    well = await endpoint(deps, receiver.url("/ok"))
    for _ in range(MANY):
        await send_test(deps.db, hanging)
    async with working(deps):
        await until(lambda: receiver.hanging)
        for _ in range(MANY):
            await send_test(deps.db, well)
        await until(lambda: len(receiver.got) == MANY)
        receiver.let_go.set()


async def test_a_message_refused_to_the_last_is_given_up_and_can_be_redelivered(deps, receiver, until):
    webhook_id = await endpoint(deps, receiver.url("/fails"))
    delivery_id = await send_test(deps.db, webhook_id)
    receiver.answers = [503]
    async with deps.db.writing() as conn:  # as if all attempts but the last had been made
        await conn.execute(jobs.update().values(attempt=len(RETRY_AFTER_S)))
    async with working(deps):
        await until(reached(deps.db, delivery_id, status="failed", response_status=503, error="HTTP status 503"))
        said = (await delivery(deps.db, delivery_id)).response_body
        assert said == EXCUSE.encode()[:1000].decode(errors="ignore").replace("\0", "")
        async with deps.db.writing() as conn:
            await webhooks.redeliver(conn, DEFAULT_TENANT, webhook_id, delivery_id)
        await until(reached(deps.db, delivery_id, status="delivered", attempts=2, response_body=None))
    first, second = receiver.messages("/fails")
    assert first == second


async def test_a_redirect_is_not_followed(deps, receiver, until):
    delivery_id = await send_test(deps.db, await endpoint(deps, receiver.url("/moved")))
    async with working(deps):
        await until(reached(deps.db, delivery_id, response_status=302, status="pending"))
    assert receiver.messages("/ok") == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_nothing_is_sent_to_a_private_address_whatever_its_name(settings, receiver, until, host):
    async with open_deps(settings()) as deps:
        webhook_id = await endpoint(deps, f"http://{host}:{receiver.server.port}/ok")
        delivery_id = await send_test(deps.db, webhook_id)
        async with working(deps):
            await until(reached(deps.db, delivery_id, error="the URL leads to a private address", status="pending"))
    assert receiver.got == []


async def test_what_waits_for_a_deleted_or_switched_off_endpoint_is_not_sent(deps, receiver, until):
    deleted, off = [await endpoint(deps, receiver.url("/ok")) for _ in range(2)]
    await send_test(deps.db, deleted)
    delivery_id = await send_test(deps.db, off)
    async with deps.db.writing() as conn:
        await webhooks.delete_webhook(conn, DEFAULT_TENANT, deleted)
        await webhooks.update_webhook(conn, deps.keyring, DEFAULT_TENANT, off, {"active": False})

    async def settled() -> bool:
        async with deps.db.reading() as conn:
            return list(await conn.scalars(sa.select(jobs.c.state).order_by(jobs.c.id))) == ["completed", "failed"]

    async with working(deps):
        await until(settled)
    given_up = await delivery(deps.db, delivery_id)
    assert (given_up.status, given_up.error) == ("failed", "the endpoint is switched off")
    assert receiver.got == []


async def test_an_endpoint_that_is_not_there_is_told_so(deps, until):
    delivery_id = await send_test(deps.db, await endpoint(deps, f"http://127.0.0.1:{free_port()}/ok"))
    async with working(deps):
        await until(reached(deps.db, delivery_id, error="no connection", response_status=None))
    assert (await delivery(deps.db, delivery_id)).attempts >= 1


@pytest.mark.parametrize("answer", [204, 503])
async def test_who_stood_still_while_another_delivered_a_message_changes_nothing(deps, receiver, until, answer):
    receiver.answers = [answer]
    webhook_id = await endpoint(deps, receiver.url("/hangs"))
    delivery_id = await send_test(deps.db, webhook_id)
    asleep, awake = (JobQueue(deps.db, name, lease_s=0) for name in ("asleep", "awake"))
    [first] = await asleep.claim("webhooks", 1)
    late = asyncio.create_task(run(first, deps))
    await until(lambda: receiver.hanging)
    async with deps.db.writing() as conn:
        await conn.execute(sa.update(endpoints).values(url=receiver.url("/ok")))
    assert await awake.rescue() == 1
    [second] = await awake.claim("webhooks", 1)
    assert isinstance(await run(second, deps), Done)
    assert await awake.complete(second)
    delivered = await delivery(deps.db, delivery_id)
    receiver.let_go.set()
    await late
    assert await delivery(deps.db, delivery_id) == delivered
    assert (delivered.status, delivered.attempts) == ("delivered", 1)

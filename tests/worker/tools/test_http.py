"""HTTP tools, on real servers: what is sent, and what the model is told of whatever comes back."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer

from calls.tables import tenants
from worker.tools.answer import EMPTY, MAX_ANSWER
from worker.tools.failed import ToolFailed
from worker.tools.http import HttpFunction

KEY = "5f0c0d9e-0000-4000-8000-000000000000"

SHIPPED: dict[str, Any] = {"text": '{"status": "shipped"}', "content_type": "application/json"}
ANSWERS: dict[str, dict[str, Any]] = {
    "huge": {"text": "x" * (MAX_ANSWER + 1)},
    "redirecting": {"status": 302, "headers": {"Location": "/orders"}},
    "failing": {"status": 404, "text": '{"error": "no such order"}'},
    "malformed": {"text": '{"status": "ship', "content_type": "application/json"},
    "binary": {"body": b"\xff\xfe\x00\x01", "content_type": "image/png"},
    "compressed": {"body": gzip.compress(b"0" * 10_000_000), "headers": {"Content-Encoding": "gzip"}},
    "strange": {"body": b"s\xfc\xdf", "headers": {"Content-Type": "text/plain; charset=no"}},
    "empty": {"status": 204},
}


class Shop:
    """A user's server: it notes what it was sent, and answers what the path says."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> dict[str, Any]:
        return self.requests[-1]

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        path, query = request.raw_path.partition("?")[0], dict(request.query)
        self.requests.append(
            {"method": request.method, "path": path, "query": query, "body": body, "headers": dict(request.headers)}
        )
        which = request.path.split("/")[1]
        if which == "slow":
            await asyncio.Event().wait()
        if which == "trickling":
            return await self._trickle(request)
        if which == "mirror":
            return web.Response(text=str(dict(request.headers)))
        return web.Response(**ANSWERS.get(which, SHIPPED))

    async def _trickle(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    made = Shop()
    app = web.Application(handler_args={"access_log": None})
    app.router.add_route("*", "/{path:.*}", made.take)
    async with TestServer(app, shutdown_timeout=0.1) as server:
        made.port = server.port or 0
        yield made


@pytest.fixture
def function(templates, shop):
    """`function(path, method)`: a tool of that server."""

    def make(path: str, method: str = "POST", timeout_s: float = 30, *, private_addresses: bool = True, **more: Any):
        made = templates(f"{shop.url}{path}", more.get("headers"), more.get("variables"))
        return HttpFunction(method, made, timeout_s, private_addresses=private_addresses)

    return make


async def test_arguments_are_a_body_or_a_query_and_the_call_has_its_name(function, shop):
    arguments = {"number": "4711", "gift": True, "items": [1, "two"]}
    assert await function("/orders").call(arguments, KEY) == '{"status": "shipped"}'
    assert shop.last["method"] == "POST"
    assert shop.last["body"] == '{"number": "4711", "gift": true, "items": [1, "two"]}'
    assert shop.last["headers"]["Idempotency-Key"] == KEY
    await function("/orders?all=1", "GET").call(arguments, KEY)
    assert (shop.last["body"], shop.last["query"]) == (
        "",
        {"all": "1", "number": "4711", "gift": "true", "items": '[1, "two"]'},
    )


async def test_what_is_filled_into_a_url_stays_where_it_stands(function, shop, unknown):
    tool = function(
        "/of/{{customer}}/orders/{{arguments.number}}?shop={{shop}}&x={{nobody}}",
        "GET",
        headers={"X-Name": "{{ customer }}", "X-Note": "{{secrets_of}}{{note}}"},
        variables={"customer": "a/b?c#d é", "shop": "{{secrets.SHOP}}", "note": "one\r\nEvil: two"},
    )
    await tool.call({"number": "47/11?", "more": "yes"}, KEY)
    assert shop.last["path"] == "/of/a%2Fb%3Fc%23d%20%C3%A9/orders/47%2F11%3F"
    assert shop.last["query"] == {"shop": "{{secrets.SHOP}}", "x": "", "more": "yes"}
    assert shop.last["headers"]["X-Name"] == "a/b?c#d é"
    assert "Evil" not in shop.last["headers"]
    assert unknown == ["nobody", "secrets_of"]
    for step in ("..", ".", "%2e%2e"):
        if step == "%2e%2e":  # an argument is text: it is escaped once more, and leads nowhere
            await function("/orders/{{arguments.number}}/items", "GET").call({"number": step}, KEY)
            assert shop.last["path"] == "/orders/%252e%252e/items"
            continue
        with pytest.raises(ToolFailed, match="leads elsewhere"):
            await function("/orders/{{arguments.number}}/items", "GET").call({"number": step}, KEY)
    with pytest.raises(ToolFailed, match="missing: number"):
        await function("/orders/{{arguments.number}}", "GET").call({}, KEY)


async def test_a_secret_is_sent_to_its_host_and_never_comes_back(function, shop, secret, templates):
    await secret("SHOP", "sk-tangerine", "127.0.0.1")
    tool = function("/mirror?key={{secrets.SHOP}}", headers={"Authorization": "Bearer {{secrets.SHOP}}"})
    answer = await tool.call({}, KEY)
    assert shop.last["headers"]["Authorization"] == "Bearer sk-tangerine"
    assert shop.last["query"] == {"key": "sk-tangerine"}
    assert "sk-tangerine" not in answer
    assert "Bearer [SHOP]" in answer
    await secret("SHOP", "sk-new", "127.0.0.1")
    await tool.call({}, KEY)
    assert shop.last["query"] == {"key": "sk-new"}
    await secret("SHOP", "sk-new", "example.com")
    with pytest.raises(ToolFailed, match="the secret SHOP is of another host"):
        await tool.call({}, KEY)
    strict = templates(f"{shop.url}/", {"Authorization": "{{secrets.SHOP}}"}, plain_http=False)
    with pytest.raises(ToolFailed, match="plain http"):
        await strict.fill({})


async def test_another_tenants_secret_is_not_there(function, secret, database, shop):
    async with database.writing() as connection:
        await connection.execute(sa.insert(tenants).values(id="another", name="Another"))
    await secret("SHOP", "theirs", "127.0.0.1", tenant_id="another")
    with pytest.raises(ToolFailed, match="the secret SHOP is not there"):
        await function("/orders?key={{secrets.SHOP}}").call({}, KEY)
    assert shop.requests == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/slow", "no answer within 1 s"),
        ("/trickling", "no answer within 1 s"),
        ("/huge", f"more than {MAX_ANSWER} bytes"),
        ("/redirecting", "HTTP status 302"),
        ("/failing", 'HTTP status 404: {"error": "no such order"}'),
        ("/malformed", "says that it is JSON, and is not"),
        ("/binary", "no text"),
        ("/compressed", "compressed"),
        ("/strange", "no text"),
    ],
)
async def test_whatever_is_no_answer_is_told_in_a_few_words_and_asked_once(function, shop, path, says):
    with pytest.raises(ToolFailed) as failed:
        await function(path, timeout_s=1 if "within 1 s" in says else 60).call({"number": "4711"}, KEY)
    assert says in str(failed.value)
    assert len(str(failed.value)) < 700
    assert len(shop.requests) == 1


async def test_an_empty_answer_is_one(function):
    assert await function("/empty").call({}, KEY) == EMPTY


async def test_a_private_address_is_not_connected_to_whatever_its_name(function, shop, templates):
    with pytest.raises(ToolFailed, match="private address"):
        await function("/orders", private_addresses=False).call({}, KEY)
    named = HttpFunction("GET", templates(f"http://localhost:{shop.port}/"), 30, private_addresses=False)
    with pytest.raises(ToolFailed, match="private address"):
        await named.call({}, KEY)
    assert shop.requests == []
    with pytest.raises(ToolFailed, match="cannot be reached"):
        await HttpFunction("GET", templates("http://127.0.0.1:1/"), 30, private_addresses=True).call({}, KEY)

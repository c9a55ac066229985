"""The rules that hold everywhere, asked of every route that they hold for."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from api.app import ROUTES
from api.routing import Route
from api.schema.common import Page
from api.schema.examples import EXAMPLES
from tests.api.conftest import ABSENT, Answer, Api

UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"
JSON = {"Content-Type": "application/json"}


def routes(wanted: Callable[[Route], bool]) -> pytest.MarkDecorator:
    """Once for each such route."""
    return pytest.mark.parametrize("route", [r for r in ROUTES if wanted(r)], ids=lambda r: f"{r.method} {r.path}")


async def send(api: Api, route: Route, **options: Any) -> Answer:
    path = re.sub(r"{(number|phone)}", "+15551234567", route.path)
    return await api.ask(route.method, re.sub(r"{\w+}", UNKNOWN, path), **options)


@routes(lambda route: route.body is not None)
async def test_every_body_is_held_to_the_same_rules(api: Api, route: Route):
    assert route.body is not None
    example = EXAMPLES[route.body.__name__]
    unknown = await send(api, route, body=example | {"surprise": 1})
    assert (unknown.status, [each["path"] for each in unknown.body["details"]]) == (400, ["surprise"])
    for raw, content_type, status in (
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b'{"x": "' + b"x" * 1_000_000 + b'"}', "application/json", 413),
    ):
        answer = await send(api, route, raw=raw, headers={"Content-Type": content_type})
        assert (answer.status, set(answer.body) - {"details"}) == (status, {"error", "code"})
    if any(field.is_required() for field in route.body.model_fields.values()):
        assert (await send(api, route, raw=b"", headers=JSON)).status == 400


@routes(lambda route: "{id}" in route.path)
async def test_an_id_that_is_not_there_or_is_none_is_a_404(api: Api, route: Route):
    example = EXAMPLES[route.body.__name__] if route.body else ABSENT
    answer = await send(api, route, body=example)
    assert (answer.status, answer.body["code"]) == (404, "not_found")
    no_id = await api.ask(route.method, re.sub(r"{\w+}", "call_abc123", route.path), example)
    assert no_id.status == 404


@routes(lambda route: route.query is not None and issubclass(route.query, Page) and "{" not in route.path)
async def test_every_list_has_the_same_pages(api: Api, route: Route):
    page = await send(api, route)
    assert page.status == 200
    assert (page.body["limit"], page.body["offset"], page.body["total"]) == (
        200 if route.path in {"/v1/calls", "/v1/calls/active"} else 50,
        0,
        0,
    )
    assert (await api.get(f"{route.path}?limit=1&offset=3")).body["limit"] == 1
    for wrong in ("limit=0", "limit=201", "limit=x", "limit=", "offset=-1", "offset=1.5", "surprise=1"):
        answer = await api.get(f"{route.path}?{wrong}")
        assert (answer.status, answer.body["details"][0]["path"]) == (400, wrong.partition("=")[0])

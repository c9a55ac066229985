"""Nothing that a client sends makes a 500, and every answer is what the document promises.

Two ways of asking: schemathesis makes requests from the document, good ones and bad ones; hypothesis puts strange
values where values may stand.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api import openapi
from api.app import ROUTES
from api.routing import Route
from calls.database.engine import DEFAULT_TENANT, Database
from calls.settings import Settings
from calls.tenants.keys import create_secret_key
from tests.servers import LiveKitServer, PostgresCluster, free_port, process

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
FEW = 3
TIMEOUT_S = 60
# Nobody's luck decides whether a run passes: the same requests every time.
fixed = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def patiently(ask: Callable[[], Any]) -> Any:
    """The answer, asked for again while the API says that the database is away: on a busy machine it is only late."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        answer = ask()
        is_late = answer.status_code == 503 and b'"database_unavailable"' in answer.content
        if not is_late or time.monotonic() > deadline:
            return answer


@dataclass
class Target:
    """A running API and what is in it: `known` are values for the ids and numbers in paths."""

    url: str
    session: requests.Session
    agent_id: str
    known: dict[str, dict[str, str]]

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        url = self.url + path
        answer: requests.Response = patiently(lambda: self.session.request(method, url, timeout=TIMEOUT_S, **options))
        return answer

    def make(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = self.send("POST", path, json=body)
        assert response.ok, response.text
        made: dict[str, Any] = response.json()
        return made


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def target(
    request: pytest.FixtureRequest,
    livekit: LiveKitServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("fuzzed")
    database_url = f"sqlite:///{folder}/callroom.db"
    if request.param == "postgres":
        cluster: PostgresCluster = request.getfixturevalue("postgres")
        database_url = cluster.url(cluster.create(template=request.getfixturevalue("migrated_postgres")))
    settings = Settings(
        _env_file=None,
        livekit_url=livekit.url,
        livekit_api_key=livekit.key,
        livekit_api_secret=livekit.secret,
        database_url=database_url,
        llm_url="http://127.0.0.1:9/v1",  # nobody listens there
        webhook_private_addresses=True,  # no look-ups of made-up hosts
        tool_private_addresses=True,
        state_dir=folder,
        api_port=free_port(),
    )
    with process("api", settings, folder / "api.log"), requests.Session() as session:
        with ThreadPoolExecutor(1) as thread:
            key = thread.submit(asyncio.run, make_key(database_url)).result()
        session.headers["Authorization"] = f"Bearer {key}"
        yield fill(Target(f"http://127.0.0.1:{settings.api_port}", session, "", {}))


async def make_key(database_url: str) -> str:
    database = Database(database_url)
    async with database.writing() as conn:
        _row, key = await create_secret_key(conn, DEFAULT_TENANT, "fuzzing")
    await database.close()
    return key


def fill(target: Target) -> Target:
    """One of everything."""
    agent_id = target.agent_id = target.make("/v1/agents", {"name": "Aria"})["id"]
    target.make("/v1/numbers", {"number": "+15559876543", "agent_id": agent_id})
    target.make("/v1/dnc", {"phone_number": "+15550001111"})
    phone = {"transport": "pstn", "identity": "+15551234567"}
    call_id = target.make("/v1/calls", {"agent_id": agent_id, "participants": [phone]})["id"]
    batch = target.make("/v1/calls/batch", {"agent_id": agent_id, "to": ["+15551234567"], "batch_id": "spring/1"})
    webhook = target.make("/v1/webhooks", {"url": "http://127.0.0.1:9/", "events": ["call.completed"]})
    delivery = target.make(f"/v1/webhooks/{webhook['id']}/test", {})
    target.known = {
        "/v1/agents/": {"id": agent_id},
        "/v1/calls/batch/": {"batch": batch["batch_id"]},
        "/v1/calls/": {"id": call_id},
        "/v1/numbers/": {"number": "+15559876543"},
        "/v1/dnc/": {"phone": "+15550001111"},
        "/v1/webhooks/": {"id": webhook["id"], "delivery_id": delivery["id"]},
    }
    return target


@pytest.fixture(scope="module")
def described(target: Target) -> Any:
    return schemathesis.openapi.from_url(f"{target.url}/openapi.json")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize("target", ["sqlite"], indirect=True)
def test_requests_made_from_the_document_get_the_answers_that_it_promises(
    target: Target,
    described: Any,
    route: Route,
):
    path = openapi.plain_path(route)
    operation = described[path][route.method]
    here = next((values for prefix, values in target.known.items() if path.startswith(prefix)), {})
    here = {name: value for name, value in here.items() if f"{{{name}}}" in path}
    if path == "/v1/calls/stream":
        return  # it would not end
    follows = route.media == openapi.EVENT_STREAM  # the stream of a call that is there would not end
    if not follows and route.method != "DELETE":
        exchange(target, operation.as_strategy(path_parameters=here or None), agent_id=target.agent_id)
    exchange(target, operation.as_strategy())
    if route.body is not None or route.query is not None or "{" in path:
        exchange(target, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))


def exchange(target: Target, cases: Any, agent_id: str | None = None) -> None:
    @settings(fixed, max_examples=FEW)
    @given(case=cases)
    def run(case: Any) -> None:
        if agent_id and isinstance(case.body, dict) and "agent_id" in case.body:
            case.body["agent_id"] = agent_id
        answer = patiently(lambda: case.call(session=target.session, timeout=TIMEOUT_S))
        case.validate_response(answer, checks=CHECKS, transport_kwargs={"session": target.session})

    run()


numbers = st.integers() | st.sampled_from([2**53, 2**63, -(2**63) - 1, 10**400]) | st.floats(allow_nan=True)
texts = st.text(st.characters(codec=None)) | st.sampled_from(["\0", "\ud800", "\udfff\ud800", "\u202e", "x" * 70_000])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
JSON = {"Content-Type": "application/json"}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/agents": {"name": "Aria"},
    "/v1/calls": {"agent_id": ..., "participants": [{"transport": "pstn", "identity": "+15551234567"}]},
    "/v1/calls/batch": {"agent_id": ..., "to": ["+15551234567"]},
    "/v1/realtime/token": {"agent_id": ...},
    "/v1/dnc/batch": {"phone_numbers": ["+15551234567"]},
    "/v1/keys/publishable": {"agent_id": ..., "label": "x"},
    "/v1/auth/api-keys": {"label": "x"},
    "/v1/webhooks": {"url": "http://127.0.0.1:9/", "events": ["call.completed"]},
}
FIELDS = [
    "metadata",
    "variables",
    "post_call",
    "participants",
    "to",
    "recipients",
    "name",
    "system_prompt",
    "first_message",
    "features",
    "max_duration_s",
    "agent_id",
    "label",
    "scopes",
    "default_from_number",
    "phone_numbers",
    "url",
    "secret",
    "events",
]


def answers_in_json(response: requests.Response) -> None:
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        body = response.json()
        assert set(body) <= {"error", "code", "details"}
        assert body["error"]
        assert body["code"]
        for detail in body.get("details", ()):  # in our words: pydantic's own sentences begin with a capital
            assert detail["message"][0].islower(), detail


@pytest.mark.parametrize("path", BODIES)
def test_strange_values_in_a_body_are_taken_or_refused_in_words(target: Target, path: str):
    @settings(fixed, max_examples=30)
    @given(field=st.sampled_from(FIELDS), value=values)
    def run(field: str, value: object) -> None:
        body = {name: target.agent_id if given is ... else given for name, given in BODIES[path].items()}
        response = target.send("POST", path, data=json.dumps(body | {field: value}), headers=JSON)
        answers_in_json(response)

    run()


STRANGE_BODIES = {
    "nothing": b"",
    "no object": b"[]",
    "a word": b'"aria"',
    "no JSON": b"{",
    "not a number": b'{"name": NaN}',
    "endless": b'{"name": Infinity}',
    "beyond a double": b'{"name": "x", "metadata": 1e999}',
    "a lone surrogate": b'{"name": "\\ud800"}',
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "a NUL": b'{"name": "\\u0000"}',
    "the same field twice": b'{"name": "a", "name": 1}',
    "deep lists": b'{"name": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "deep objects": b'{"name": "x", "post_call": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}",
    "a huge number": b'{"name": "x", "max_duration_s": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("name", STRANGE_BODIES)
@pytest.mark.parametrize("path", ["/v1/agents", "/v1/calls", "/v1/webhooks"])
@pytest.mark.parametrize("target", ["sqlite"], indirect=True)
def test_a_strange_body_is_a_400(target: Target, path: str, name: str):
    response = target.send("POST", path, data=STRANGE_BODIES[name], headers=JSON)
    assert response.status_code == 400
    answers_in_json(response)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/calls/%00",
        "/v1/calls/%ff",
        "/v1/calls/%ed%a0%80",
        "/v1/calls/..%2f..%2fetc",
        "/v1/calls/{550e8400-e29b-41d4-a716-446655440000}",
        "/v1/dnc/%00",
        "/v1/dnc/%2B",
        "/v1/numbers/%F0%9F%93%9E",
        "/web/..%2f..%2fetc%2fpasswd",
        "/web/%00",
        "/v1/recordings/..%2f..%2fetc%2fpasswd?expires=1&signature=x",
        "/v1/recordings/%00?expires=9999999999&signature=%00",
        "/v1/calls?limit=1&limit=2",
        "/v1/calls?cursor=%00",
        "/v1/calls?limit=99999999999999999999999",
        "/v1/calls?offset=-1",
        "/v1/calls?status=%ED%A0%80",
        "/v1/calls/?",
        "//",
    ],
)
def test_strange_paths_and_queries_are_refused_in_words(target: Target, path: str):
    for method in ("GET", "DELETE"):
        response = target.send(method, path)
        assert response.status_code in {400, 403, 404, 405}, (method, path, response.text)
        answers_in_json(response)


@pytest.mark.parametrize("target", ["sqlite"], indirect=True)
def test_strange_headers_are_refused_in_words(target: Target):
    call_id = target.known["/v1/calls/"]["id"]
    for value in (b"1", b"-1-0-0", b"1-1", b"1-1-1-1", b"\xff", b"9" * 5000, "１-１".encode()):
        response = target.send("GET", f"/v1/calls/{call_id}/stream", headers={"Last-Event-ID": value})
        assert response.status_code == 400
    for value in (b"", b"x" * 5000, b"\xff"):
        body = {"agent_id": target.agent_id, "participants": [{"transport": "webrtc", "identity": "x"}]}
        response = target.send("POST", "/v1/calls", json=body, headers={"Idempotency-Key": value})
        assert response.status_code == 400
    for value in (b"Bearer \xff\xfe", b"Bearer", b"Basic x", b"Bearer " + b"x" * 5000):
        assert target.send("GET", "/v1/calls", headers={"Authorization": value}).status_code == 401

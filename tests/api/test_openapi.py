"""The document says what the API does: every route, every model, every error, with examples that are true."""

import json
import re
from typing import Any

import jsonschema
import pytest
from aiohttp import web
from pydantic import BaseModel

from api import openapi
from api.app import ROUTES, create_app
from api.page import CONSOLE
from api.routing import Route, Who
from api.schema.common import Failure
from api.schema.examples import EXAMPLES
from api.schema.messages import MESSAGES
from api.schema.summaries import SUMMARIES
from calls.events import EventKind
from calls.phones.numbers import normalise
from calls.settings import Settings
from calls.states import CallStatus
from calls.tenants.webhooks import TEST_EVENT, WebhookEvent
from calls.version import VERSION

DOCUMENT: dict[str, Any] = json.loads(openapi.document(ROUTES))
GUESTS = {"/join/{code}", "/talk/{code}"}
PAGES = {*CONSOLE, "/docs", *GUESTS, *(f"{path}/" for path in GUESTS), "/web/{path}"}


def operations() -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


def models() -> list[type[BaseModel]]:
    found = {model for route in ROUTES for model in (route.body, *route.answers.values()) if model is not None}
    return sorted(found | set(MESSAGES.values()), key=lambda model: model.__name__)


def test_every_route_that_is_served_is_in_the_document():
    app = create_app(Settings(_env_file=None))
    served = {
        f"{route.method} {route.resource.canonical}"
        for route in app.router.routes()
        if route.resource is not None and route.resource.canonical not in PAGES and route.method not in {"HEAD", "*"}
    }
    assert served == set(operations())


def test_every_operation_has_its_own_name_a_summary_and_a_tag():
    assert len({operation["operationId"] for operation in operations().values()}) == len(ROUTES)
    assert set(SUMMARIES) == set(operations())
    assert all(operation["summary"] and operation["tags"] for operation in operations().values())


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_an_operation_names_its_key_its_parameters_and_its_errors(route: Route):
    operation = operations()[f"{route.method} {openapi.plain_path(route)}"]
    schemes = [name for one in operation["security"] for name in one]
    assert ("secretKey" in schemes) is (route.who is not Who.ANYONE)
    assert ("publishableKey" in schemes) is (route.who is Who.PUBLISHABLE)
    statuses = {int(status) for status in operation["responses"]}
    assert statuses == set(route.answers) | set(openapi.errors_of(route))
    assert (route.who is Who.ANYONE) or {401, 403} <= statuses
    assert (route.body is None) or {400, 413, 415} <= statuses
    assert ("{id}" not in route.path) or 404 in statuses
    named = {parameter["name"] for parameter in operation["parameters"]}
    assert named >= set(route.query.model_fields if route.query else ())
    assert ("Idempotency-Key" in named) is route.idempotent
    assert ("If-Match" in named) is (412 in statuses) is route.conditional


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_body_and_answer_has_an_example_that_its_own_model_takes(model: type[BaseModel]):
    text = json.dumps(EXAMPLES[model.__name__])
    model.model_validate_json(text)
    schema = {**DOCUMENT["components"]["schemas"][model.__name__], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))


def test_the_version_is_the_one_that_runs():
    assert DOCUMENT["info"]["version"] == VERSION


def test_the_schemas_are_valid_and_every_reference_leads_somewhere():
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    pending: list[Any] = [DOCUMENT]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
            if isinstance(value.get("$ref"), str):
                target: Any = DOCUMENT
                for part in value["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
        elif isinstance(value, list):
            pending.extend(value)


def test_what_the_users_server_is_sent_is_described_too():
    assert set(DOCUMENT["webhooks"]) == {*WebhookEvent, TEST_EVENT}
    headers = {each["name"] for each in DOCUMENT["webhooks"]["call.completed"]["post"]["parameters"]}
    assert {"X-Callroom-Signature", "X-Callroom-Timestamp"} <= headers


def test_every_property_every_parameter_and_every_tag_is_described():
    schemas = DOCUMENT["components"]["schemas"]
    properties = {
        f"{model}.{name}": schema
        for model, whole in schemas.items()
        for name, schema in whole.get("properties", {}).items()
    }
    parameters = {
        f"{name} {parameter['name']}": parameter
        for name, operation in operations().items()
        for parameter in operation["parameters"]
    }
    assert [name for name, one in (properties | parameters).items() if not one.get("description")] == []
    tags = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    assert set(tags) == {tag for operation in operations().values() for tag in operation["tags"]}
    assert all(tags.values())


def test_what_validation_knows_stands_in_the_schema():
    schemas = DOCUMENT["components"]["schemas"]
    number = schemas["CreateNumber"]["properties"]["number"]["pattern"]
    for spelling in ("+15551234567", "+1 (555) 123-4567", "0049 30 1234567", "tel:+1-555-123-4567", "+49/30.1234567"):
        assert normalise(spelling)
        assert re.search(number, spelling)
    assert re.search(number, "nobody") is None
    assert schemas["CreateWebhook"]["properties"]["url"]["pattern"].startswith("^https?://")
    cursor = next(one for one in operations()["GET /v1/calls"]["parameters"] if one["name"] == "cursor")
    assert cursor["schema"]["format"] == schemas["ListedCall"]["properties"]["id"]["format"] == "uuid"
    assert schemas["ListedCall"]["properties"]["status"]["enum"] == list(CallStatus)
    assert "default" not in schemas["UpdateAgent"]["properties"]["max_duration_s"]
    assert schemas["CreateAgent"]["properties"]["max_duration_s"]["default"] == 3600


def test_the_kinds_of_events_are_listed():
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["EventKind"]["enum"] == list(EventKind)
    assert schemas["Event"]["properties"]["kind"]["$ref"] == "#/components/schemas/EventKind"


def test_429_says_when_to_come_back_and_401_how_to_authenticate():
    responses = DOCUMENT["components"]["responses"]
    assert "Retry-After" in responses["Error429"]["headers"]
    assert "WWW-Authenticate" in responses["Error401"]["headers"]
    for response in responses.values():
        Failure.model_validate_json(json.dumps(response["content"]["application/json"]["example"]))
    assert web.HTTPTooManyRequests.status_code in openapi.errors_of(next(r for r in ROUTES if r.path == "/v1/calls"))

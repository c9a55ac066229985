"""`GET /openapi.json`: the route table and its models, the very ones that validate, as an OpenAPI 3.1 document."""

import re
from collections.abc import Iterable
from typing import Any, Literal

import orjson
from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.credentials import COOKIE, HEADER, SECURE_COOKIE
from api.routing import Route, Who
from api.schema.common import Failure
from api.schema.examples import EXAMPLES, FAILURES
from api.schema.messages import MESSAGES
from api.schema.parameters import IN_PATHS
from api.schema.stream import MARK
from api.schema.summaries import SUMMARIES, TAGS
from calls.version import VERSION

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]

DOCUMENT = web.AppKey("openapi", bytes)
EVENT_STREAM = "text/event-stream"
_PARAMETER = re.compile(r"{(\w+)(?::[^}]+)?}")
_REFS = "#/components/schemas/{model}"
_ABOUT = (
    "Calls between people and agents: browsers over WebRTC, phones over SIP. Every error is JSON: `error` is a "
    "sentence, `code` a name for it; validation errors have `details`."
)
_STREAM_OF_ALL = (
    "Server-sent events; the schema is that of one message. First a `call` for each call that is not over, then "
    "`ready`; from then on a `call` whenever one begins, changes or is over. If asked for, also `event` and `segment` "
    "for what happens and is said from then on, before `ready` the last words of each running call. Nothing has to be "
    "resumed: each connection begins with what there is."
)
_STREAM = (
    "Server-sent events; the schema is that of one message. `event`, `segment` and `turn` (how long an answer was "
    "waited for) from the call's beginning on and, once nothing more can come, `end`. A message's id in "
    "`Last-Event-ID` resumes right behind it; after `end` the answer is 204. With a call's token come the events that "
    "concern the people in it, no phone's number, no `turn`, and `end` as soon as nothing more is said."
)
_ERRORS = {
    400: "A field of the body or query is not what was expected; `details` names each",
    401: "Missing, unknown or revoked API key",
    402: "A metered tenant has not enough credits left",
    403: "The key may not do this",
    404: "Nothing of that name exists for this tenant",
    409: "Does not fit what is there now",
    412: "It was changed since it was read as `If-Match` says",
    413: "The body is larger than 1 MB",
    415: "The body is not application/json",
    422: "The same Idempotency-Key came with another body",
    429: "Too many new calls by this publishable key or address, too many streams at once, or voice samples",
    503: "A server that is needed does not answer",
}
_RETRY_AFTER: Json = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds."}}
_ERROR_HEADERS: dict[int, Json] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "`Bearer`."}},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}
_REQUEST_ID: Json = {"X-Request-Id": {"schema": {"type": "string"}, "description": "Names the request in our log."}}


async def get(request: web.Request) -> web.Response:
    return web.Response(body=request.app[DOCUMENT], content_type="application/json")


def document(routes: Iterable[Route]) -> bytes:
    """The document of these routes."""
    routes = list(routes)
    names, schemas = _schemas(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(plain_path(route), {})[route.method.lower()] = _operation(route, names, schemas)
    for route in routes:  # their fields stand as parameters
        if route.query is not None:
            schemas.pop(names[route.query, "validation"].rpartition("/")[2], None)
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Callroom", "version": VERSION, "description": _ABOUT},
            "servers": [{"url": "/"}],
            "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
            "paths": paths,
            "webhooks": {str(event): {"post": _message(event, model, names)} for event, model in MESSAGES.items()},
            "components": {
                "schemas": schemas,
                "responses": {f"Error{status}": _error(status) for status in _ERRORS},
                "securitySchemes": {
                    "secretKey": {"type": "http", "scheme": "bearer", "description": "For servers: sb_secret_…"},
                    "session": {
                        "type": "apiKey",
                        "in": "cookie",
                        "name": COOKIE,
                        "description": f"For our pages, from `POST /v1/session`; over TLS `{SECURE_COOKIE}`. Where our "
                        f"address has a port, that stands behind it: `{COOKIE}_8080`. "
                        f"All but GET needs the header `{HEADER}` too, with any value.",
                    },
                    "publishableKey": {"type": "http", "scheme": "bearer", "description": "For browsers."},
                    "callToken": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "For browsers: the `call_token` of the call in the path.",
                    },
                },
            },
        },
    )


def plain_path(route: Route) -> str:
    """The path as OpenAPI writes it, without aiohttp's patterns."""
    return _PARAMETER.sub(r"{\1}", route.path)


def errors_of(route: Route) -> list[int]:
    """The statuses of the errors that a route may answer with: those of its row and the usual ones."""
    usual = {
        401: route.who is not Who.ANYONE,
        403: route.who is not Who.ANYONE,
        400: route.method == "POST" or bool(route.body or route.query) or route.media == EVENT_STREAM,
        413: route.body is not None,
        415: route.body is not None,
        404: "{" in route.path,
        412: route.conditional,
        422: route.idempotent,
        503: route.who is not Who.ANYONE,
    }
    return sorted({status for status, answers in usual.items() if answers} | set(route.errors))


def _schemas(routes: list[Route]) -> tuple[dict[tuple[type[BaseModel], Mode], str], dict[str, Json]]:
    models: dict[tuple[type[BaseModel], Mode], None] = {}
    for route in routes:
        models |= {(model, "validation"): None for model in (route.body, route.query) if model}
        models |= {(model, "serialization"): None for model in route.answers.values() if model}
    others: list[type[BaseModel]] = [Failure, *MESSAGES.values()]
    models |= {(model, "serialization"): None for model in others}
    refs, definitions = models_json_schema(list(models), ref_template=_REFS)
    names = {(model, mode): refs[model, mode]["$ref"] for model, mode in models}
    return names, definitions["$defs"]


def _operation(route: Route, names: dict[Any, str], schemas: dict[str, Json]) -> Json:
    module = route.handler.__module__.rpartition(".")[2]
    operation: Json = {
        "operationId": f"{module}_{route.handler.__name__}",
        "summary": SUMMARIES[f"{route.method} {plain_path(route)}"],
        "tags": [_tag(route.path)],
        "parameters": [*_path_parameters(route), *_query_parameters(route, names, schemas), *_headers(route)],
        "responses": {},
        "security": _security(route.who),
    }
    if route.media == EVENT_STREAM:
        operation["description"] = _STREAM if "{" in route.path else _STREAM_OF_ALL
    if route.body is not None:
        content = _content(names[route.body, "validation"], route.body)
        operation["requestBody"] = {"required": _required(route.body), "content": {"application/json": content}}
    for status, model in route.answers.items():
        operation["responses"][str(status)] = _answer(route, status, model, names)
    for status in errors_of(route):
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/Error{status}"}
    return operation


def _tag(path: str) -> str:
    parts = path.strip("/").split("/")
    return parts[1].removesuffix(".csv") if parts[0] == "v1" else "service"


def _security(who: Who) -> list[Json]:
    secret: list[Json] = [{"secretKey": []}, {"session": []}]
    also = {Who.PUBLISHABLE: "publishableKey", Who.CALL: "callToken"}
    return [] if who is Who.ANYONE else [*secret, *([{also[who]: []}] if who in also else [])]


def _required(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _content(ref: str, model: type[BaseModel]) -> Json:
    return {"schema": {"$ref": ref}, "example": EXAMPLES[model.__name__]}


def _path_parameters(route: Route) -> list[Json]:
    tag, plain = _tag(route.path), {"schema": {"type": "string"}}
    names = _PARAMETER.findall(route.path)
    return [{"name": name, "in": "path", "required": True, **IN_PATHS.get((tag, name), plain)} for name in names]


def _query_parameters(route: Route, names: dict[Any, str], schemas: dict[str, Json]) -> list[Json]:
    if route.query is None:
        return []
    model = schemas[names[route.query, "validation"].rpartition("/")[2]]
    required = model.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, **_described(_without_null(schema))}
        for name, schema in model["properties"].items()
    ]


def _described(schema: Json) -> Json:
    """What is said of a parameter, beside its schema: there it is looked for."""
    about = schema.get("description", "")
    return {"description": about, "schema": {key: value for key, value in schema.items() if key != "description"}}


def _without_null(schema: Json) -> Json:
    """A parameter is left out, never null."""
    if schema.get("default", "") is None:
        schema = {key: value for key, value in schema.items() if key != "default"}
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    one: Json = choices[0] | {key: value for key, value in schema.items() if key != "anyOf"}
    return one


def _headers(route: Route) -> list[Json]:
    headers = []
    if route.idempotent:
        about = "The same key and body give the same answer, and it is done once, for 24 hours."
        headers.append(("Idempotency-Key", {"type": "string", "pattern": "^[ -~]{1,255}$"}, about))
    if route.conditional:
        about = "The `updated_at` as it was read, in quotes: what was changed since then is not changed, it is a 412."
        headers.append(("If-Match", {"type": "string", "pattern": '^"[^"]+"$'}, about))
    if route.media == EVENT_STREAM and "{" in route.path:
        about = "The id of the last message that was received."
        headers.append(("Last-Event-ID", {"type": "string", "pattern": MARK}, about))
    return [
        {"name": name, "in": "header", "required": False, "schema": schema, "description": about}
        for name, schema, about in headers
    ]


def _answer(route: Route, status: int, model: type[BaseModel] | None, names: dict[Any, str]) -> Json:
    answer: Json = {"description": _description(route, status), "headers": _REQUEST_ID}
    if model is not None:
        answer["content"] = {route.media: _content(names[model, "serialization"], model)}
    elif route.media != "application/json" and status != web.HTTPNoContent.status_code:
        answer["content"] = {route.media: {"schema": {"type": "string"}}}
    elif route.path == "/openapi.json":
        answer["content"] = {route.media: {"schema": {"type": "object"}}}
    return answer


def _description(route: Route, status: int) -> str:
    if status == web.HTTPAccepted.status_code:
        return "Accepted: it is queued"
    if status == web.HTTPNoContent.status_code:
        return "Nothing more to send" if route.media == EVENT_STREAM else "Gone"
    return "Created" if status == web.HTTPCreated.status_code else "OK"


def _message(event: str, model: type[BaseModel], names: dict[Any, str]) -> Json:
    """What the user's own server is sent."""
    signed = {
        "X-Callroom-Event": "The event's name, as in the body.",
        "X-Callroom-Delivery": "The message's id, as in the body: the same in every attempt.",
        "X-Callroom-Timestamp": "Milliseconds since 1970.",
        "X-Callroom-Signature": "Hex HMAC-SHA256 of `{timestamp}.{body}` with the endpoint's secret.",
        "X-Callroom-Signature-Previous": "The same with the secret before, for a day after it was changed.",
    }
    content = _content(names[model, "serialization"], model)
    return {
        "summary": " ".join((model.__doc__ or "").split()),
        "operationId": f"on_{event.replace('.', '_')}",
        "tags": ["webhooks"],
        "parameters": [
            {"name": name, "in": "header", "required": "Previous" not in name, "schema": {"type": "string"}}
            | {"description": about}
            for name, about in signed.items()
        ],
        "requestBody": {"content": {"application/json": content}},
        "responses": {"2XX": {"description": "Taken; after anything else it is tried again for a day"}},
    }


def _error(status: int) -> Json:
    return {
        "description": _ERRORS[status],
        "headers": _REQUEST_ID | _ERROR_HEADERS.get(status, {}),
        "content": {
            "application/json": {"schema": {"$ref": _REFS.format(model="Failure")}, "example": FAILURES[status]}
        },
    }

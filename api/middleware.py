"""Around every request: its id, its line in the log, errors as JSON, and what a browser of another origin may do."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import orjson
from aiohttp import hdrs, web

from calls.errors import CallroomError, Invalid, RateLimited, Unavailable

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID = "X-Request-Id"
_API = "/v1/"
_ORIGIN = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": f"Retry-After, {REQUEST_ID}"}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID",
    "Access-Control-Max-Age": "86400",
}
_HTTP_ERRORS = {
    404: ("not_found", "Path not found."),
    405: ("method_not_allowed", "This path does not take this method."),
    413: ("body_too_large", "The request is too large."),
}


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, log it, and turn every error into JSON."""
    started = time.monotonic()
    request_id = uuid4().hex
    try:
        response = await handler(request)
    except CallroomError as error:
        response = failure(error)
    except web.HTTPException as error:
        response = _http_failure(error)
    except Exception:
        log.exception("a request failed", extra={"request_id": request_id})
        response = _json(500, {"error": "Something went wrong on this side.", "code": "internal_error"})
    if not response.prepared:
        response.headers[REQUEST_ID] = request_id
    # The route's pattern and not the path itself: a path may hold a phone number.
    resource = request.match_info.route.resource
    fields = {
        "request_id": request_id,
        "method": request.method,
        "route": resource.canonical if resource else "unknown",
        "status": response.status,
        "ms": round((time.monotonic() - started) * 1000, 1),
    }
    log.info("request", extra=fields)
    return response


@web.middleware
async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let pages of any origin ask with a key of theirs: the header that our own cookie needs is not among the named."""
    asks = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    if asks and request.path.startswith(_API):
        return web.Response(status=204, headers=_PREFLIGHT)
    return await handler(request)


async def allow_origin(request: web.Request, response: web.StreamResponse) -> None:
    """Let pages of any origin read the answer (an `on_response_prepare`)."""
    if request.path.startswith(_API):
        response.headers.update(_ORIGIN)


def failure(error: CallroomError) -> web.Response:
    """An error as its answer."""
    body: dict[str, Any] = {"error": str(error), "code": error.code}
    headers: dict[str, str] = {}
    if isinstance(error, Invalid):
        body["details"] = [{"path": field.path, "message": field.message} for field in error.details]
    if isinstance(error, RateLimited | Unavailable):
        headers[hdrs.RETRY_AFTER] = str(error.retry_after)
    if error.status == web.HTTPUnauthorized.status_code:
        headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return _json(error.status, body, headers)


def _http_failure(error: web.HTTPException) -> web.StreamResponse:
    code, sentence = _HTTP_ERRORS.get(error.status, ("http_error", error.reason))
    kept: dict[str, str] = {hdrs.ALLOW: error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}
    return _json(error.status, {"error": sentence, "code": code}, kept)


def _json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json", headers=headers)

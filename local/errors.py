"""Errors in the shape of the service whose protocol was spoken."""

import logging
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """A request that is not served. `param` is the field that is to blame, if one is."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code


def _deepgram(refused: Refused) -> web.Response:
    code = refused.code or ("INVALID_QUERY_PARAMETER" if refused.param else "Bad Request")
    body = {"err_code": code, "err_msg": str(refused), "request_id": str(uuid.uuid4())}
    return web.json_response(body, status=refused.status)


def _openai(refused: Refused) -> web.Response:
    kind = "invalid_request_error" if refused.status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    error = {"message": str(refused), "type": kind, "param": refused.param, "code": refused.code}
    return web.json_response({"error": error}, status=refused.status)


CLIENT_GONE = 499


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    shape = _deepgram if request.path == "/v1/listen" else _openai
    try:
        return await handler(request)
    except Refused as refused:
        return shape(refused)
    except web.HTTPException as error:
        return shape(Refused(f"{request.method} {request.path}: {error.reason}", status=error.status))
    except (ConnectionError, TimeoutError):
        if request.transport is not None and not request.transport.is_closing():
            raise
        return web.Response(status=CLIENT_GONE)  # an agent that was interrupted: nobody reads this
    except Exception:
        log.exception("a request failed", extra={"path": request.path})
        return shape(Refused("The local service failed; its log says why.", status=500, code="internal_error"))

"""One call of an HTTP tool: one request, never repeated, to an address that was judged when it was connected to."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from calls.outbound import PrivateAddress, guarded_session
from worker.tools.answer import MAX_QUOTED, checked, read_text
from worker.tools.failed import ToolFailed
from worker.tools.request import Request, Templates, as_text, hidden

_IN_QUERY = {"GET", "DELETE"}
_PLAIN = {"Accept-Encoding": "identity", "User-Agent": "Callroom-Tools/1"}
_REDIRECTS, _FAILURES = 300, 400


@asynccontextmanager
async def asking(timeout_s: float, *, private_addresses: bool) -> AsyncIterator[aiohttp.ClientSession]:
    """A session for requests to a user's server; whatever goes wrong in the block comes out as ToolFailed."""
    try:
        async with asyncio.timeout(timeout_s), guarded_session(private_addresses=private_addresses) as session:
            yield session
    except TimeoutError:
        raise ToolFailed(f"there was no answer within {timeout_s:g} s") from None
    except aiohttp.ClientConnectorError as error:
        refused = isinstance(error.os_error, PrivateAddress)
        raise ToolFailed("its URL leads to a private address" if refused else "its server cannot be reached") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ToolFailed(f"there was no whole answer: {type(error).__name__}") from None


class HttpFunction:
    """An HTTP tool of an agent."""

    def __init__(self, method: str, templates: Templates, timeout_s: float, *, private_addresses: bool) -> None:
        self._method = method
        self._templates = templates
        self._timeout_s = timeout_s
        self._private_addresses = private_addresses

    async def call(self, arguments: Mapping[str, Any], key: str) -> str:
        """What the server answered, a bounded text; `key` names this call for it. Raises ToolFailed."""
        request = await self._templates.fill(arguments)
        async with asking(self._timeout_s, private_addresses=self._private_addresses) as session:
            # The session's own time-out is for webhooks; the deadline is above.
            patient = aiohttp.ClientTimeout(total=None)
            sent = session.request(self._method, request.url, **self._body(request, key), timeout=patient)
            async with sent as response:
                return await _read(response, request)
        raise AssertionError  # the block above returns or raises

    def _body(self, request: Request, key: str) -> dict[str, Any]:
        headers = {**_PLAIN, **request.headers, "Idempotency-Key": key, "Accept": "application/json, text/*;q=0.9"}
        options: dict[str, Any] = {"headers": headers, "allow_redirects": False}
        if self._method in _IN_QUERY:
            return options | {"params": {name: as_text(value) for name, value in request.rest.items()}}
        return options | {"json": request.rest}


async def _read(response: aiohttp.ClientResponse, request: Request) -> str:
    if _REDIRECTS <= response.status < _FAILURES:
        raise ToolFailed(f"the server redirects elsewhere (HTTP status {response.status}), which is not followed")
    text = hidden(await read_text(response), request.shown)
    if response.status >= _FAILURES:
        raise ToolFailed(f"HTTP status {response.status}", text[:MAX_QUOTED].strip())
    return checked(text, response.content_type)

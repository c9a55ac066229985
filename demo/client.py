"""A client of the API, as small as the demonstration needs it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

Json = dict[str, Any]


class Client:
    """Requests to one api with one key; an answer that is no success raises ApiError."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}

    async def post(self, path: str, body: Json) -> Json:
        async with self._session.post(self._url + path, json=body, headers=self._headers) as response:
            return await _answer(response)

    async def put(self, path: str, body: Json) -> Json:
        async with self._session.put(self._url + path, json=body, headers=self._headers) as response:
            return await _answer(response)

    async def get(self, path: str) -> Json:
        async with self._session.get(self._url + path, headers=self._headers) as response:
            return await _answer(response)

    async def download(self, link: str) -> bytes:
        """What a signed link gives; it needs no key."""
        async with self._session.get(link) as response:
            response.raise_for_status()
            return await response.read()

    async def stream(self, call_id: str) -> AsyncIterator[tuple[str, Json]]:
        """The call's events and segments as they are written: pairs of `event`, `segment` or `end`, and the data."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
        url = f"{self._url}/v1/calls/{call_id}/stream"
        async with self._session.get(url, headers=self._headers, timeout=timeout) as response:
            response.raise_for_status()
            kind = ""
            async for line in response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)


class ApiError(Exception):
    """The api refused; the text is its own."""


async def _answer(response: aiohttp.ClientResponse) -> Json:
    body = await response.text()
    if not response.ok:
        raise ApiError(f"{response.method} {response.url.path}: {response.status} {body}")
    return dict(json.loads(body))

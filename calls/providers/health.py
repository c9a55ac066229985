"""Whether a provider answers, as far as that shows without a call: never its key, nor what it said, in a message."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

import aiohttp

from calls.providers.choice import Kind
from calls.providers.endpoints import Endpoint, Protocol
from calls.providers.installed import installed_version

WITHIN_S = 3  # in which this process ran: while the machine stands still, nobody can answer
_PARTS = 10  # of it, each of which a standstill may use up
# Each is cheap, and says 401 to a wrong key: of Deepgram, the list of models is public. A server that has none of
# this, as Callroom's own ears, says 404, and so that it is there.
_PATHS: dict[Protocol, str] = {"deepgram": "auth/token", "openai": "models"}
_SCHEMES: dict[Protocol, str] = {"deepgram": "Token", "openai": "Bearer"}
_WHAT: dict[Kind, str] = {"stt": "Speech recognition", "llm": "The language model", "tts": "The voice"}


class Health(StrEnum):
    """What is known of a provider."""

    OK = "ok"
    SILENT = "does not answer"
    REFUSES = "does not accept the key"
    KEYLESS = "has no key"
    MISSING = "is not installed"
    UNASKED = "not asked"  # not yet; or never, of a plugin, of which only LiveKit's agents know where it asks

    @property
    def works(self) -> bool:
        """Whether nothing is known against it."""
        return self in {Health.OK, Health.UNASKED}


@dataclass(frozen=True)
class Unreachable:
    """A provider that an agent names and that does not work; `replaced`, if the next of its list takes over."""

    kind: Kind
    name: str
    health: Health
    replaced: bool

    @property
    def message(self) -> str:
        """A sentence for people."""
        after = (
            "the next one of the agent's list takes over" if self.replaced else "there is no conversation until it does"
        )
        if self.health in {Health.KEYLESS, Health.MISSING}:
            after = "the call fails"
        return f"{described(self.kind, self.name, self.health)}: {after}."


def described(kind: Kind, name: str, health: Health) -> str:
    """The beginning of a sentence, as in "Speech recognition (deepgram) does not answer"."""
    return f"{_WHAT[kind]} ({name}) {health}"


def new_session() -> aiohttp.ClientSession:
    """What providers are asked over, for `health_of`."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(), cookie_jar=aiohttp.DummyCookieJar())


async def health_of(http: aiohttp.ClientSession, places: Mapping[str, Endpoint], name: str) -> Health:
    """Ask one of the `places` of a kind, or look for a plugin of that name; known within three seconds of running."""
    place = places.get(name)
    if place is None:
        return Health.MISSING if await asyncio.to_thread(installed_version, name) is None else Health.UNASKED
    if place.lacks:
        return Health.KEYLESS
    asking = asyncio.create_task(_ask(http, place))
    try:
        for _ in range(_PARTS):
            if (await asyncio.wait([asking], timeout=WITHIN_S / _PARTS))[0]:
                return asking.result()
    finally:
        asking.cancel()
    return Health.SILENT


async def _ask(http: aiohttp.ClientSession, place: Endpoint) -> Health:
    key = place.key.get_secret_value()
    headers = {"Authorization": f"{_SCHEMES[place.protocol]} {key}"} if key else {}
    try:
        async with http.get(f"{place.url}/{_PATHS[place.protocol]}", headers=headers, allow_redirects=False) as answer:
            status = answer.status
    except (aiohttp.ClientError, OSError, ValueError):  # ValueError: no such address
        return Health.SILENT
    # A key that may not list models (403) may still be one that may talk.
    if status == HTTPStatus.UNAUTHORIZED:
        return Health.REFUSES
    return Health.SILENT if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Health.OK

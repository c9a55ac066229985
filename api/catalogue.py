"""What providers say that they have: asked of them, and kept for a minute; what they do not say is not known."""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from calls.providers.choice import Kind
from calls.providers.endpoints import Endpoint
from calls.providers.language import SEVERAL, primary

logger = logging.getLogger(__name__)

TIMEOUT_S = 2
KEPT_S = 60
_UNEXPECTED = (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True)
class Model:
    """One model, under every name that it may be asked for by; without languages, it is not known which it has."""

    names: tuple[str, ...]
    languages: frozenset[str] = frozenset()

    def speaks(self, tag: str) -> bool:
        """Whether it may be asked to use the language."""
        return not self.languages or tag == SEVERAL or bool(self.languages & {tag.lower(), primary(tag).lower()})


@dataclass(frozen=True)
class Listed:
    """What one provider has; None where it does not say."""

    llm: tuple[Model, ...] | None = None
    stt: tuple[Model, ...] | None = None
    voices: tuple[Model, ...] | None = None


class Catalogue:
    """Asks each place once a minute at most."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], tuple[float, asyncio.Task[Listed]]] = {}

    async def ask(self, kind: Kind, place: Endpoint) -> Listed:
        """What is there of a kind; nothing is known if it does not answer in two seconds, or lacks its key."""
        path = _path(kind, place)
        if place.lacks or path is None:
            return Listed()
        asked_at, task = self._asked.get((place.url, path), (-KEPT_S, None))
        if task is None or time.monotonic() - asked_at > KEPT_S:
            task = asyncio.create_task(_ask(place, path))
            self._asked[place.url, path] = time.monotonic(), task
        return await asyncio.shield(task)


def _path(kind: Kind, place: Endpoint) -> str | None:
    """Where a place says what it has of a kind, None if its protocol has no such place."""
    if place.protocol == "deepgram":
        return "models"
    return {"stt": None, "llm": "models", "tts": "audio/voices"}[kind]


async def _ask(place: Endpoint, path: str) -> Listed:
    scheme = "Token" if place.protocol == "deepgram" else "Bearer"
    key = place.key.get_secret_value()
    headers = {"Authorization": f"{scheme} {key}"} if key else {}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), headers=headers) as http:
        answer = await _get(http, f"{place.url}/{path}")
    if place.protocol == "deepgram":
        return _deepgram(answer)
    return Listed(llm=_named(answer, "data")) if path == "models" else Listed(voices=_named(answer, "voices"))


async def _get(http: aiohttp.ClientSession, url: str) -> Any:  # noqa: ANN401 # whatever the server sends
    try:
        async with http.get(url, allow_redirects=False) as answer:
            answer.raise_for_status()
            if answer.status != 200:  # noqa: PLR2004 # a redirect, say: the key is not for where it leads
                return None
            return await answer.json(content_type=None)
    except _UNEXPECTED as error:
        logger.info("a provider did not say what it has", extra={"error": type(error).__name__})
        return None


def _named(listed: Any, field: str) -> tuple[Model, ...] | None:  # noqa: ANN401 # whatever the server sent
    """`{field: [name | {"id" or "name"}]}`."""
    try:
        found = [one if isinstance(one, str) else str(one.get("id") or one["name"]) for one in listed[field]]
    except _UNEXPECTED:
        return None
    return tuple(Model((name, name.removesuffix(":latest"))) for name in sorted(found))


def _deepgram(listed: Any) -> Listed:  # noqa: ANN401 # whatever the server sent
    """`{"stt" | "tts": [{"name", "canonical_name", "architecture", "languages"}]}`."""
    try:
        stt = [one for one in listed["stt"] if one.get("streaming", True)]
        return Listed(stt=_by_name(stt), voices=tuple(_model(one, one["canonical_name"]) for one in listed["tts"]))
    except _UNEXPECTED:
        return Listed()


def _by_name(models: Iterable[Any]) -> tuple[Model, ...]:
    return tuple(
        _model(one, one["canonical_name"], one["architecture"], one["name"], f"{one['architecture']}-{one['name']}")
        for one in models
    )


def _model(one: Any, *names: str) -> Model:  # noqa: ANN401 # whatever the server sent
    languages = frozenset(str(tag).lower() for tag in one.get("languages") or ())
    return Model(tuple(dict.fromkeys(map(str, names))), languages)

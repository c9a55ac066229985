"""A language model that already runs on this machine: an Ollama or LM Studio at its usual address is found and asked.

Of the models that a server lists (OpenAI's `/v1/models`), those are left out that by their names are for something else
than chat, or run in its maker's cloud. Those that think before they speak, or are made for code, are taken only where
there is no other. Of what remains it is the first that the server lists; `CALLROOM_LLM_MODEL` names another.
"""

import asyncio
import json
import re
import threading
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from calls.providers.endpoints import endpoints, own_provider
from stack.settings import StackSettings

WITHIN_S = 3.0  # a machine that starts everything at once is slow; where nobody listens the answer comes at once
LOADED_WITHIN_S = 300

_NO_CHAT = re.compile(
    r"embed|rerank|minilm|whisper|guard|\bclip\b|\b(?:bge|gte|e5|tts|ocr)\b|\b(?:base|text)\b|\bcloud\b", re.IGNORECASE
)
_SECOND_CHOICE = re.compile(r"\br1\b|qwq|qwen3(?!.*instruct)|gpt-oss|think|reason|code", re.IGNORECASE)


@dataclass(frozen=True)
class RunningModel:
    """The model called `name` of the `server` ("Ollama", "LM Studio") with the base URL `url`, ending in `/v1`."""

    server: str
    url: str
    name: str

    def load(self) -> None:
        """Have the server load it meanwhile: that can take longer than a caller waits for the first answer."""
        body = {"model": self.name, "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 1}
        threading.Thread(target=_post, args=(f"{self.url}/chat/completions", body), daemon=True).start()


def running_model(settings: StackSettings) -> RunningModel | None:
    """The one that is there, None if there is none or the settings choose a model: it is known within a second."""
    if not settings.seeks_model:
        return None
    servers = {"Ollama": settings.ollama_url.rstrip("/"), "LM Studio": settings.lm_studio_url.rstrip("/")}
    lists = asyncio.run(_lists(list(servers.values())))
    for (server, url), names in zip(servers.items(), lists, strict=True):
        if name := _chosen(names, settings.llm_model):
            return RunningModel(server, url, name)
    return None


def which_speaks(settings: StackSettings, found: RunningModel | None) -> str:
    """Which language model speaks for agents that name none, in one line."""
    if found is not None:
        return f"Language model: {found.name} of {found.server} at {found.url}, which was found running."
    if settings.seeks_model:
        return (
            "Language model: the tiny one that comes along. Ollama or LM Studio, if one runs here, brings a better one."
        )
    if "CALLROOM_LLM_URL" in settings.local_services:
        return f"Language model: the file {settings.local_llm}, on this machine."
    own = own_provider(settings, "llm")
    place = endpoints(settings, "llm").get(own)
    if place is None:
        return f"Language model: {settings.llm_model or 'the usual one'} of LiveKit's plugin {own}."
    return f"Language model: {place.model} of {own} at {place.url}."


def _chosen(names: list[str], wanted: str | None) -> str | None:
    if wanted is not None:
        return next((name for name in names if name in {wanted, f"{wanted}:latest"}), None)
    chat = [name for name in names if not _NO_CHAT.search(name.replace("_", "-"))]
    return min(chat, key=lambda name: bool(_SECOND_CHOICE.search(name)), default=None)


async def _lists(urls: list[str]) -> list[list[str]]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(WITHIN_S)) as http:
        return await asyncio.gather(*(_listed(http, url) for url in urls))


async def _listed(http: aiohttp.ClientSession, url: str) -> list[str]:
    """The names of a server's models, none if it does not answer as such a server does."""
    try:
        async with http.get(f"{url}/models", allow_redirects=False) as answer:
            answer.raise_for_status()
            listed = await answer.json(content_type=None)
            return [str(model["id"]) for model in listed["data"]]
    except (aiohttp.ClientError, OSError, ValueError, LookupError, TypeError):  # OSError: also that time is up
        return []


def _post(url: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310 # http or https, by the setting
    with suppress(OSError, ValueError), urllib.request.urlopen(request, timeout=LOADED_WITHIN_S) as answer:  # noqa: S310 # the same
        answer.read()

"""The tools of an agent as they are configured: HTTP functions, and MCP servers with tools of their own."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator

from calls.addresses import MAX_URL
from calls.analysis import json_schema
from calls.config import Config, is_stored

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

# What the agent can do by itself: `worker/speaker/agent.py`.
OWN_TOOLS = frozenset({"end_call", "send_dtmf", "transfer_call"})

MOST_TOOLS = 64
MOST_SERVERS = 8
MAX_NAME = 64

# `{{secrets.NAME}}` and `{{arguments.NAME}}`; all else in braces is a variable of the call.
PLACE = re.compile(r"\{\{\s*(?P<of>secrets|arguments)\.(?P<name>[\w-]+)\s*\}\}")
_ANY_PLACE = re.compile(r"\{\{[^{}]*\}\}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
# What the connection is made of, or what we ourselves say.
_OURS = {
    *("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"),
    *("accept", "accept-encoding", "content-type", "idempotency-key", "mcp-session-id", "mcp-protocol-version"),
}

# Google's models want a name that begins so, OpenAI's one that goes on so.
ToolName = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z_][A-Za-z0-9_-]{{0,{MAX_NAME - 1}}}$")]
Timeout = Annotated[int, Field(ge=1, le=120)]


def _url(url: str) -> str:
    bare = _ANY_PLACE.sub("x", url)
    try:
        parts, whole = urlsplit(bare), urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or not bare.isprintable() or " " in bare:
        raise ValueError("expected an http:// or https:// URL")
    if not host.isascii():
        raise ValueError("expected a host in ASCII, as xn--…")
    if "{" in whole.scheme + whole.netloc:
        raise ValueError("expected a host that is written out: nothing is filled in before the path")
    if parts.username is not None or parts.fragment:
        raise ValueError("expected a URL without a user's name and without a fragment")
    return url


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            raise ValueError(f"expected names of HTTP headers: {name[:100]!r} is none")
        if name.lower() in _OURS:
            raise ValueError(f"expected headers of your own: {name} is set by itself")
        if not value.isprintable():
            raise ValueError(f"expected values without line breaks and the like: that of {name} has some")
    if twice := _twice(name.lower() for name in headers):
        raise ValueError(f"expected each header once: {twice} comes twice")
    return headers


Url = Annotated[str, StringConstraints(max_length=MAX_URL), AfterValidator(_url)]
Headers = Annotated[
    dict[Annotated[str, StringConstraints(max_length=100)], Annotated[str, StringConstraints(max_length=4000)]],
    Field(max_length=20),
    AfterValidator(_headers),
]

_URL_FIELD: Any = Field(
    description="Variables of the call and `{{secrets.NAME}}` are filled in behind the host, escaped.",
    examples=["https://api.example.com/orders/{{arguments.number}}"],
)
_HEADERS_FIELD: Any = Field(
    {},
    description="Variables of the call and `{{secrets.NAME}}` are filled in.",
    examples=[{"Authorization": "Bearer {{secrets.SHOP_KEY}}"}],
)
_MEANWHILE_FIELD: Any = Field(
    None,
    description="What the agent says when the answer takes longer than a second; null: its own phrase.",
    examples=["Let me look that up."],
)
Meanwhile = Annotated[str, StringConstraints(max_length=500)]


class HttpTool(Config):
    """A function that the agent's language model may call: one HTTP request."""

    name: ToolName = Field(description="What the model calls it by.", examples=["look_up_order"])
    description: Annotated[str, StringConstraints(max_length=4000)] = Field(
        "", description="What it does and when to use it, for the model.", examples=["Finds an order by its number."]
    )
    parameters: dict[str, Any] = Field(
        {"type": "object", "properties": {}},
        description=(
            "JSON Schema of the arguments. They are sent as query parameters with GET and DELETE, else as a JSON body; "
            "those that the URL names as `{{arguments.NAME}}` stand there instead."
        ),
    )
    url: Url = _URL_FIELD
    method: Method = Field("POST", description="That of the request.")
    headers: Headers = _HEADERS_FIELD
    timeout_s: Timeout = Field(10, description="Seconds after which the model is told that there is no answer.")
    meanwhile: Meanwhile | None = _MEANWHILE_FIELD

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in OWN_TOOLS:
            raise ValueError(f"expected a name that no tool of the agent's own has: {', '.join(sorted(OWN_TOOLS))}")
        return name

    @field_validator("parameters")
    @classmethod
    def _check(cls, schema: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if not is_stored(info):
            json_schema.check(schema)
        return schema


class McpServer(Config):
    """A server of the Model Context Protocol, over streamable HTTP, whose tools the model may call."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,31}$")] = Field(
        description="Stands before the names of its tools: `shop` makes `look_up` to `shop_look_up`.", examples=["shop"]
    )
    url: Url = _URL_FIELD
    headers: Headers = _HEADERS_FIELD
    timeout_s: Timeout = Field(10, description="Seconds that one call of a tool may take.")
    meanwhile: Meanwhile | None = _MEANWHILE_FIELD


class AgentTools(Config):
    """What an agent may ask of other people's servers."""

    tools: list[HttpTool] = Field([], max_length=MOST_TOOLS, description="HTTP functions that the agent may call.")
    mcp_servers: list[McpServer] = Field(
        [], max_length=MOST_SERVERS, description="MCP servers whose tools the agent may call."
    )

    @field_validator("tools", "mcp_servers")
    @classmethod
    def _are_unique(cls, value: list[Any]) -> list[Any]:
        if twice := _twice(one.name for one in value):
            raise ValueError(f"expected each name once: {twice} comes twice")
        return value


class Place(NamedTuple):
    """A template of a tool's: the field that it is, the URL that it is sent to, the secrets that it names."""

    path: str
    url: str
    secrets: list[str]


def places(config: AgentTools) -> Iterator[Place]:
    """Every template of the tools."""
    for field in ("tools", "mcp_servers"):
        for index, one in enumerate(getattr(config, field)):
            yield Place(f"{field}[{index}].url", one.url, secrets_in(one.url))
            for name, template in one.headers.items():
                yield Place(f"{field}[{index}].headers.{name}", one.url, secrets_in(template))


def secrets_in(template: str) -> list[str]:
    """The names of the secrets that it names."""
    return [found["name"] for found in PLACE.finditer(template) if found["of"] == "secrets"]


def without_places(url: str) -> str:
    """The URL with something in each place, to be judged by its host."""
    return _ANY_PLACE.sub("x", url)


def host_of(url: str) -> str:
    """The host, in lower case: no template reaches it."""
    return (urlsplit(without_places(url)).hostname or "").rstrip(".")


def is_plain(url: str) -> bool:
    """Whether what is sent there can be read on its way."""
    return urlsplit(without_places(url)).scheme == "http"


def _twice(names: Iterator[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)

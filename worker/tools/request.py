"""From the templates of a tool to what is sent: URL and headers, with the call's variables and the tenant's secrets."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

import prompts
from calls.database.encryption import Keyring
from calls.database.engine import Database
from calls.errors import DatabaseAway, SecretUnreadable
from calls.tools.config import PLACE, host_of, is_plain
from calls.tools.secrets import Secret, read_secrets
from worker.tools.failed import ToolFailed

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UPWARDS = {".", ".."}


class Secrets:
    """The secrets of a call's tenant, as they are now: one that is replaced is the new one in the same call."""

    def __init__(self, database: Database, keyring: Keyring, tenant_id: str) -> None:
        self._database = database
        self._keyring = keyring
        self._tenant_id = tenant_id
        self._known: dict[str, Secret] = {}

    async def read(self) -> None:
        """Look them up; a database that is away leaves what was known before."""
        try:
            async with self._database.reading() as connection:
                self._known = await read_secrets(connection, self._tenant_id)
        except DatabaseAway:
            return

    def value(self, name: str, host: str) -> str:
        """The secret for this host. Raises ToolFailed if there is none for it."""
        secret = self._known.get(name)
        if secret is None:
            raise ToolFailed(f"the secret {name} is not there")
        if secret.host != host:
            raise ToolFailed(f"the secret {name} is of another host")
        try:
            return self._keyring.decrypt(secret.value)
        except SecretUnreadable:
            raise ToolFailed(f"the secret {name} cannot be read") from None


@dataclass(frozen=True)
class Request:
    """What is sent; `rest` are the arguments that the URL does not have already, `shown` the secrets that are in it."""

    url: str
    headers: dict[str, str]
    rest: dict[str, Any]
    shown: dict[str, str]


class Templates:
    """The URL and the headers of one tool.

    Args:
        variables: of the call.
        plain_http: whether secrets may be sent over `http://`.
        on_unknown: told the names of variables that the call does not have; they are filled in as nothing.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        variables: Mapping[str, Any],
        secrets: Secrets,
        *,
        plain_http: bool,
        on_unknown: Callable[[list[str]], None],
    ) -> None:
        self._url = url
        self._headers = headers
        self._variables = variables
        self._in_url = _escaped(variables)
        self._secrets = secrets
        self._plain_http = plain_http
        self._on_unknown = on_unknown
        self._with_secrets = any(
            place["of"] == "secrets" for text in (url, *headers.values()) for place in PLACE.finditer(text)
        )

    async def fill(self, arguments: Mapping[str, Any]) -> Request:
        """What is to be sent for these arguments of the model's. Raises ToolFailed if that cannot be made."""
        host = host_of(self._url)
        if self._with_secrets:
            if is_plain(self._url) and not self._plain_http:
                raise ToolFailed("secrets are not sent over plain http://")
            await self._secrets.read()
        filling = _Filling(arguments, self._secrets, host)
        url = filling.fill(self._url, self._in_url, _quoted)
        headers = {name: _in_one_line(filling.fill(text, self._variables, str)) for name, text in self._headers.items()}
        if filling.unknown:
            self._on_unknown(list(filling.unknown))
        # A variable or an argument is one step of the path and never leads elsewhere on that server.
        if host_of(url) != host or not _UPWARDS.isdisjoint(unquote(urlsplit(url).path).split("/")):
            raise ToolFailed("what was filled into the URL leads elsewhere")
        rest = {name: value for name, value in arguments.items() if name not in filling.used}
        return Request(url, headers, rest, filling.shown)


class _Filling:
    """The filling of one request's templates, and what went into them."""

    def __init__(self, arguments: Mapping[str, Any], secrets: Secrets, host: str) -> None:
        self._arguments = arguments
        self._secrets = secrets
        self._host = host
        self.shown: dict[str, str] = {}  # secrets
        self.used: set[str] = set()  # arguments
        self.unknown: dict[str, None] = {}  # variables

    def fill(self, template: str, variables: Mapping[str, Any], escape: Callable[[str], str]) -> str:
        """In one pass: what is filled in is never read as a template."""
        text, at = "", 0
        for place in PLACE.finditer(template):
            given = self._secret(place["name"]) if place["of"] == "secrets" else self._argument(place["name"])
            text += self._rendered(template[at : place.start()], variables) + escape(given)
            at = place.end()
        return text + self._rendered(template[at:], variables)

    def _secret(self, name: str) -> str:
        self.shown[name] = self._secrets.value(name, self._host)
        return self.shown[name]

    def _argument(self, name: str) -> str:
        if name not in self._arguments:
            raise ToolFailed("an argument that the URL needs is missing", name)
        self.used.add(name)
        return as_text(self._arguments[name])

    def _rendered(self, template: str, variables: Mapping[str, Any]) -> str:
        text, names = prompts.render(template, variables)
        self.unknown.update(dict.fromkeys(names))
        return text


def as_text(value: Any) -> str:  # noqa: ANN401 - JSON
    """A value as it stands in a URL."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def hidden(text: str, shown: Mapping[str, str]) -> str:
    """The text without secrets, should the server have repeated them, as they are or as URLs or JSON have them."""
    for name, value in shown.items():
        for form in (value, _quoted(value), quote(value), quote_plus(value), json.dumps(value)[1:-1]):
            text = text.replace(form, f"[{name}]")
    return text


def _escaped(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The same with every text as a URL has it."""
    match value:
        case str():
            return _quoted(value)
        case Mapping():
            return {name: _escaped(inner) for name, inner in value.items()}
        case list():
            return [_escaped(inner) for inner in value]
        case _:
            return value


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _in_one_line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()

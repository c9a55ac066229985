"""Tools of a call, without the call: what they send, and what they make of what comes back."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from calls.database.encryption import Keyring
from calls.database.engine import DEFAULT_TENANT, Database
from calls.tools.secrets import put_secret
from worker.tools.request import Secrets, Templates

MakeTemplates = Callable[..., Templates]
PutSecret = Callable[..., Awaitable[None]]


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    opened = Database(sqlite_url)
    yield opened
    await opened.close()


@pytest.fixture
def unknown() -> list[str]:
    """The names of variables that the call did not have."""
    return []


@pytest.fixture
def templates(database: Database, keyring: Keyring, unknown: list[str]) -> MakeTemplates:
    """`templates(url, headers, variables)` of the tenant `default`."""

    def make(
        url: str,
        headers: Mapping[str, str] | None = None,
        variables: Mapping[str, Any] | None = None,
        *,
        plain_http: bool = True,
    ) -> Templates:
        secrets = Secrets(database, keyring, DEFAULT_TENANT)
        options: dict[str, Any] = {"plain_http": plain_http, "on_unknown": unknown.extend}
        return Templates(url, headers or {}, variables or {}, secrets, **options)

    return make


@pytest.fixture
def secret(database: Database, keyring: Keyring) -> PutSecret:
    """`await secret("NAME", value, host)`."""

    async def put(name: str, value: str, host: str, tenant_id: str = DEFAULT_TENANT) -> None:
        async with database.writing() as connection:
            await put_secret(connection, keyring, tenant_id, name, value=value, host=host)

    return put

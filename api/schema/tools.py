"""The secrets of agents' tools."""

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from api.schema.common import Answer, CreatedAt, Request, UpdatedAt

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


def _host(text: str) -> str:
    """A host name or an address in lower case; ValueError if it is none."""
    host = text.lower().rstrip(".").removeprefix("[").removesuffix("]")
    try:
        return str(ip_address(host))
    except ValueError:
        if not all(_LABEL.fullmatch(label) for label in host.split(".")):
            raise ValueError("expected the name of a host alone, as in api.example.com") from None
    return host


Host = Annotated[str, StringConstraints(min_length=1, max_length=253), AfterValidator(_host)]
# It may stand in a header, so it is one line.
SecretValue = Annotated[
    str, StringConstraints(min_length=1, max_length=4000, pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")
]


class PutToolSecret(Request):
    """Body of `PUT /v1/tool-secrets/:name`."""

    value: SecretValue = Field(description="Printable ASCII; never given back.", examples=["sk_live_..."])
    host: Host = Field(description="The only host that it is sent to.", examples=["api.example.com"])


class ToolSecret(Answer):
    """A secret without its value."""

    name: str = Field(description="What tools name it by: `{{secrets.NAME}}`.", examples=["SHOP_KEY"])
    host: str = Field(description="The only host that it is sent to.", examples=["api.example.com"])
    created_at: CreatedAt
    updated_at: UpdatedAt


class ToolSecrets(Answer):
    """All secrets of the tenant, by name."""

    secrets: list[ToolSecret] = Field(description="All of them.")

"""Keys: secret ones for servers, publishable ones for browsers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from api.schema.common import Answer, Id, Label, Phone, Request

Audience = Literal["sdk", "landing_demo"]
Channel = Literal["web", "phone"]
KeyKind = Annotated[str, StringConstraints(min_length=1, max_length=40)]
Scope = Annotated[str, StringConstraints(min_length=1, max_length=100)]


def _each_once(channels: list[Channel]) -> list[Channel]:
    if len(set(channels)) != len(channels):
        raise ValueError("expected each channel once")
    return channels


Channels = Annotated[list[Channel], Field(min_length=1, max_length=2), AfterValidator(_each_once)]


class CreatePublishableKey(Request):
    """Body of `POST /v1/keys/publishable`."""

    agent_id: Id = Field(description="The one agent that the key may call.")
    label: Label = Field(examples=["Landing page"])
    allowed_channels: Channels = Field(["web"], description="`web` for browsers, `phone` for phone calls.")
    audience: Audience = "sdk"
    default_from_number: Phone | None = Field(None, description="Caller ID of the key's phone calls.")


class PublishableKey(Answer):
    """A key for browsers, without the key itself."""

    id: str
    key_prefix: str = Field(examples=["sb_publishable_3fYk"])
    agent_id: str
    label: str
    allowed_channels: list[Channel]
    audience: Audience
    default_from_number: str | None
    created_at: datetime
    last_used_at: datetime | None = Field(description="When it was last used, to a minute; null: never.")


class CreatedPublishableKey(PublishableKey):
    """The only answer that has the key itself."""

    key: str


class PublishableKeys(Answer):
    """The tenant's publishable keys that are not revoked."""

    keys: list[PublishableKey]


class CreateApiKey(Request):
    """Body of `POST /v1/auth/api-keys`. Every secret key may do everything: `kind` and `scopes` are only kept."""

    label: Label = Field("", examples=["Backend"])
    kind: KeyKind | None = Field(None, examples=["workspace"])
    scopes: list[Scope] | None = Field(None, max_length=100)


class ApiKey(Answer):
    """A secret key, without the key itself."""

    id: str
    key_prefix: str
    label: str
    kind: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None = Field(description="When it was last used, to a minute; null: never.")
    is_current: bool = Field(description="Whether this very request was made with it, or with a session of it.")


class CreatedApiKey(ApiKey):
    """The only answer that has the key itself."""

    key: str


class ApiKeys(Answer):
    """The tenant's secret keys that are not revoked."""

    keys: list[ApiKey]


class Me(Answer):
    """The tenant behind the key."""

    id: str
    name: str
    metered: bool
    credits: float = Field(description="Dollars; only a metered tenant needs them.")


class KeySelf(Answer):
    """The key of this very request."""

    kind: str
    scopes: list[str]

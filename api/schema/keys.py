"""Keys: secret ones for servers, publishable ones for browsers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from api.schema.common import E164, Answer, CreatedAt, Id, Label, Phone, Request, Uuid

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
    label: Label = Field(description="What it is for, for your eyes.", examples=["Landing page"])
    allowed_channels: Channels = Field(
        ["web"], description="`web`: calls of browsers (`transport` `webrtc`); `phone`: phone calls (`pstn`)."
    )
    audience: Audience = Field("sdk", description="Kept and given back; nothing depends on it.")
    default_from_number: Phone | None = Field(None, description="Caller ID of the key's phone calls.")


class PublishableKey(Answer):
    """A key for browsers, without the key itself."""

    id: Uuid = Field(description="Names the key in paths.")
    key_prefix: str = Field(description="How the key begins, to know it again by.", examples=["sb_publishable_3fYk"])
    agent_id: Uuid = Field(description="The one agent that the key may call.")
    label: str = Field(description="What it is for, for your eyes.")
    allowed_channels: list[Channel] = Field(
        description="`web`: calls of browsers (`transport` `webrtc`); `phone`: phone calls (`pstn`)."
    )
    audience: Audience = Field(description="As it was given; nothing depends on it.")
    default_from_number: E164 | None = Field(description="Caller ID of its phone calls; null: your oldest number.")
    created_at: CreatedAt
    last_used_at: datetime | None = Field(description="When it was last used, to a minute; null: never.")


class CreatedPublishableKey(PublishableKey):
    """The only answer that has the key itself."""

    key: str = Field(description="The key; it is never shown again.")


class PublishableKeys(Answer):
    """The tenant's publishable keys that are not revoked."""

    keys: list[PublishableKey] = Field(description="All of them, the oldest first.")


class CreateApiKey(Request):
    """Body of `POST /v1/auth/api-keys`. Every secret key may do everything: `kind` and `scopes` are only kept."""

    label: Label = Field("", description="What it is for, for your eyes.", examples=["Backend"])
    kind: KeyKind | None = Field(
        None, description="Kept and given back; nothing depends on it.", examples=["workspace"]
    )
    scopes: list[Scope] | None = Field(None, max_length=100, description="The same.")


class ApiKey(Answer):
    """A secret key, without the key itself."""

    id: Uuid = Field(description="Names the key in paths.")
    key_prefix: str = Field(description="How the key begins, to know it again by.")
    label: str = Field(description="What it is for, for your eyes.")
    kind: str = Field(description="As it was given, else `secret`.")
    scopes: list[str] = Field(description="As they were given, else `*`: every secret key may do everything.")
    created_at: CreatedAt
    last_used_at: datetime | None = Field(description="When it was last used, to a minute; null: never.")
    is_current: bool = Field(description="Whether this very request was made with it, or with a session of it.")


class CreatedApiKey(ApiKey):
    """The only answer that has the key itself."""

    key: str = Field(description="The key; it is never shown again.")


class ApiKeys(Answer):
    """The tenant's secret keys that are not revoked."""

    keys: list[ApiKey] = Field(description="All of them, the oldest first.")


class Me(Answer):
    """The tenant behind the key."""

    id: str = Field(description="The tenant's id.", examples=["default"])
    name: str = Field(description="The tenant's name.")
    metered: bool = Field(description="Whether its calls cost credits.")
    credits: float = Field(description="Dollars; only a metered tenant needs them.")


class KeySelf(Answer):
    """The key of this very request."""

    kind: str = Field(description="As it was given when the key was made, else `secret`.")
    scopes: list[str] = Field(description="As they were given, else `*`.")

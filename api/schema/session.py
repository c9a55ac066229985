"""Sessions of browsers."""

from datetime import datetime

from pydantic import Field

from api.schema.common import Answer, Request


class BeginSession(Request):
    """Body of `POST /v1/session`."""

    key: str = Field(
        min_length=1, max_length=200, description="A secret key; it is in no answer.", examples=["sb_secret_9aLmP0..."]
    )


class SessionTenant(Answer):
    """Whose key it is."""

    id: str = Field(description="The tenant's id.", examples=["default"])
    name: str = Field(description="The tenant's name.")


class Session(Answer):
    """Who is signed in, and what for."""

    tenant: SessionTenant = Field(description="For whom the key speaks.")
    rights: list[str] = Field(description="What may be done with it; `*` is everything.", examples=[["*"]])
    expires_at: datetime | None = Field(
        description="When the session ends by itself, seven days after it began, or after this was asked in the second "
        "half of its time; null for a request with a key.",
    )

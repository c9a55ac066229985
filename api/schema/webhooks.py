"""Endpoints of the user's own server."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from api.schema.common import (
    Answer,
    CreatedAt,
    JsonObject,
    Limit,
    Offset,
    Request,
    Total,
    UpdatedAt,
    Uuid,
    one_of,
    without_defaults,
)
from calls.addresses import MAX_URL
from calls.tenants.webhooks import TEST_EVENT, DeliveryStatus, WebhookEvent

# Where it leads is looked at by `calls.addresses`; the pattern is what all have.
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_URL),
    Field(json_schema_extra={"format": "uri", "pattern": r"^https?://[^\s]+$"}),
]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Email = Annotated[str, StringConstraints(min_length=1, max_length=320)]
SENT = (*WebhookEvent, TEST_EVENT)
Events = Annotated[list[WebhookEvent], Field(min_length=1, max_length=50)]


class CreateWebhook(Request):
    """Body of `POST /v1/webhooks`."""

    url: Url = Field(description="Where your server takes messages by POST.", examples=["https://example.com/hooks"])
    events: Events = Field(description="What it is told of.", examples=[["call.completed", "call.intelligence.ready"]])
    secret: Secret | None = Field(None, description="Signs what is sent; made if none is given.")
    alert_email: Email | None = Field(None, description="Kept, and never written to.")


class UpdateWebhook(Request):
    """Body of `PATCH /v1/webhooks/:id`: only the given fields change."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    url: Url = Field("unchanged", description="The new address.")
    events: Events = Field([], description="All events from now on.")
    secret: Secret = Field("unchanged", description="The new secret; the old one signs beside it for a day.")
    active: bool = Field(default=True, description="Whether anything is sent.")
    alert_email: Email | None = Field(None, description="Kept, and never written to.")

    def changes(self) -> dict[str, Any]:
        """The given fields."""
        return self.model_dump(include=self.model_fields_set)


class Webhook(Answer):
    """An endpoint, without its secret."""

    id: Uuid = Field(description="Names the endpoint in paths.")
    url: str = Field(description="Where messages are sent.")
    events: list[WebhookEvent] = Field(description="What it is told of.")
    active: bool = Field(description="Whether anything is sent.")
    alert_email: str | None = Field(description="As it was given; never written to.")
    created_at: CreatedAt
    updated_at: UpdatedAt


class WebhookWithSecret(Webhook):
    """The only answers that have the secret: creation and rotation."""

    secret: str = Field(description="Signs what is sent; it is never shown again.", examples=["whsec_..."])


class WebhookPage(Answer):
    """A page of endpoints, the oldest first."""

    webhooks: list[Webhook] = Field(description="Those of this page.")
    total: Total
    offset: Offset
    limit: Limit


class Delivery(Answer):
    """One message to one endpoint, and what became of it."""

    id: Uuid = Field(description="The message's id, also in its body and in `X-Callroom-Delivery`.")
    webhook_id: Uuid = Field(description="The endpoint that it is for.")
    call_id: Uuid | None = Field(description="The call that it tells of; null: of none.")
    event: Annotated[str, one_of(SENT)] = Field(description="What happened.", examples=["call.completed"])
    payload: JsonObject = Field(description="The body that is sent, the same in every attempt: a `…Message`.")
    status: DeliveryStatus = Field(description="`pending`: still being tried; `failed`: given up after a day.")
    attempts: int = Field(description="How often it was sent.")
    response_status: int | None = Field(description="The status of your server's last answer; null: there was none.")
    response_body: str | None = Field(description="How the last answer's body begins: 1,000 bytes; null without one.")
    error: str | None = Field(description="Why the last attempt failed; null: it has not.")
    created_at: CreatedAt
    delivered_at: datetime | None = Field(description="When your server took it; null: it has not yet.")


class DeliveryPage(Answer):
    """A page of messages, the newest first."""

    deliveries: list[Delivery] = Field(description="Those of this page.")
    total: Total
    offset: Offset
    limit: Limit

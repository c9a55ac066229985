"""Endpoints of the user's own server."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from api.schema.common import Answer, JsonObject, Request
from calls.tenants.webhooks import DeliveryStatus, WebhookEvent

Url = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Email = Annotated[str, StringConstraints(min_length=1, max_length=320)]
Events = Annotated[list[WebhookEvent], Field(min_length=1, max_length=50)]


class CreateWebhook(Request):
    """Body of `POST /v1/webhooks`."""

    url: Url = Field(examples=["https://example.com/hooks"])
    events: Events = Field(examples=[["call.completed", "call.intelligence.ready"]])
    secret: Secret | None = Field(None, description="Signs what is sent; made if none is given.")
    alert_email: Email | None = Field(None, description="Kept, and never written to.")


class UpdateWebhook(Request):
    """Body of `PATCH /v1/webhooks/:id`: only the given fields change."""

    url: Url = Field("unchanged", description="The new address.")
    events: Events = Field([], description="All events from now on.")
    secret: Secret = Field("unchanged", description="The new secret; the old one signs beside it for a day.")
    active: bool = Field(default=True, description="Whether anything is sent.")
    alert_email: Email | None = None

    def changes(self) -> dict[str, Any]:
        """The given fields."""
        return self.model_dump(include=self.model_fields_set)


class Webhook(Answer):
    """An endpoint, without its secret."""

    id: str
    url: str
    events: list[str]
    active: bool
    alert_email: str | None
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(Webhook):
    """The only answers that have the secret: creation and rotation."""

    secret: str


class WebhookPage(Answer):
    """A page of endpoints, the oldest first."""

    webhooks: list[Webhook]
    total: int
    offset: int
    limit: int


class Delivery(Answer):
    """One message to one endpoint, and what became of it."""

    id: str
    webhook_id: str
    call_id: str | None
    event: str = Field(examples=["call.completed"])
    payload: JsonObject
    status: DeliveryStatus
    attempts: int
    response_status: int | None
    response_body: str | None = Field(description="How the last answer's body begins: 1,000 bytes; null without one.")
    error: str | None
    created_at: datetime
    delivered_at: datetime | None


class DeliveryPage(Answer):
    """A page of messages, the newest first."""

    deliveries: list[Delivery]
    total: int
    offset: int
    limit: int


class WebhookMessage(Answer):
    """What an endpoint is sent; the same bytes in every attempt."""

    id: str = Field(description="The delivery's: the same message twice has the same id.")
    event: str = Field(examples=["call.completed"])
    created_at: datetime
    data: JsonObject = Field(description="The call, or the batch, when it happened.")

"""A tenant's own phone numbers."""

from pydantic import Field

from api.schema.common import E164, Answer, CreatedAt, Id, Limit, Offset, Phone, Request, Total, Uuid


class CreateNumber(Request):
    """Body of `POST /v1/numbers`."""

    number: Phone = Field(
        description="A number of yours, which calls are made from and come in at.", examples=["+15559876543"]
    )
    agent_id: Id | None = Field(None, description="The agent that answers calls to this number.")


class AttachNumber(Request):
    """Body of `POST /v1/numbers/:number/attach`."""

    agent_id: Id | None = Field(description="The agent that answers from now on; null: nobody does.")


class Number(Answer):
    """A number, and the agent that answers it."""

    number: E164 = Field(description="The number, as E.164.", examples=["+15559876543"])
    agent_id: Uuid | None = Field(description="The agent that answers calls to it; null: nobody does.")
    created_at: CreatedAt


class Numbers(Answer):
    """A page of numbers, the oldest first."""

    numbers: list[Number] = Field(description="Those of this page.")
    total: Total
    offset: Offset
    limit: Limit

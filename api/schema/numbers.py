"""A tenant's own phone numbers."""

from datetime import datetime

from pydantic import Field

from api.schema.common import Answer, Id, Phone, Request


class CreateNumber(Request):
    """Body of `POST /v1/numbers`."""

    number: Phone = Field(examples=["+15559876543"])
    agent_id: Id | None = Field(None, description="The agent that answers calls to this number.")


class AttachNumber(Request):
    """Body of `POST /v1/numbers/:number/attach`."""

    agent_id: Id | None = Field(description="The agent that answers from now on; null: nobody does.")


class Number(Answer):
    """A number, and the agent that answers it."""

    number: str = Field(description="E.164.", examples=["+15559876543"])
    agent_id: str | None
    created_at: datetime


class Numbers(Answer):
    """A page of numbers, the oldest first."""

    numbers: list[Number]
    total: int
    offset: int
    limit: int

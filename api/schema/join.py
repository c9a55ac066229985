"""Joining with a code: what `join_url` leads to."""

from pydantic import Field

from api.schema.agents import AgentName
from api.schema.common import Answer, Request
from api.schema.participants import Access


class Join(Request):
    """Body of `POST /v1/join`."""

    code: str = Field(max_length=200, description="The last part of a `join_url`.")


class Joined(Answer):
    """The way into a call, once."""

    call_id: str = Field(description="The call.")
    participant_id: str = Field(description="Who joins: segments of what they say have this id.")
    agent: AgentName = Field(description="With whom they talk.")
    access: Access = Field(description="The way into the room.")
    call_token: str = Field(description="For this call's stream and end alone, in place of a key.")

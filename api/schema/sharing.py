"""Share links of agents, and what a visitor of one gets."""

from datetime import datetime

from pydantic import Field

from api.schema.agents import AgentName
from api.schema.common import Answer, Request
from api.schema.participants import Access
from calls.sharing import SHORTEST_S


class PutShareLink(Request):
    """Body of `PUT /v1/agents/:id/share-link`: only the given fields change; a new link has the defaults."""

    enabled: bool = Field(default=True, description="Whether it leads anywhere.")
    minutes_limit: int = Field(60, ge=1, le=1_000_000, description="Minutes of all its calls together.")
    max_call_seconds: int = Field(
        300, ge=SHORTEST_S, le=86_400, description="How long one call may last; its agent's calls may be shorter."
    )
    max_concurrent: int = Field(2, ge=1, le=1000, description="How many calls may run at once.")
    calls_per_ip_hour: int = Field(5, ge=1, le=10_000, description="How many calls one address may begin in an hour.")


class ShareLink(Answer):
    """A link by which anybody talks to an agent."""

    url: str = Field(description="The page to send to people.", examples=["http://127.0.0.1:8080/talk/dGhpcyBpcyBh"])
    enabled: bool = Field(description="Whether it leads anywhere.")
    minutes_limit: int = Field(description="Minutes of all its calls together.")
    minutes_used: float = Field(description="Minutes of its calls so far; one that runs counts as long as it may last.")
    max_call_seconds: int = Field(description="How long one call may last; its agent's calls may be shorter.")
    max_concurrent: int = Field(description="How many calls may run at once.")
    calls_per_ip_hour: int = Field(description="How many calls one address may begin in an hour.")
    created_at: datetime = Field(description="When it was made.")
    warnings: list[str] = Field(
        description="Names each variable of the agent's words and tools that has no default: a visitor gives none."
    )


class Testers(Answer):
    """Who besides the tenant may try an agent."""

    link_feature: bool = Field(description="Whether this installation has share links: it has.")
    link: ShareLink | None = Field(description="The agent's link, null if it has none.")


class SharedAgent(Answer):
    """What a visitor of a link sees before the call."""

    agent_name: str = Field(description="Whom the call is with.")
    max_call_seconds: int = Field(description="How long a call may last.")


class SharedCall(Answer):
    """A call that a visitor began, with the way in."""

    call_id: str = Field(description="The call.")
    participant_id: str = Field(description="The visitor: segments of what they say have this id.")
    agent: AgentName = Field(description="With whom they talk.")
    call_token: str = Field(description="For this call's stream and end alone, in place of a key.")
    access: Access = Field(description="How the browser joins its room.")
    max_call_seconds: int = Field(description="How long this one may last: what is left of the link's minutes counts.")

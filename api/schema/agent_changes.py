"""What was changed of agents."""

from datetime import datetime
from typing import Any

from pydantic import Field

from api.schema.common import Answer, Page
from api.schema.listing import Moment


class ChangesQuery(Page):
    """Which changes of an agent."""

    since: Moment | None = Field(None, description="Those of this moment and later.", examples=["2026-07-14T09:30:00Z"])


class ChangedBy(Answer):
    """The key that made a change: of a page of ours, the one that it was signed in with."""

    key_id: str = Field(description="The key's id.")
    label: str = Field(description="What it is called.")
    key_prefix: str = Field(description="Its first characters.")


class AgentChange(Answer):
    """One field of an agent that was changed."""

    id: str = Field(description="The change's id.")
    field: str = Field(description="Which field.", examples=["post_call.summary.prompt"])
    before: Any = Field(description="What was there; null too where nothing was. What may be a secret is `•••`.")
    after: Any = Field(description="What is there since then, likewise.")
    can_undo: bool = Field(description="Whether the field is still as this change left it.")
    changed_by: ChangedBy = Field(description="Who made it.")
    created_at: datetime = Field(description="When it was made.")


class AgentChangePage(Answer):
    """A page of changes, the newest first."""

    changes: list[AgentChange] = Field(description="Those of this page.")
    total: int = Field(description="How many match.")
    offset: int = Field(description="As it was asked for.")
    limit: int = Field(description="As it was asked for.")

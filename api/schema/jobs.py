"""Work that was given up."""

from datetime import datetime

from pydantic import Field

from api.schema.common import Answer


class DeadJob(Answer):
    """A piece of work whose every attempt failed."""

    id: str = Field(description="The job's id.", examples=["job_123"])
    kind: str = Field(description="What it was to do.", examples=["summarize"])
    call_id: str | None = Field(description="The call that it belongs to, if any.")
    attempts: int = Field(description="How often it was tried.")
    error: str | None = Field(description="Why the last attempt failed.")
    created_at: datetime = Field(description="When it was asked for.")
    finished_at: datetime = Field(description="When it was given up; it is kept for seven days from then on.")


class DeadJobPage(Answer):
    """A page of them, the newest first."""

    jobs: list[DeadJob] = Field(description="This part of them.")
    total: int = Field(description="How many there are.")
    offset: int = Field(description="How many are left out before these.")
    limit: int = Field(description="How many are shown at most.")

"""Recordings of calls: their links, and how loud they are."""

from typing import Any, Literal

from pydantic import Field

from api.schema.common import Answer, Query, Uuid


class RecordingQuery(Query):
    """The signature of a link to a recording."""

    expires: str = Field(pattern=r"^[0-9]{1,16}$", description="Until when the link works, in seconds since 1970.")
    signature: str = Field(max_length=128, description="Ours, of the file's key and `expires`.")


class Recording(Answer):
    """A call's recording; its signed link stands in `metadata.stereo_mix.signed_url` once it is ready.

    One that was erased is `disabled`, with `metadata.erased_at`.
    """

    id: Uuid | None = Field(description="The recording's id; null while nothing is recorded.")
    status: Literal["pending", "ready", "failed", "disabled"] = Field(
        description="`pending`: being made; `ready`: can be fetched; `failed`: there is none; `disabled`: none is made."
    )
    format: str | None = Field(description="`wav` or `ogg`.")
    provider_recording_id: str | None = Field(description="Where the file is in the storage.")
    metadata: dict[str, Any] = Field(
        description="`stereo_mix.signed_url`: the link, for 15 minutes unless the installation says otherwise; "
        "`duration_ms`; `size_bytes`; of a failure `error`; of one that was erased `erased_at`.",
    )


class RecordingAnswer(Answer):
    """Answer of `GET /v1/calls/:id/recording`."""

    call_id: Uuid = Field(description="The call.")
    recording: Recording = Field(description="Its latest recording.")


class RecordingPeaks(Answer):
    """How loud both sides of a recording are, to be drawn; of any length at most 3000 points a side."""

    call_id: str = Field(description="The call.")
    duration_ms: int = Field(description="How long the recording plays; it begins with the call.")
    step_ms: int = Field(description="How much of it one point stands for.", examples=[10])
    people: list[int] = Field(description="The loudest sample of each step, from 0 to 255: everybody but the agent.")
    agent: list[int] = Field(description="The same of the agent.")

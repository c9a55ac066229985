"""The people of a call: browsers and phones."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from api.schema.common import Answer, CustomData, JsonObject, Phone, Request

MAX_IDENTITY_BYTES = 256  # LiveKit lets nobody join whose name in the room is longer


def _check_length(text: str) -> str:
    if len(text.encode()) > MAX_IDENTITY_BYTES:
        raise ValueError(f"expected at most {MAX_IDENTITY_BYTES} bytes in UTF-8")
    return text


Transport = Literal["webrtc", "pstn"]
Identity = Annotated[str, StringConstraints(min_length=1, max_length=MAX_IDENTITY_BYTES), AfterValidator(_check_length)]


class NewParticipant(Request):
    """A browser user or a phone number that shall be in a call."""

    transport: Transport = Field(description="`webrtc` for browsers, `pstn` for phone numbers.")
    identity: Identity = Field(
        description="A browser's identity, or a phone number (E.164).",
        examples=["browser-tab-1"],
    )
    from_number: Phone | None = Field(None, description="Caller ID of a phone leg.")
    metadata: CustomData = Field(default_factory=dict)


class AddParticipants(Request):
    """Body of `POST /v1/calls/:id/participants`."""

    participants: list[NewParticipant] = Field(min_length=1, max_length=500)


class Access(Answer):
    """How a browser joins the room."""

    url: str = Field(examples=["ws://127.0.0.1:7880"])
    token: str


class BrowserPlace(Answer):
    """A browser's place in a call."""

    id: str
    transport: Literal["webrtc"]
    identity: str
    status: str
    access: Access
    join_url: str | None = Field(
        description="A page that joins as this participant, for whoever has no page of their own. It lets somebody in "
        "once, until the call is over. Null for a publishable key, which stands in a page.",
        examples=["https://calls.example.com/join/q83vEjRWeJCrze8SNFZ4kA"],
    )


class PhonePlace(Answer):
    """A phone leg that waits to be dialled."""

    id: str
    transport: Literal["pstn"]
    identity: str
    status: str
    telephony_leg_id: str
    job_id: str


Place = BrowserPlace | PhonePlace


class AddedParticipants(Answer):
    """The new participants."""

    participants: list[Place]


class Participant(Answer):
    """One participant as the call's detail shows it."""

    id: str = Field(description="The participant's id.")
    transport: Transport = Field(description="`webrtc` for browsers, `pstn` for phones.")
    identity: str = Field(description="A browser's identity, or a phone number.")
    status: str = Field(description="`joining`, `queued`, `dialing`, `ringing`, `joined`, `left` or `failed`.")
    metadata: JsonObject = Field(description="As it was given.")
    end_reason: str | None = Field(description="Why it was not reached, or is gone, where that is known.")
    from_number: str | None = Field(description="Caller ID of a phone.")
    telephony_leg_id: str | None = Field(description="Names a phone's leg.")
    created_at: datetime = Field(description="When it was asked for.")
    joined_at: datetime | None = Field(description="When it came first; null before.")
    left_at: datetime | None = Field(description="When it went; null while it is there.")
    bill_duration: int = Field(description="Whole seconds, once the call is over.")
    cost: float = Field(description="Dollars; the `total_cost` of a call is the sum of these.")


class PrimaryParticipant(Answer):
    """Whom a call is with, in a list."""

    identity: str = Field(description="A browser's identity, or a phone number.")
    transport: Transport = Field(description="`webrtc` for browsers, `pstn` for phones.")

"""The people of a call: browsers and phones."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from api.schema.common import Answer, CustomData, JsonObject, Phone, Request, Uuid, one_of
from calls.states import EndReason, ParticipantStatus

MAX_IDENTITY_BYTES = 256  # LiveKit lets nobody join whose name in the room is longer


def _check_length(text: str) -> str:
    if len(text.encode()) > MAX_IDENTITY_BYTES:
        raise ValueError(f"expected at most {MAX_IDENTITY_BYTES} bytes in UTF-8")
    return text


Transport = Literal["webrtc", "pstn"]
ParticipantState = Annotated[str, one_of(ParticipantStatus)]
Identity = Annotated[str, StringConstraints(min_length=1, max_length=MAX_IDENTITY_BYTES), AfterValidator(_check_length)]


class NewParticipant(Request):
    """A browser user or a phone number that shall be in a call."""

    transport: Transport = Field(description="`webrtc` for browsers, `pstn` for phone numbers.")
    identity: Identity = Field(
        description="A browser's identity, or a phone number (E.164).",
        examples=["browser-tab-1"],
    )
    from_number: Phone | None = Field(
        None, description="Caller ID of a phone, one of your numbers; null: the key's, or your oldest number."
    )
    metadata: CustomData = Field(
        default_factory=dict, description="Your own data of this one; also that of the participant in LiveKit's room."
    )


class AddParticipants(Request):
    """Body of `POST /v1/calls/:id/participants`."""

    participants: list[NewParticipant] = Field(min_length=1, max_length=500, description="Who comes in addition.")


class Access(Answer):
    """How a browser joins the room."""

    url: str = Field(description="Where LiveKit is, for its client.", examples=["ws://127.0.0.1:7880"])
    token: str = Field(description="Lets this identity into this room, for 24 hours at most.", examples=["eyJ..."])


class BrowserPlace(Answer):
    """A browser's place in a call."""

    id: Uuid = Field(description="The participant's id.")
    transport: Literal["webrtc"] = Field(description="A browser.")
    identity: str = Field(description="As it was given.")
    status: ParticipantState = Field(description="`joining`.")
    access: Access = Field(description="Its way in.")
    join_url: str | None = Field(
        description="A page that joins as this participant, for whoever has no page of their own. It lets somebody in "
        "once, until the call is over. Null for a publishable key, which stands in a page.",
        examples=["https://calls.example.com/join/q83vEjRWeJCrze8SNFZ4kA"],
    )


class PhonePlace(Answer):
    """A phone leg that waits to be dialled."""

    id: Uuid = Field(description="The participant's id.")
    transport: Literal["pstn"] = Field(description="A phone.")
    identity: str = Field(description="The number that is called, as E.164.")
    status: ParticipantState = Field(description="`queued`.")
    telephony_leg_id: str = Field(description="Names the leg, here and in the call's detail.")
    job_id: str = Field(description="The job that dials.", examples=["job_123"])


Place = BrowserPlace | PhonePlace


class AddedParticipants(Answer):
    """The new participants."""

    participants: list[Place] = Field(description="In the order in which they were given.")


class Participant(Answer):
    """One participant as the call's detail shows it."""

    id: Uuid = Field(description="The participant's id.")
    transport: Transport = Field(description="`webrtc` for browsers, `pstn` for phones.")
    identity: str = Field(description="A browser's identity, or a phone number.")
    status: ParticipantState = Field(description="Where it is: a browser begins with `joining`, a phone with `queued`.")
    metadata: JsonObject = Field(description="As it was given.")
    end_reason: Annotated[str, one_of(EndReason)] | None = Field(
        description="Why it was not reached, or is gone, where that is known."
    )
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

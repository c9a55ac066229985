"""The last message of a call's stream; the others are an `Event` or a `Segment`."""

from api.schema.common import Answer


class StreamEnd(Answer):
    """The call is over and its post-call work is done."""

    id: str
    status: str
    end_reason: str | None
    intelligence_status: str

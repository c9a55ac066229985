"""What a minute costs."""

from collections.abc import Sequence
from dataclasses import replace

from calls.placing.creation import NewParticipant
from calls.settings import Settings

MICROS_PER_DOLLAR = 1_000_000


def price_micros(settings: Settings, transport: str) -> int:
    """Micro-dollars per minute of a leg of this transport, `webrtc` or `pstn`."""
    dollars = {"webrtc": settings.price_per_minute_webrtc, "pstn": settings.price_per_minute_pstn}
    return round(dollars[transport] * MICROS_PER_DOLLAR)


def priced(settings: Settings, people: Sequence[NewParticipant]) -> list[NewParticipant]:
    """The participants, each at today's price of its transport."""
    return [replace(one, price_micros_per_minute=price_micros(settings, one.transport)) for one in people]

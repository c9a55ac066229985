"""What a minute costs."""

from collections.abc import Iterable

from calls.settings import Settings

MICROS_PER_DOLLAR = 1_000_000


def price_micros(settings: Settings, transports: Iterable[str]) -> int:
    """Micro-dollars per minute: a call costs what the dearest of its transports, `webrtc` and `pstn`, does."""
    dollars = {"webrtc": settings.price_per_minute_webrtc, "pstn": settings.price_per_minute_pstn}
    return round(max((dollars[transport] for transport in transports), default=0) * MICROS_PER_DOLLAR)

"""What somebody speaks with in a room."""

from livekit import rtc

SILENCE_S = 1.0  # at a time, while nothing is said: many callers share a small machine
_BITRATE = 64_000  # a telephone's: with less the encoder models a voice, which takes it twice as long


def publish_options() -> rtc.TrackPublishOptions:
    """How its track is published."""
    chosen = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    chosen.audio_encoding.max_bitrate = _BITRATE
    return chosen


async def switch_off(track: rtc.LocalAudioTrack, source: rtc.AudioSource) -> None:
    """Once it is out of the room: else its thread goes on, to look a hundred times a second for something to send."""
    track._ffi_handle.dispose()
    await source.aclose()

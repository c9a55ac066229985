"""What somebody speaks with in a room."""

from livekit import rtc


async def switch_off(track: rtc.LocalAudioTrack, source: rtc.AudioSource) -> None:
    """Once it is out of the room: else its thread goes on, to look a hundred times a second for something to send."""
    track._ffi_handle.dispose()
    await source.aclose()

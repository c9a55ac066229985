"""The live transcript for those in the room: text streams as LiveKit's own clients read them (`lk.transcription`)."""

import asyncio
import logging

from livekit import rtc
from livekit.agents.types import (
    ATTRIBUTE_TRANSCRIPTION_FINAL,
    ATTRIBUTE_TRANSCRIPTION_SEGMENT_ID,
    ATTRIBUTE_TRANSCRIPTION_TRACK_ID,
    TOPIC_TRANSCRIPTION,
)

from worker.room.transcript import Caption

logger = logging.getLogger(__name__)

PAUSE_S = 0.3  # a segment that grows is sent this often at most, as a whole each time


class Captions:
    """Sends every segment as it grows, under the name of who speaks; what cannot be sent keeps nothing waiting.

    Args:
        room: the call's room, connected or not yet.
        name: tells this agent's segments from those of another agent of the call.
    """

    def __init__(self, room: rtc.Room, name: str) -> None:
        self._room = room
        self._name = name
        self._waiting: dict[int, Caption] = {}
        self._changed = asyncio.Event()

    def show(self, caption: Caption) -> None:
        """Have it sent, unless a newer one of the same segment comes first."""
        self._waiting[caption.segment] = caption
        self._changed.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            waiting, self._waiting = self._waiting, {}
            for caption in waiting.values():
                try:
                    await self._send(caption)
                except Exception as error:  # noqa: BLE001 - the room may be gone at any moment
                    logger.warning("a caption was not sent", extra={"error": type(error).__name__})
            await asyncio.sleep(PAUSE_S)

    async def _send(self, caption: Caption) -> None:
        if not self._room.isconnected():
            return
        agent = self._room.local_participant
        speaker = self._room.remote_participants.get(caption.identity) if caption.identity else agent
        track = {ATTRIBUTE_TRANSCRIPTION_TRACK_ID: sid} if (sid := _track_of(speaker)) else {}
        stream = await agent.stream_text(
            topic=TOPIC_TRANSCRIPTION,
            attributes={
                ATTRIBUTE_TRANSCRIPTION_SEGMENT_ID: f"{self._name}-{caption.segment}",
                ATTRIBUTE_TRANSCRIPTION_FINAL: str(caption.is_final).lower(),
                **track,
            },
            sender_identity=caption.identity or agent.identity,
        )
        await stream.write(caption.text)
        await stream.aclose()


def _track_of(speaker: rtc.Participant | None) -> str | None:
    """The track in which somebody is heard, by which LiveKit's components find the words to a voice."""
    tracks = speaker.track_publications.values() if speaker is not None else ()
    return next((one.sid for one in tracks if one.kind == rtc.TrackKind.KIND_AUDIO), None)

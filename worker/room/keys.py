"""The keys that are pressed on the phones of a room: digits that come in a burst are one thing that was told."""

import asyncio
from collections.abc import Callable

from livekit import rtc

BURST_S = 1.5  # without another key, what was pressed is complete
END = "#"  # with which callers are told to end a number


class Keys:
    """Gathers what each phone presses, until `close`.

    Args:
        on_first: called with the phone's participant at the first key of a burst.
        on_burst: called with the participant and all digits of the burst, once it is over: `0`-`9`, `*`, `#`, `A`-`D`.
    """

    def __init__(
        self,
        room: rtc.Room,
        on_first: Callable[[rtc.RemoteParticipant], None],
        on_burst: Callable[[rtc.RemoteParticipant, str], None],
    ) -> None:
        self._on_first = on_first
        self._on_burst = on_burst
        self._bursts: dict[str, _Burst] = {}
        room.on("sip_dtmf_received", self._pressed)
        room.on("participant_disconnected", lambda participant: self._complete(participant.identity))

    def close(self) -> None:
        """What was pressed until now is complete."""
        for identity in list(self._bursts):
            self._complete(identity)

    def _pressed(self, key: rtc.SipDTMF) -> None:
        who = key.participant
        if who is None or who.kind != rtc.ParticipantKind.PARTICIPANT_KIND_SIP:
            return  # no browser has keys
        burst = self._bursts.get(who.identity)
        if burst is None:
            burst = self._bursts[who.identity] = _Burst(who)
            self._on_first(who)
        burst.digits += key.digit.upper()
        if burst.end is not None:
            burst.end.cancel()
        if key.digit == END:
            self._complete(who.identity)
        else:
            burst.end = asyncio.get_running_loop().call_later(BURST_S, self._complete, who.identity)

    def _complete(self, identity: str) -> None:
        burst = self._bursts.pop(identity, None)
        if burst is None:
            return
        if burst.end is not None:
            burst.end.cancel()
        self._on_burst(burst.who, burst.digits)


class _Burst:
    """What one phone has pressed so far, and when that will be all."""

    def __init__(self, who: rtc.RemoteParticipant) -> None:
        self.who = who
        self.digits = ""
        self.end: asyncio.TimerHandle | None = None

"""When a provider fails: the call's events say so, and a call that cannot go on is ended."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, cast

from livekit.agents import AgentSession, APIStatusError, ErrorEvent
from livekit.agents.voice.io import AudioOutput

from calls.events import EventKind
from calls.providers.choice import Kind
from worker.refusals import TOOL
from worker.room.journal import Journal
from worker.speaker.answers import NoAnswer

logger = logging.getLogger(__name__)

# So many failures of one provider in a row end the call; each is already a retry that failed too. Of speech
# recognition one failure of many ears says nothing: `Hearing` judges that.
LIMITS = {"stt": math.inf, "llm": 3, "tts": 2}


class Failures:
    """Counts what fails in a row: of the model it is told, for that is more than its errors.

    Args:
        session: the session whose providers are watched.
        voice: where the agent's speech comes out; its sound is the proof that speech synthesis works.
        named: tells who does this for the agent: the one at that place of its list.
        left_out: what the model's server does not take.
        on_hopeless: called once when a provider has failed too often.
    """

    def __init__(
        self,
        session: AgentSession[None],
        voice: AudioOutput,
        journal: Journal,
        call_id: str,
        *,
        named: Callable[[Kind, int], dict[str, str]],
        left_out: Callable[[], Collection[str]],
        on_hopeless: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._call_id = call_id
        self._named = named
        self._left_out = left_out
        self._on_hopeless = on_hopeless
        self._in_a_row: Counter[str] = Counter()
        self._hopeless = False
        self._refused: set[str] = set()
        session.on("error", self._erred)
        session.on("user_input_transcribed", lambda _event: self._works("stt"))
        voice.on("playback_started", lambda _event: self._works("tts"))

    def answered(self) -> None:
        """The model has begun to answer."""
        self._works("llm")
        refused = {part for part in self._left_out() if part == "tools" or part.startswith(TOOL)}
        if new := sorted(refused - self._refused):
            self._refused |= refused
            data = {"tools": [part.removeprefix(TOOL) for part in new]} if "tools" not in new else {}
            self._note(EventKind.TOOLS_REFUSED, "The model's server takes no such tools: it goes on without", data=data)

    def failed(self, provider: str, error: Exception, place: int = 0) -> None:
        """It has not, and not at the second try either."""
        self._in_a_row[provider] += 1
        if provider == "stt" and self._in_a_row[provider] > 1:
            return  # each ear tries again and again
        data = {"provider": provider, **self._named(cast("Kind", provider), place), "error": _described(error)}
        logger.warning("a provider failed", extra={"provider": provider, "error": _described(error)})
        if not isinstance(error, NoAnswer):  # each was told of when it came
            self._note(EventKind.PROVIDER_FAILED, "provider failed", "error", data)
        if not self._hopeless and self._in_a_row[provider] >= LIMITS[provider]:
            self._hopeless = True
            self._on_hopeless()

    def switched(self, kind: Kind, place: int) -> None:
        """Another one of the agent's providers of this kind works."""
        data = {"provider": kind, **self._named(kind, place)}
        self._note(EventKind.PROVIDER_SWITCHED, "Another provider takes over", data=data)

    def empty(self) -> None:
        """The model's answer held no word."""
        self._note(EventKind.ANSWER_EMPTY, "The model said nothing")

    def cut(self) -> None:
        """The model's server leaves out a part of the conversation by itself."""
        self._note(EventKind.CONTEXT_CUT, "The model's server cuts the conversation: its context is too small")

    def _works(self, provider: str) -> None:
        del self._in_a_row[provider]

    def _erred(self, event: ErrorEvent) -> None:
        provider = str(getattr(event.error, "type", "")).removesuffix("_error")
        if provider in {"stt", "tts"} and not getattr(event.error, "recoverable", False):
            self.failed(provider, event.error.error)

    def _note(self, kind: EventKind, message: str, level: str = "warning", data: dict[str, Any] | None = None) -> None:
        self._journal.put(
            lambda store: store.add_event(self._call_id, kind, "lifecycle", message, level=level, data=data)
        )


def _described(error: Exception) -> str:
    """The kind of the error and its status; never its text, which may quote what was said."""
    status = f" {error.status_code}" if isinstance(error, APIStatusError) else ""
    return f"{type(error).__name__}{status}"

"""When a provider fails: the call's events say so, the agent says so, and a call that cannot go on is ended."""

import math
from collections import Counter
from collections.abc import Callable
from typing import cast

from livekit.agents import AgentSession, APIStatusError, ConversationItemAddedEvent, ErrorEvent
from livekit.agents.voice.io import AudioOutput

from calls.events import EventKind
from calls.providers.choice import Kind
from worker.room.journal import Journal
from worker.words import phrase

# So many failures of one provider in a row end the call; each is already a retry that failed too. Of speech
# recognition one failure of many ears says nothing: `Hearing` judges that.
LIMITS = {"stt": math.inf, "llm": 3, "tts": 2}


class Failures:
    """Counts what fails in a row.

    Args:
        session: the session whose providers are watched.
        voice: where the agent's speech comes out; its sound is the proof that speech synthesis works.
        named: tells who does this for the agent.
        on_hopeless: called once when a provider has failed too often.
    """

    def __init__(
        self,
        session: AgentSession[None],
        voice: AudioOutput,
        journal: Journal,
        call_id: str,
        language: str | None,
        named: Callable[[Kind], dict[str, str]],
        on_hopeless: Callable[[], None],
    ) -> None:
        self._session = session
        self._journal = journal
        self._call_id = call_id
        self._language = language
        self._named = named
        self._on_hopeless = on_hopeless
        self._in_a_row: Counter[str] = Counter()
        self._hopeless = False
        session.on("error", self._failed)
        session.on("user_input_transcribed", lambda _event: self._works("stt"))
        session.on("conversation_item_added", self._answered)
        voice.on("playback_started", lambda _event: self._works("tts"))

    def _works(self, provider: str) -> None:
        del self._in_a_row[provider]

    def _answered(self, event: ConversationItemAddedEvent) -> None:
        if getattr(event.item, "role", None) == "assistant":
            self._works("llm")

    def _failed(self, event: ErrorEvent) -> None:
        provider = str(getattr(event.error, "type", "")).removesuffix("_error")
        if provider not in LIMITS or getattr(event.error, "recoverable", False):
            return
        self._in_a_row[provider] += 1
        if provider == "stt" and self._in_a_row[provider] > 1:
            return  # each ear tries again and again
        data = {"provider": provider, **self._named(cast("Kind", provider)), "error": _described(event.error.error)}
        self._journal.put(
            lambda store: store.add_event(
                self._call_id, EventKind.PROVIDER_FAILED, "lifecycle", "provider failed", level="error", data=data
            ),
        )
        if self._hopeless:
            return
        if self._in_a_row[provider] >= LIMITS[provider]:
            self._hopeless = True
            self._on_hopeless()
        elif provider == "llm":
            # The turn whose answer failed may not even be over: its end must not cut the apology.
            sorry = phrase("sorry", self._language)
            _ = self._session.say(sorry, allow_interruptions=False, add_to_chat_ctx=False)


def _described(error: Exception) -> str:
    """The kind of the error and its status; never its text, which may quote what was said."""
    status = f" {error.status_code}" if isinstance(error, APIStatusError) else ""
    return f"{type(error).__name__}{status}"

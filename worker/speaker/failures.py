"""When a provider fails: the call's events say so, and a call that cannot go on is ended."""

from collections import Counter
from collections.abc import Callable, Collection

from calls.events import EventKind
from calls.providers.choice import Kind
from worker.provider_events import ProviderEvents
from worker.refusals import TOOL
from worker.speaker.answers import NoAnswer

# So many failures in a row end the call; each is already a retry that failed too. Of speech recognition one failure of
# many ears says nothing: `Hearing` judges that.
LIMITS: dict[Kind, int] = {"llm": 3, "tts": 2}


class Failures:
    """Counts what fails in a row: of the models and the voices it is told, for that is more than their errors.

    Args:
        events: where it is written.
        left_out: what the model's server does not take.
        on_hopeless: called once when a provider has failed too often.
    """

    def __init__(
        self,
        events: ProviderEvents,
        *,
        left_out: Callable[[], Collection[str]],
        on_hopeless: Callable[[], None],
    ) -> None:
        self._events = events
        self._left_out = left_out
        self._on_hopeless = on_hopeless
        self._in_a_row: Counter[Kind] = Counter()
        self._hopeless = False
        self._refused: set[str] = set()

    def answered(self) -> None:
        """The model has begun to answer."""
        self._works("llm")
        refused = {part for part in self._left_out() if part == "tools" or part.startswith(TOOL)}
        if new := sorted(refused - self._refused):
            self._refused |= refused
            data = {"tools": [part.removeprefix(TOOL) for part in new]} if "tools" not in new else {}
            message = "The model's server takes no such tools: it goes on without"
            self._events.note(EventKind.TOOLS_REFUSED, message, data=data)

    def failed(self, kind: Kind, error: Exception, place: int = 0) -> None:
        """It has not, and not at the second try either."""
        self._in_a_row[kind] += 1
        if not isinstance(error, NoAnswer):  # each was told of when it came
            self._events.failed(kind, place, error)
        self._judge(kind)

    def spoke(self) -> None:
        """One of the agent's voices has spoken."""
        self._works("tts")

    def speechless(self) -> bool:
        """None has, though two were asked, or one twice, each of which was told of; whether the call is hopeless."""
        self._in_a_row["tts"] += 1
        self._judge("tts")
        return self._hopeless

    def empty(self) -> None:
        """The model's answer held no word, or ended in the call of a tool that it may not make."""
        self._events.note(EventKind.ANSWER_EMPTY, "The model gave no answer")

    def cut(self) -> None:
        """The model's server leaves out a part of the conversation by itself."""
        message = "The model's server cuts the conversation: its context is too small"
        self._events.note(EventKind.CONTEXT_CUT, message)

    def _judge(self, kind: Kind) -> None:
        if not self._hopeless and self._in_a_row[kind] >= LIMITS[kind]:
            self._hopeless = True
            self._on_hopeless()

    def _works(self, kind: Kind) -> None:
        del self._in_a_row[kind]

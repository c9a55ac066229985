"""What a model is told of a call. What was said in it is data, and stands inside a fence that it cannot close."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Conversation:
    """A call that is over: its `transcript`, a line for each utterance (`Caller: …`), and when it began."""

    transcript: str
    started_at: datetime

    @property
    def when(self) -> str:
        """When it took place, as a model reads it best: `Saturday, 2026-11-28, 16:27 UTC`."""
        return f"{self.started_at.astimezone(UTC):%A, %Y-%m-%d, %H:%M} UTC"


def fenced(name: str, text: str) -> str:
    """`text` between `<name>` and `</name>`; there is no tag inside."""
    return f"<{name}>\n{text.replace('<', '&lt;')}\n</{name}>"

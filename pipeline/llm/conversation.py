"""What a model is told of a call. What was said in it is data, and stands inside a fence that it cannot close."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.llm.notebook import Notebook


@dataclass(frozen=True)
class Conversation:
    """A call that is over: its `transcript`, a line for each utterance (`Caller: …`), and when it began.

    In `notebook` are the notes of it that were made for this question, where it is too long to be read at once.
    """

    transcript: str
    started_at: datetime
    notebook: Notebook = field(default_factory=Notebook)

    @property
    def when(self) -> str:
        """When it took place, as a model reads it best: `Saturday, 2026-11-28, 16:27 UTC`."""
        return f"{self.started_at.astimezone(UTC):%A, %Y-%m-%d, %H:%M} UTC"


def fenced(name: str, text: str) -> str:
    """`text` between `<name>` and `</name>`; there is no tag inside."""
    return f"<{name}>\n{text.replace('<', '&lt;')}\n</{name}>"

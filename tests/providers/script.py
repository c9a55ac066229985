"""What the stand-ins hear, answer and refuse: the words of the test, taken one by one."""

import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Service = Literal["stt", "llm", "tts"]
Timed = Literal["all", "final", "none"]
Fault: TypeAlias = int | Literal["silent"] | None  # the status of the answer, or None: there is none


@dataclass(frozen=True)
class ToolCall:
    """The model calls the tool `name`."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """The server's answer as it is: a `body` of text or JSON."""

    status: int
    body: str | dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Never:
    """The request is taken and not answered."""


@dataclass(frozen=True)
class Trickle:
    """An answer of white space that goes on and on."""


@dataclass(frozen=True)
class Interim:
    """Words that come as interim results only, and then an empty final one."""

    text: str


class InPieces:
    """Words that come as so many final results, one after the other."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces

    @property
    def text(self) -> str:
        return " ".join(self.pieces)


class Corrected:
    """Final results for the same sound, each of which corrects the one before; of one text, it is sent twice."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    @property
    def text(self) -> str:
        return self.texts[0]


Heard: TypeAlias = str | Interim | InPieces | Corrected
Part: TypeAlias = str | ToolCall | dict[str, Any]
Answer: TypeAlias = Part | list[Part] | Raw | Never | Trickle


@dataclass(frozen=True)
class Cut:
    """Speech that ends before its time."""

    after_s: float
    hangs: bool


@dataclass(frozen=True)
class Utterance:
    """One stretch of speech: `stream` counts the STT sockets from 0, times are seconds of that stream's audio."""

    stream: int
    start_s: float
    duration_s: float
    text: str = ""


@dataclass(frozen=True)
class Chat:
    """A chat completion request as it came in."""

    body: dict[str, Any]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(self.body["messages"])

    @property
    def system(self) -> str:
        return "\n".join(_text(m) for m in self.messages if m["role"] in {"system", "developer"})

    @property
    def user_lines(self) -> list[str]:
        """All that people have said, line by line."""
        said = [_text(m) for m in self.messages if m["role"] == "user"]
        return [line.strip() for text in said for line in text.splitlines()]

    @property
    def last_user(self) -> str:
        return next((_text(m) for m in reversed(self.messages) if m["role"] == "user"), "")

    @property
    def tokens(self) -> int:
        """How long the conversation is, for a model that reads four bytes at a time."""
        return sum(len(_text(message).encode()) for message in self.messages) // 4

    @property
    def tools(self) -> list[str]:
        return [tool["function"]["name"] for tool in self.body.get("tools") or []]

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema that the answer must match, `{}` for any JSON, None for plain text."""
        wanted = self.body.get("response_format") or {"type": "text"}
        if wanted["type"] == "text":
            return None
        return dict(wanted.get("json_schema", {}).get("schema") or {})

    def position(self) -> str:
        """What came before the last words of the user: the same for all guesses at how these go on."""
        before = self.messages
        while before and before[-1]["role"] == "user":
            before.pop()
        return json.dumps(before, sort_keys=True)


class Script:
    """The queues of one test, and what was received."""

    def __init__(self) -> None:
        self.chats: list[Chat] = []
        self.spoken: list[str] = []
        self.voices: list[str | None] = []
        self.utterances: list[Utterance] = []
        self.begun = 0  # utterances, also one that is not over
        # What follows so soon in the same stream is the rest of a sentence that was cut by a standstill: no words.
        self.hole_s = 0.0
        self.timed: Timed = "all"  # which results of speech recognition say when their words were spoken
        self._ended_s: dict[int, float] = {}
        self._to_hear: deque[Heard | None] = deque()
        self._listener: Callable[[Utterance], str | None] | None = None
        self._answers: deque[Answer] = deque()
        self._answered: dict[str, Answer] = {}
        self._model: Callable[[Chat], Answer | None] | None = None
        self._faults: dict[tuple[Service, str | None], tuple[Fault, int | None]] = {}
        self._cuts: dict[str | None, Cut] = {}

    def reset(self) -> None:
        """Be as at the beginning: forget what was scripted and what was received."""
        Script.__init__(self)

    def hear(self, *texts: Heard | None) -> None:
        self._to_hear.extend(texts)

    def hear_with(self, listener: Callable[[Utterance], str | None] | None) -> None:
        self._listener = listener

    def answer(self, *answers: Answer) -> None:
        self._answers.extend(answers)

    def answer_with(self, model: Callable[[Chat], Answer | None] | None) -> None:
        self._model = model

    def fail(self, service: Service, status: int, times: int | None = None, model: str | None = None) -> None:
        """The next `times` requests (None: all, until `recover`) are refused with `status`; 200 is an empty answer.

        With `model` only those that ask for that one.
        """
        self._faults[service, model] = (status, times)

    def hang(self, service: Service, times: int | None = None, model: str | None = None) -> None:
        """The next `times` requests (None: all, until `recover`) are taken and never answered; `model` as above."""
        self._faults[service, model] = (None, times)

    def cut_speech(self, after_s: float, model: str | None = None, *, hangs: bool = True) -> None:
        """Until `recover`, speech ends after so many seconds: nothing more comes, or the connection breaks."""
        self._cuts[model] = Cut(after_s, hangs)

    def cut_of(self, model: str | None) -> "Cut | None":
        """Where the speech of this one ends."""
        return self._cuts.get(model, self._cuts.get(None))

    def silence(self, times: int | None = None, model: str | None = None) -> None:
        """The next `times` STT sockets (None: all, until `recover`) open, and nothing ever comes from them."""
        self._faults["stt", model] = ("silent", times)

    def recover(self) -> None:
        self._faults.clear()
        self._cuts.clear()

    def take_fault(self, service: Service, model: str | None) -> tuple[Fault] | None:
        """The fault that meets this request, in a tuple, or None."""
        whose = next((one for one in ((service, model), (service, None)) if one in self._faults), None)
        if whose is None:
            return None
        status, times = self._faults[whose]
        if times is not None and times <= 1:
            del self._faults[whose]
        elif times is not None:
            self._faults[whose] = (status, times - 1)
        return (status,)

    def begin_utterance(self, stream: int, start_s: float) -> Heard:
        self.begun += 1
        if not self._to_hear or self._listener or self._is_rest(stream, start_s):
            return ""
        return self._to_hear.popleft() or ""

    def end_utterance(self, stream: int, start_s: float, duration_s: float, text: str) -> Utterance:
        heard = Utterance(stream, start_s, duration_s, text)
        if self._listener and not self._is_rest(stream, start_s):
            heard = Utterance(stream, start_s, duration_s, self._listener(heard) or "")
        self._ended_s[stream] = start_s + duration_s
        self.utterances.append(heard)
        return heard

    def _is_rest(self, stream: int, start_s: float) -> bool:
        return 0 <= start_s - self._ended_s.get(stream, -math.inf) < self.hole_s

    def take_answer(self, chat: Chat) -> Answer | None:
        """The answer to this request; None: nothing is scripted and JSON was wanted."""
        self.chats.append(chat)
        if self._model and (decided := self._model(chat)) is not None:
            return decided
        position = chat.position() if chat.body.get("stream") else None
        if position in self._answered:
            return self._answered[position]
        if not self._answers:
            return "I see." if chat.schema is None else None
        answer = self._answers.popleft()
        if position is not None:
            self._answered[position] = answer
        return answer


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)

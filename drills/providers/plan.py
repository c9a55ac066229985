"""Which failures there are: public experience of people who run voice agents."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from calls.events import EventKind
from calls.providers.choice import Kind
from drills.providers import courses, faults
from drills.providers.courses import Course
from drills.providers.faults import Fault
from drills.providers.outcome import Expected
from drills.providers.talk import Reply

EARLY = 1000  # bytes of a language model's answer: some words of it
SOUND = 80_000  # bytes of a voice's: 1.7 s
FAILED = frozenset({EventKind.PROVIDER_FAILED})
SWITCHED = frozenset({EventKind.PROVIDER_SWITCHED})
EMPTY = frozenset({EventKind.ANSWER_EMPTY})
THOUGHT = "<think>The caller wants a table. I should say when there is one.</think>"
ENDED = Expected(Reply.HUNG_UP, "completed, provider_failed", FAILED, loses=True)
WELL = Expected()


@dataclass(frozen=True)
class Failure:
    """One call in which something fails: what, whether there is a second provider, and what is to come of it."""

    name: str
    kind: Kind
    fault: Fault
    course: Course
    expected: Expected
    second: bool = False

    @property
    def title(self) -> str:
        return f"{self.name}{', with a second' if self.second else ''}"


def failures() -> Iterator[Failure]:
    """All of them; the first is a call in which nothing fails, for comparison."""
    yield Failure("nothing", "tts", Fault(), courses.ask_once, WELL, second=True)
    yield from _of_voices()
    yield from _of_models()
    yield from _of_recognisers()


def _of_voices() -> Iterator[Failure]:
    taken_over = Expected(events=FAILED | SWITCHED)
    for name, fault in (
        ("the voice hangs", faults.HANGS),
        ("the voice refuses (503)", faults.refuses(503)),
        ("the voice gives no sound", faults.IS_EMPTY),
    ):
        yield Failure(name, "tts", fault, courses.ask_once, taken_over, second=True)
        yield Failure(name, "tts", fault, courses.ask_again, Expected(events=FAILED))
    for name, fault in (
        ("the voice breaks off in the middle", faults.breaks_off(SOUND)),
        ("the voice stands still in the middle", faults.stalls(SOUND)),
    ):
        said_again = Expected(events=FAILED | SWITCHED, repeats=True)
        yield Failure(name, "tts", fault, courses.ask_twice, said_again, second=True)
        yield Failure(name, "tts", fault, courses.ask_again, Expected(events=FAILED, repeats=True))
    wrong_key = faults.refuses(401)
    yield Failure("the voice refuses the key (401)", "tts", wrong_key, courses.ask_once, taken_over, second=True)
    greeting = "the voice hangs at the greeting"  # which the calls before have kept as sound: it needs no voice
    yield Failure(greeting, "tts", faults.HANGS, courses.fail_at_the_greeting, taken_over, second=True)
    yield Failure(greeting, "tts", faults.HANGS, courses.heal_at_the_greeting, Expected())
    yield Failure("the voice hangs for good", "tts", faults.HANGS, courses.never_heal, ENDED)


def _of_models() -> Iterator[Failure]:
    for name, fault, events in (
        ("the model hangs", faults.HANGS, FAILED),
        ("the model refuses (503)", faults.refuses(503), FAILED),
        ("the model says nothing", faults.says({"content": ""}, reason="stop"), EMPTY),
    ):  # where a guess at what the caller is about to say fails, and another model answers, only that is told
        yield Failure(name, "llm", fault, courses.ask_once, Expected(events=SWITCHED), second=True)
        yield Failure(name, "llm", fault, courses.ask_again, Expected(events=events))
    for name, fault in (
        ("the model only thinks", faults.says({"content": THOUGHT}, reason="stop")),
        ("the model says only “…”", faults.says({"content": "…"}, reason="stop")),
        ("the model's content filter ends the answer", faults.says(reason="content_filter")),
    ):
        yield Failure(name, "llm", fault, courses.ask_again, Expected(events=EMPTY))
    for name, fault in (
        ("the model breaks off in the middle", faults.breaks_off(EARLY)),
        ("the model stands still in the middle", faults.stalls(EARLY)),
    ):
        yield Failure(name, "llm", fault, courses.ask_again, Expected(events=FAILED))
    refused = Expected(events=frozenset({EventKind.TOOLS_REFUSED}))
    yield Failure("the model takes no tools", "llm", faults.TAKES_NO_TOOLS, courses.ask_once, refused)
    hangs_up = faults.calls_tool("end_call", "You are welcome. Goodbye!")
    hung_up = Expected(Reply.HUNG_UP, "completed, agent_hung_up")
    yield Failure("the model's tool call has no finish_reason", "llm", hangs_up, courses.say_goodbye, hung_up)
    talked_into = replace(ENDED, cut=True)
    yield Failure(
        "the model hangs while the caller keeps asking", "llm", faults.HANGS, courses.keep_asking, talked_into
    )
    yield Failure("the model refuses for good (503)", "llm", faults.refuses(503), courses.never_heal, ENDED)


def _of_recognisers() -> Iterator[Failure]:
    for name, fault in (
        ("the recogniser refuses (503)", faults.refuses(503)),
        ("the recogniser refuses the key (401)", faults.refuses(401)),
        ("the recogniser hangs at connect", faults.HANGS),
        ("the recogniser's socket is silent", faults.IS_DUMB),
    ):
        yield Failure(name, "stt", fault, courses.ask_once, Expected(events=FAILED | SWITCHED), second=True)
    yield Failure("the recogniser's socket is silent", "stt", faults.IS_DUMB, courses.ask_once, Expected(events=FAILED))
    away = Expected(events=FAILED)
    yield Failure("the recogniser is away for 20 s", "stt", faults.IS_AWAY, courses.come_back, away)
    yield Failure("the recogniser hangs at connect for 20 s", "stt", faults.HANGS, courses.come_back, away)
    yield Failure("the recogniser is cut in a sentence", "stt", faults.IS_CUT_ONCE, courses.fail_in_the_sentence, WELL)
    empty, in_pieces = Fault(tell=faults.interim_only), Fault(tell=faults.in_pieces)
    whole = Expected(whole=True)
    yield Failure("the recogniser's final result is empty", "stt", empty, courses.ask_once, whole)
    yield Failure("the recogniser's final result is in pieces", "stt", in_pieces, courses.ask_once, whole)
    wordless = Fault(tell=faults.wordless)
    yield Failure("the recogniser has no words", "stt", wordless, courses.ask_again, Expected(loses=True))
    yield Failure("the recogniser is away for good", "stt", faults.IS_AWAY, courses.never_heal, ENDED)

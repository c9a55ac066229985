"""When a drill of a failing provider has failed, and what its table says."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from calls.events import EventKind
from drills.providers.outcome import Call, Expected, ProviderOutcome, misses, outcome
from drills.providers.plan import ENDED, WELL, failures
from drills.providers.table import columns, markdown
from drills.providers.talk import ANSWER, GREETING, Reply, longest_silence, reply_in
from drills.providers.timeline import sounds, timeline

ASKED = "I would like to book a table for four people, please."
SORRY = "I'm sorry, I didn't get that. Could you say it again?"
FAREWELL = "I'm sorry, something is wrong on our side. Please call again later. Goodbye."
SAID = [("agent", GREETING), ("user", ASKED), ("agent", ANSWER)]
HEARD = f"{GREETING} {ANSWER}"


def detail(
    said: Sequence[tuple[str, str]] = SAID,
    ended: str = "caller_hung_up",
    events: Sequence[EventKind] = (),
    **more: Any,
) -> dict[str, Any]:
    segments = [
        {
            "sequence": number,
            "speaker": speaker,
            "text": text,
            "is_final": True,
            "started_at_ms": number * 10_000,
            "ended_at_ms": number * 10_000 + 5_000,
        }
        for number, (speaker, text) in enumerate(said)
    ]
    return {
        "status": "completed",
        "end_reason": ended,
        "transcript": {"segments": segments},
        "events": [{"kind": kind, "data": {"name": "second"}} for kind in events],
        "recording": {"status": "ready"},
        **more,
    }


def faults(
    call: dict[str, Any],
    expected: Expected = WELL,
    heard: str = HEARD,
    *replies: Reply,
    script: Sequence[str] = (ASKED,),
) -> tuple[str, ...]:
    came = replies or (Reply.ANSWERED, Reply.ANSWERED)
    return outcome("it hangs", Call(came, 1, script, heard, [], call), expected, second=True).faults


def row(silence_s: float = 1, *, said: str = "", went_on: str = "answered", faults: tuple[str, ...] = ()) -> Any:
    return ProviderOutcome("it hangs", second=True, silence_s=silence_s, said=said, went_on=went_on, faults=faults)


@pytest.mark.parametrize(
    ("heard", "since", "until", "longest"),
    [
        ([], 10, 15, 5),
        ([], 10, None, 0),
        ([12, 12.5], 10, None, 2),
        ([12, 12.5], 10, 15, 2.5),
        ([11, 11.5, 14], 10, None, 2.5),
        ([5, 9, 11], 10, 12, 1),
        ([11, 30], 10, 12, 1),
    ],
)
def test_silence_is_the_longest_pause_between_sounds(
    heard: list[float], since: float, until: float | None, longest: float
) -> None:
    assert longest_silence(heard, since, until) == longest


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ("", Reply.NOTHING),
        ("One moment, please.", Reply.NOTHING),
        (f"One moment, please. {ANSWER}", Reply.ANSWERED),
        (SORRY, Reply.ASKED_AGAIN),
        ("We have a", Reply.BROKEN_OFF),
        (f"We have a {SORRY}", Reply.ASKED_AGAIN),
        (f"We have a {ANSWER}", Reply.ANSWERED),
    ],
)
def test_a_reply_is_what_was_not_said_before(said: str, reply: Reply) -> None:
    before = f"{GREETING} {SORRY} We have a {ANSWER}"
    assert reply_in(before, f"{before} {said}", ANSWER) is reply


def test_a_call_that_went_on_has_no_fault() -> None:
    assert faults(detail()) == ()
    assert (
        faults(detail(events=[EventKind.PROVIDER_FAILED]), Expected(events=frozenset({EventKind.PROVIDER_FAILED})))
        == ()
    )


@pytest.mark.parametrize(
    ("call", "expected", "heard", "fault"),
    [
        (detail(ended="provider_failed"), WELL, HEARD, "it ended otherwise"),
        (detail(), Expected(events=frozenset({EventKind.ANSWER_EMPTY})), HEARD, "no event answer.empty"),
        (detail(events=[EventKind.AGENT_LOST]), WELL, HEARD, "it was taken over"),
        (detail([*SAID, ("agent", SORRY)]), WELL, HEARD, "the agent did not say all that is written"),
        (detail([*SAID, ("user", ASKED)]), WELL, HEARD, "the caller did not say all that is written"),
        (detail(), WELL, HEARD.replace("seven, near the window", "7"), "the agent did not say all that is written"),
        (detail(), WELL, f"{HEARD} {SORRY}", "the agent said more than is written"),
        (
            detail([SAID[0], ("user", ASKED[:30]), ("user", ASKED[30:]), SAID[2]]),
            Expected(whole=True),
            HEARD,
            "a sentence of the caller is in pieces",
        ),
        (detail([SAID[0], SAID[2]]), WELL, HEARD, "words of the caller are missing"),
        (detail(recording=None), WELL, HEARD, "there is no recording"),
    ],
)
def test_what_should_not_be_is_told(call: dict[str, Any], expected: Expected, heard: str, fault: str) -> None:
    assert faults(call, expected, heard) == (fault,)


def test_words_that_were_never_recognised_may_be_missing() -> None:
    assert faults(detail([SAID[0], SAID[2]]), Expected(loses=True)) == ()


def test_the_last_question_is_to_be_answered_and_the_greeting_heard() -> None:
    assert faults(detail(), WELL, HEARD, Reply.ANSWERED, Reply.NOTHING) == ("it should go on otherwise",)
    assert faults(detail(), WELL, HEARD, Reply.ANSWERED, Reply.NOTHING, Reply.ANSWERED) == ()
    assert faults(detail(), WELL, HEARD, Reply.NOTHING, Reply.ANSWERED) == ("the greeting is missing",)
    assert faults(detail(), Expected(greeted=False), HEARD, Reply.NOTHING, Reply.ANSWERED) == ()


def test_an_agent_that_hangs_up_says_so() -> None:
    came = (Reply.ANSWERED, Reply.HUNG_UP)
    ending = detail([*SAID[:2], ("agent", FAREWELL)], "provider_failed", [EventKind.PROVIDER_FAILED])
    silent = detail(SAID[:2], "provider_failed", [EventKind.PROVIDER_FAILED])
    assert faults(ending, ENDED, f"{GREETING} {FAREWELL}", *came) == ()
    assert faults(silent, ENDED, GREETING, *came) == ("it hung up without a word",)


def test_what_was_said_meanwhile_is_neither_greeting_nor_answer() -> None:
    said = [SAID[0], SAID[1], ("agent", f"One moment, please. {ANSWER}")]
    call = Call(
        [Reply.ANSWERED, Reply.ASKED_AGAIN, Reply.ANSWERED],
        2,
        [ASKED],
        "",
        [(0.1, 1), (20.2, 25.3), (30, 31)],
        detail(said, events=[EventKind.PROVIDER_SWITCHED]),
    )
    made = outcome("it hangs", call, WELL, second=True)
    assert made.said == "“One moment, please.”, a tone"
    assert made.went_on == "was asked to say it again, then answered by second"


def test_sounds_that_hardly_pause_are_one() -> None:
    call = detail(started_at="2026-03-01T10:00:00Z")
    zero = datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp()
    assert sounds(call, []) == []
    assert sounds(call, [zero + at for at in (1, 1.25, 2, 2.25, 2.5)]) == [(1, 1.25), (2, 2.5)]


def test_a_call_is_told_in_the_order_in_which_it_went() -> None:
    event = {"kind": EventKind.ANSWER_EMPTY, "data": {}, "created_at": "2026-03-01T10:00:15Z"}
    call = {**detail(started_at="2026-03-01T10:00:00Z"), "events": [event]}
    assert [line.split()[:2] for line in timeline(call, [(21, 22)])] == [
        ["0.0", "agent:"],
        ["10.0", "user:"],
        ["15.0", "answer.empty"],
        ["20.0", "agent:"],
        ["21.0", "sound"],
    ]


def test_what_comes_of_questions_in_a_row_is_counted() -> None:
    came = [Reply.ANSWERED, Reply.NOTHING, Reply.NOTHING, Reply.ASKED_AGAIN, Reply.ANSWERED]
    made = outcome("it hangs", Call(came, 2, [ASKED], HEARD, [], detail()), WELL, second=False)
    assert made.went_on == "2 times no answer, was asked to say it again, then answered"


def test_a_silence_of_more_than_four_seconds_is_told_unless_seconds_are_not_judged() -> None:
    assert list(misses([row(4)], judge_seconds=True)) == []
    assert list(misses([row(4.5, faults=("it ended otherwise",))], judge_seconds=True)) == [
        "it hangs, with a second: it ended otherwise, 4.5 s of silence"
    ]
    assert list(misses([row(4.5)], judge_seconds=False)) == []


def test_each_failure_has_a_title_of_its_own() -> None:
    titles = [one.title for one in failures()]
    assert len(set(titles)) == len(titles)


def test_the_table_is_markdown_too() -> None:
    outcomes = [row(1.26, said="One | moment", faults=("it ended otherwise",))]
    assert markdown(outcomes).splitlines()[2] == (
        r"| it hangs | yes | 1.3 s | One \| moment | answered; it ended otherwise |"
    )
    assert columns(outcomes).splitlines()[1].split("  ")[0] == "it hangs"

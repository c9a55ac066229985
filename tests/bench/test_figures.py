"""Figures from calls whose sound and log are known."""

import pytest

from bench.conversation.figures import PARTS, Cost, figures, judged, parts_s
from bench.conversation.latencies import PROFILES
from bench.conversation.sound import FRAME_S, Span
from bench.conversation.standins import ANSWER, speech_s
from tests.bench.calls import LOG, SAID, call


def test_a_response_is_from_the_end_of_what_was_said_to_the_first_sound() -> None:
    made = call((13.2, 13.2 + speech_s(ANSWER)))
    turn = judged(made, made.turns[0], LOG)
    assert turn.response_s == pytest.approx(1.2)
    assert (turn.answered, turn.cut_in, turn.flawed, turn.requests) == (True, False, False, 1)


def test_the_parts_of_a_response_add_up_to_it() -> None:
    parts = parts_s(SAID.ended, 13.2, [one for one in LOG if one["call"] == "a"])
    assert parts == pytest.approx(dict(zip(PARTS, (0.05, 0.3, 0.01, 0.35, 0.19, 0.2, 0.1), strict=True)))


def test_a_reply_that_is_too_short_was_broken_off() -> None:
    made = call((13.2, 14.0))
    assert judged(made, made.turns[0], LOG).flawed


def test_a_turn_with_a_cut_in_has_no_response_time() -> None:
    made = call((11.0, 11.4), (13.2, 18.0))
    turn = judged(made, made.turns[0], LOG)
    assert (turn.cut_in, turn.answered, turn.response_s) == (True, True, None)


@pytest.mark.parametrize("spans", [[(1.0, 2.0)], [(11.0, 14.0)]], ids=["silence", "what cut in and went on"])
def test_a_turn_without_an_answer_is_not_answered(spans: list[tuple[float, float]]) -> None:
    made = call(*spans)
    assert not judged(made, made.turns[0], LOG).answered


def test_interruptions_are_counted_of_agents_that_spoke_at_that_moment() -> None:
    words = Span(30.0, 32.0)
    spoke, had_stopped, went_on = [call((13.2, 18.0), (25.0, until), interrupted=words) for until in (30.3, 29.0, 40.0)]
    made = figures([spoke, had_stopped, went_on], Cost(), LOG, PROFILES["usual"])
    assert made["silent_after_interruption_s"]["max"] == pytest.approx(0.3, abs=2 * FRAME_S)
    assert (made["not_interrupted"], made["silent_before_interruption"]) == (1, 1)


def test_sentences_that_are_kept_apart_are_counted_apart() -> None:
    calls = [call((13.2, 18.0)), call((11.0, 18.0), apart=True), call((13.4, 18.0), kind="pause 1000")]
    made = figures(calls, Cost(cores_per_call=[0.2, 0.3]), LOG, PROFILES["usual"])
    assert (made["tuning"]["turns"], made["tuning"]["cut_ins"]) == (2, 0)
    assert (made["apart"]["turns"], made["apart"]["cut_ins"]) == (1, 1)
    assert made["tuning"]["overhead_s"] == pytest.approx(1.2 - 0.85)
    assert made["by_kind"]["pause 1000"]["response_s"]["p50"] == pytest.approx(1.4)
    assert made["cores_per_call"] == pytest.approx(0.25)

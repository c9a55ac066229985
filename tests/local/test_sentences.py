"""Where sentences end."""

import pytest

from local.sentences import whole_sentences


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("A table for two. With pleas", "A table for two."),
        ("A table for two, with pleas", ""),
        ("It is booked!", "It is booked!"),
        ("He said \u201cyes.\u201d Then he", "He said \u201cyes.\u201d"),
        ("Good evening, Mr. Brown", ""),
        ("At 7 p.m. tomorrow. Is that", "At 7 p.m. tomorrow."),
        ("For 3.5 hours", ""),
        ("Goodbye.\n\nBest reg", "Goodbye.\n\n"),
    ],
)
def test_what_breaks_off_is_left_out(text: str, whole: str) -> None:
    assert whole_sentences(text) == whole


def test_while_more_is_to_come_a_last_full_stop_ends_nothing_yet() -> None:
    assert whole_sentences("It is open. At 7 p.", goes_on=True) == "It is open."


def test_enough_is_enough_at_the_end_of_a_sentence() -> None:
    assert whole_sentences("One. Two. Three.", enough=5) == "One. Two."

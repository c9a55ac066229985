"""Which words are counted as lost."""

import pytest

from drills import words

HELLO = "Hello, my name is Anna."
TABLE = "A table for four, please."
SAID = [HELLO, TABLE]


@pytest.mark.parametrize(
    ("heard", "counts"),
    [
        ("hello my name is anna a table for four please", [0, 0]),
        ("my name is Anna. A table for four, please.", [1, 0]),
        ("Hello, name is Anna. A table for four, please.", [1, 0]),
        ("Hello, my name is Anna. A table for four.", [0, 1]),
        ("Hello, my name is. For four, please.", [1, 2]),
        ("Hello, my name is Emma. A table for four, please.", [1, 0]),
        ("Hello, my name is an aunt. A table for four, please.", [1, 0]),
        ("Hello, my name is Anna. Hello, my name is Anna. A table for four, please.", [0, 0]),
        ("Well, hello, my own name is Anna. A table, yes, for four, please.", [0, 0]),
        (TABLE, [5, 0]),
        (HELLO, [0, 5]),
        ("", [5, 5]),
    ],
)
def test_each_sentence_lacks_the_words_that_were_not_heard(heard: str, counts: list[int]) -> None:
    assert words.lost(SAID, heard) == [(count, count / 5) for count in counts]


def test_a_sentence_that_was_said_twice_and_heard_once_is_lost_once() -> None:
    assert sorted(words.lost([HELLO, HELLO], HELLO)) == [(0, 0), (5, 1)]


def test_who_said_nothing_has_lost_nothing() -> None:
    assert words.lost([], "Hello?") == []

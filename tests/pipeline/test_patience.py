"""How long something has been seen unchanged, by a clock that the test turns."""

import pytest

from pipeline.patience import Patience

GAP_S = 2.0


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patience(clock: Clock) -> Patience:
    return Patience(GAP_S, clock)


def look(patience: Patience, clock: Clock, after_s: float) -> bool:
    clock.seconds += after_s
    return patience.look()


def test_it_counts_from_the_first_look_at_a_value_and_anew_from_the_look_that_finds_another(patience, clock):
    assert not look(patience, clock, 0)  # before the first there was none
    assert patience.unchanged_s("lease", 7) == 0
    for seconds in (1, 2, 3):
        assert look(patience, clock, 1)
        assert patience.unchanged_s("lease", 7) == seconds
    assert look(patience, clock, 1)
    assert patience.unchanged_s("lease", 8) == 0
    assert look(patience, clock, 1)
    assert patience.unchanged_s("lease", 8) == 1
    assert patience.unchanged_s("lease", 7) == 0  # it was that once, but not since then


def test_nothing_passes_between_two_looks(patience, clock):
    look(patience, clock, 0)
    patience.unchanged_s("lease")
    clock.seconds += 1.9
    assert patience.unchanged_s("lease") == 0


def test_things_are_counted_each_for_itself(patience, clock):
    look(patience, clock, 0)
    patience.unchanged_s(("lease", 1))
    look(patience, clock, 1)
    assert patience.unchanged_s(("lease", 1)) == 1
    assert patience.unchanged_s(("lease", 2)) == 0


def test_asking_twice_in_one_look_changes_nothing(patience, clock):
    look(patience, clock, 0)
    patience.unchanged_s("lease", None)
    look(patience, clock, 1)
    assert [patience.unchanged_s("lease", None) for _ in range(2)] == [1, 1]


def test_what_a_look_did_not_ask_for_is_forgotten(patience, clock):
    look(patience, clock, 0)
    patience.unchanged_s("missing")
    look(patience, clock, 1)  # it was there
    look(patience, clock, 1)
    assert patience.unchanged_s("missing") == 0


def test_after_a_gap_nothing_is_known(patience, clock):
    look(patience, clock, 0)
    patience.unchanged_s("lease")
    assert look(patience, clock, GAP_S - 0.1)
    assert patience.unchanged_s("lease") == pytest.approx(GAP_S - 0.1)
    assert not look(patience, clock, GAP_S)
    assert patience.unchanged_s("lease") == 0
    assert look(patience, clock, 1)
    assert patience.unchanged_s("lease") == 1


def test_what_is_forgotten_in_the_middle_of_a_look_counts_on_until_the_next_one(patience, clock):
    look(patience, clock, 0)
    patience.unchanged_s("lease")
    look(patience, clock, 1)
    patience.forget()
    assert [patience.unchanged_s(name) for name in ("lease", "new")] == [1, 0]
    assert not look(patience, clock, 1)
    assert [patience.unchanged_s(name) for name in ("lease", "new")] == [0, 0]

"""When the drills have failed."""

import math
from collections.abc import Sequence

import pytest

from drills.conversation import Outcome
from drills.kills import Victim
from drills.plan import on_sqlite
from drills.verdict import LIMITS, misses, silence

SECONDS = {Victim.JOB: 3.0, Victim.WORKER: 3.0, Victim.ONLY_WORKER: 10.0}


def outcome(silence_s: float, broken: str = "nothing", *faults: str) -> Outcome:
    return Outcome(broken, silence_s, 0, "completed, caller_hung_up", faults)


def killed(victim: Victim, *silences_s: float) -> list[Outcome]:
    return [outcome(seconds, f"{victim.value} is killed, in the pause") for seconds in silences_s]


def lines(outcomes: Sequence[Outcome]) -> list[str]:
    return list(misses(outcomes, judge_seconds=True))


@pytest.mark.parametrize(
    ("calls", "half", "most", "every"),
    [(1, 1, 1, 1), (2, 1, 2, 2), (3, 2, 3, 3), (20, 10, 19, 20), (21, 11, 20, 21)],
)
def test_a_share_of_the_silences_is_the_shortest_that_so_many_calls_do_not_exceed(
    calls: int, half: int, most: int, every: int
) -> None:
    outcomes = [outcome(seconds) for seconds in range(calls, 0, -1)]
    assert [silence(outcomes, share) for share in (0.5, 0.95, 1)] == [half, most, every]


@pytest.mark.parametrize("victim", Victim)
def test_a_silence_that_is_too_long_for_what_was_killed_is_told(victim: Victim) -> None:
    limit = SECONDS[victim]
    assert lines(killed(victim, limit)) == []
    [line] = lines(killed(victim, limit + 0.5))
    assert f": {limit + 0.5} s of silence" in line
    assert f"not {limit:.0f} s" in line


def test_one_call_in_twenty_may_be_silent_for_longer_but_not_where_there_is_no_other_worker() -> None:
    assert lines(killed(Victim.JOB, *[1] * 19, 60)) == []
    assert len(lines(killed(Victim.JOB, *[1] * 18, 60, 60))) == 1
    assert len(lines(killed(Victim.ONLY_WORKER, *[1] * 19, 60))) == 1


def test_each_limit_is_for_its_own_kills_and_for_nothing_else_that_is_broken() -> None:
    drills = [broken for broken, _ in on_sqlite(kills=6)]
    outcomes = [outcome(0, broken) for broken in drills]
    judged = [{one.broken for one in limit.of(outcomes)} for limit in LIMITS]
    alone = {broken for broken in drills if broken.startswith("the only worker is killed")}
    assert judged == [{broken for broken in drills if "is killed" in broken} - alone, alone]
    assert [len(of_limit) for of_limit in judged] == [6, 1]


def test_a_call_that_did_not_go_as_it_should_is_told_with_all_its_faults() -> None:
    outcomes = [outcome(1), outcome(1, "SQLite is locked", "a part of it died", "there is no recording")]
    assert lines(outcomes) == ["SQLite is locked: a part of it died, there is no recording"]


def test_where_seconds_are_not_judged_faults_are_all_the_same() -> None:
    outcomes = [*killed(Victim.ONLY_WORKER, math.inf), outcome(math.inf, "nothing", "it took too long")]
    assert list(misses(outcomes, judge_seconds=False)) == ["nothing: it took too long"]

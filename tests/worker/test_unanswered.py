"""When speeches without words mean that nobody understands somebody, by seconds that a test counts."""

from worker.room.unanswered import Unanswered


def missed(*gaps_s: float, voice_s: float = 1.5) -> Unanswered:
    """Somebody's speeches without words, each after so many seconds."""
    unanswered = Unanswered()
    for gap_s in gaps_s:
        unanswered.wait(gap_s)
        unanswered.add(voice_s)
    return unanswered


def test_three_long_ones_within_half_a_minute_and_more_are_a_person_whom_nobody_understands() -> None:
    assert missed(100, 15, 16).is_deaf
    assert missed(100, 5, 5, 5, 16).is_deaf


def test_noises_are_none_however_long_one_waits() -> None:
    assert not missed(0, 35).is_deaf
    assert not missed(0, 15, 16, voice_s=0.7).is_deaf
    hasty = missed(0, 10, 10)
    hasty.wait(100)
    hasty.add(0.7)
    assert hasty.count == 4
    assert not hasty.is_deaf


def test_words_begin_a_new_count() -> None:
    unanswered = missed(0, 15, 16)
    unanswered.clear()
    unanswered.add(1.5)
    assert unanswered.count == 1
    assert not unanswered.is_deaf


def test_who_has_not_spoken_since_is_no_sign_that_anybody_is_heard() -> None:
    deaf = missed(0, 15, 16)
    assert not deaf.may_be_heard(Unanswered())
    assert not deaf.may_be_heard(missed(0, 15, 16))
    assert deaf.may_be_heard(missed(0))
    understood = Unanswered()
    understood.clear()
    understood.wait(30)
    assert deaf.may_be_heard(understood)
    understood.wait(2)
    assert not deaf.may_be_heard(understood)

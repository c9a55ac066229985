"""How long words are waited for, by seconds that a test counts."""

import pytest

from worker.room.awaited import Awaited, Missing

STEP_S = 0.05


class Person:
    """Speaks and is silent, and sees what becomes of it."""

    def __init__(self) -> None:
        self.awaited = Awaited(2)
        self.awaited.begin(0, interim=True)
        self.listening = True
        self.in_doubt = False

    def speak(self, seconds: float) -> list[tuple[Missing, float]]:
        return self._go_on(seconds, speaking=True)

    def rest(self, seconds: float) -> list[tuple[Missing, float]]:
        """What is missed, and after how many seconds."""
        return self._go_on(seconds, speaking=False)

    def _go_on(self, seconds: float, *, speaking: bool) -> list[tuple[Missing, float]]:
        missed = []
        for step in range(round(seconds / STEP_S)):
            missing = self.awaited.wait(
                STEP_S, speaking=speaking, voice=speaking, listening=self.listening, in_doubt=self.in_doubt
            )
            if missing is not None:
                self.in_doubt = self.in_doubt and missing is not Missing.CONFIRMATION
                missed.append((missing, round(step * STEP_S, 1)))
        return missed


@pytest.fixture
def person() -> Person:
    return Person()


def test_a_silent_stream_is_replaced_once_and_then_there_were_no_words(person: Person) -> None:
    assert person.speak(1) == []
    assert person.rest(3) == [(Missing.SOUND, 2)]
    person.awaited.begin(2, interim=True)
    assert person.rest(10) == [(Missing.WORDS, 1.6)]  # with the time that hearing 2 s again takes


def test_who_has_listened_and_found_no_words_is_not_replaced(person: Person) -> None:
    person.speak(1)
    person.awaited.hear()
    assert person.rest(10) == [(Missing.WORDS, 2)]


def test_from_the_second_speech_without_words_on_the_next_one_hears_it_too(person: Person) -> None:
    for expected in ([(Missing.WORDS, 2)], [(Missing.SOUND, 2), (Missing.WORDS, 3.5)]):
        person.speak(1)
        person.awaited.hear()
        assert person.rest(10) == expected
    assert person.awaited.unanswered.count == 2
    person.speak(1)
    person.awaited.hear(words=True)
    person.awaited.understand()
    person.rest(1)
    person.speak(1)
    person.awaited.hear()
    assert person.rest(10) == [(Missing.WORDS, 2)]


def test_a_cough_and_what_was_understood_are_not_missed(person: Person) -> None:
    person.speak(0.3)
    person.awaited.hear()
    assert person.rest(10) == [(Missing.NOTHING, 2)]
    person.speak(1)
    person.awaited.hear()
    person.awaited.understand()
    assert person.rest(10) == []
    assert person.awaited.unanswered.count == 0


def test_the_second_short_sound_in_a_row_of_which_nothing_came_is_heard_again_with_the_first(person: Person) -> None:
    person.speak(0.3)
    assert person.rest(10) == [(Missing.LITTLE, 2)]
    person.speak(0.3)
    assert person.rest(10) == [(Missing.STREAM, 2), (Missing.NOTHING, 3.5)]
    person.speak(0.3)
    assert person.rest(10) == [(Missing.LITTLE, 2)]
    person.awaited.hear()
    person.rest(1)
    person.speak(0.3)
    assert person.rest(10) == [(Missing.LITTLE, 2)]
    assert person.awaited.unanswered.count == 0


def test_laughter_after_words_is_heard_again_once_and_nobody_is_asked(person: Person) -> None:
    person.speak(1)
    person.awaited.hear(words=True)
    person.awaited.understand()
    person.speak(2)
    assert person.rest(10) == [(Missing.STREAM, 2), (Missing.NOTHING, 3.5)]
    assert person.awaited.unanswered.count == 0


def test_the_words_of_an_earlier_speech_are_not_those_of_the_last(person: Person) -> None:
    person.speak(1)
    person.rest(0.3)
    person.speak(1)
    person.rest(0.2)
    person.awaited.hear(words=True)
    person.awaited.understand(earlier=True)
    assert [missing for missing, _ in person.rest(10)] == [Missing.WORDS]
    person.speak(1)
    person.rest(0.3)
    person.speak(0.3)
    person.awaited.hear(words=True)
    person.awaited.understand(earlier=True)
    assert person.rest(10) == [(Missing.NOTHING, 2)]


def test_words_take_long_when_there_will_be_none_within_4_s(person: Person) -> None:
    person.speak(1)
    person.rest(1.9)
    assert not person.awaited.takes_long
    assert person.rest(0.2) == [(Missing.SOUND, 0.1)]
    person.awaited.begin(1, interim=True)
    assert not person.awaited.takes_long
    person.rest(1)
    person.awaited.begin(1, interim=True)  # it did not come about
    assert person.awaited.takes_long
    person.awaited.understand()
    assert not person.awaited.takes_long
    person.awaited.begin(0, interim=False)
    person.speak(1)
    person.rest(1)
    assert person.awaited.takes_long


def test_an_interim_result_counts_as_said_unless_it_still_changes(person: Person) -> None:
    person.in_doubt = True
    person.speak(1)
    for _ in range(10):
        person.awaited.hear()
        assert person.rest(0.3) == []
    person.awaited.hear()
    assert person.rest(1) == [(Missing.CONFIRMATION, 0.5)]


def test_a_stream_that_falls_silent_in_mid_sentence_is_replaced_first(person: Person) -> None:
    person.speak(1)
    person.awaited.hear()
    person.in_doubt = True
    person.speak(3)
    assert person.rest(2.5) == [(Missing.SOUND, 2)]
    person.awaited.begin(4, interim=True)
    person.awaited.hear()
    person.in_doubt = True
    assert person.rest(10) == [(Missing.CONFIRMATION, 1.7)]


def test_who_talks_on_to_a_silent_stream_gets_another_one_meanwhile(person: Person) -> None:
    assert person.speak(20) == [(Missing.SOUND, 8)]


def test_nobody_is_blamed_while_there_is_no_stream(person: Person) -> None:
    person.listening = False
    person.speak(20)
    assert person.rest(20) == []
    person.listening = True
    person.awaited.begin(20, interim=True)
    assert person.rest(10)[0] == (Missing.SOUND, 3)


def test_who_takes_whole_recordings_gets_longer(person: Person) -> None:
    person.awaited.begin(0, interim=False)
    person.speak(10)
    assert person.rest(4.5) == [(Missing.SOUND, 4)]


def test_a_voice_is_likely_to_be_a_word_until_words_came_for_it_unless_it_was_short(person: Person) -> None:
    person.speak(0.1)
    assert not person.awaited.are_likely
    person.speak(0.2)
    assert person.awaited.are_likely
    person.awaited.understand()
    person.rest(0.3)
    assert not person.awaited.are_likely
    person.speak(0.3)
    person.awaited.understand(earlier=True)
    assert person.awaited.are_likely

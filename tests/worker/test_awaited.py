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


def test_a_cough_and_what_was_understood_are_not_missed(person: Person) -> None:
    person.speak(0.3)
    assert person.rest(10) == [(Missing.NOTHING, 2)]
    person.speak(1)
    person.awaited.hear()
    person.awaited.understand()
    assert person.rest(10) == []


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

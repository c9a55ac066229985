"""Whether somebody has finished, by the words alone."""

import pytest

from worker.turns.curve import needed_s
from worker.turns.numbers import dictated
from worker.turns.words import likely_whole

PAUSE_S = 1.0  # nobody is to be talked into who thinks for so long
PROMPT_S = 0.5


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I would like to book a table for"),
        ("en-GB", "The problem is that my"),
        ("en", "I would like, um,"),
        ("en", "Um"),
        ("en", "please send it to the"),
        ("en", "My number is five five five,"),
        ("en", "The order is seven two nine four"),
        ("en", "It is 555 123"),
        ("en", "After the meeting yesterday"),
        ("de", "Ich wollte fragen, ob die"),
        ("de-AT", "Wir kommen, ähm"),
        ("de", "Meine Nummer ist fünf fünf fünf"),
        ("es", "Quería preguntar si el"),
        ("es", "Mi número es cinco cinco cinco"),
        ("fr", "Je voudrais réserver une table pour"),
        ("fr", "On arrive euh"),
        ("fr", "Mon numéro est zéro six douze"),
        (None, "Ich suche ein"),
        (None, "I want to know when the"),
        ("ja", "予約をしたいのですが、"),
        ("it", "Vorrei prenotare un tavolo per"),
    ],
)
def test_words_that_go_on_are_given_time(language, text):
    assert needed_s(likely_whole(text, language)) > PAUSE_S


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I would like to book a table for two on Friday."),
        ("en", "What are you waiting for?"),
        ("en", "Yes, I do."),
        ("en", "No"),
        ("en", "Two."),
        ("en", "In 2026."),
        ("en", "My number is 555 123 4567."),
        ("en", "I want to cancel it."),
        ("de", "Das ist alles."),
        ("de", "Nein, danke."),
        ("es", "¿A qué hora abren mañana?"),
        ("fr", "Oui, s'il vous plaît."),
        (None, "Quiero reservar una mesa para dos personas."),
        ("ja", "明日は何時に開きますか。"),
        ("it", "Che cosa devo portare?"),
    ],
)
def test_words_that_are_all_are_answered_at_once(language, text):
    assert needed_s(likely_whole(text, language)) < PROMPT_S


def test_what_a_recogniser_writes_without_marks_is_judged_by_the_voice():
    """Else all that it writes would seem to go on."""
    whole, plain = (likely_whole(text, "en") for text in ("What time do you open?", "what time do you open"))
    assert needed_s(whole) < needed_s(plain) < PAUSE_S
    assert needed_s(plain, 0.1, 0.36) > PAUSE_S


def test_a_voice_that_goes_on_is_given_time_and_one_that_has_finished_hurries_no_half_sentence():
    assert needed_s(likely_whole("I would like a table.", "en"), 0.05, 0.36) > PROMPT_S
    assert needed_s(likely_whole("i would like a table", "en"), 0.05, 0.36) > PAUSE_S
    assert needed_s(likely_whole("I would like a table for", "en"), 0.99, 0.36) > PAUSE_S


@pytest.mark.parametrize(
    ("text", "digits"),
    [("five five five one", 4), ("at seven", 0), ("555-123", 6), ("in 1984", 0), ("a table for 12", 0), ("1984 12", 6)],
)
def test_a_number_that_is_dictated_is_no_amount_and_no_year(text, digits):
    assert dictated(text, {"one", "five", "seven"}) == digits

"""What a session is told of words before they are certain, and then."""

import pytest
from livekit.agents import LanguageCode, stt

from worker.room.hearing import Attachment
from worker.turns.marks import Marks


@pytest.mark.parametrize(
    ("guess", "final", "told"),
    [
        ("yes", "Yes.", "yes"),
        ("It is two.", "It is two!", "It is two."),
        ("It works.", "It works?", "It works?"),
        ("Two people.", "Two people,", "Two people,"),
        ("For two.", "For three.", "For three."),
        ("It is twenty five.", "It is twenty-five.", "It is twenty five."),
        ("I want 5 off.", "I want 5% off.", "I want 5% off."),
        ("It costs 50.", "It costs $50.", "It costs $50."),
        ("It is 5 degrees.", "It is -5 degrees.", "It is -5 degrees."),
        ("It is in C.", "It is in C++.", "It is in C++."),
        ("Anna Smith@example.com.", "Anna.Smith@example.com.", "Anna.Smith@example.com."),
        ("It is my shop.de.", "It is my-shop.de.", "It is my-shop.de."),
    ],
)
async def test_a_guess_stays_as_it_was_where_only_its_writing_changes(guess: str, final: str, told: str) -> None:
    attachment = Attachment([], Marks(are_set=True), eager=0.1, only_listens=lambda _: False)
    language = LanguageCode("en")
    attachment.guess(stt.SpeechData(language, guess))
    attachment.say(stt.SpeechData(language, final), final)
    attachment.say(stt.SpeechData(language, final), final)
    attachment.close()
    assert [event.alternatives[0].text async for event in attachment.events()] == [guess, told, final]

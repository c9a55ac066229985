"""Whether somebody has finished, by the words."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import llm

from worker.room.activity import WINDOW_S
from worker.room.ear import GUESS_S
from worker.turns.curve import ASK_S, MOST_S, asked_after_s, needed_s
from worker.turns.languages import LANGUAGES
from worker.turns.marks import Marks
from worker.turns.numbers import Digits, dictated
from worker.turns.turn_end import AGAIN_S, LATE_S, UNDERSTOOD_S, TurnEnd, last_lines
from worker.turns.words import PLAIN, likely_whole

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
        ("en", "After the meeting, yesterday"),
        ("en", "yes i want to"),
        ("en", "no it's for"),
        ("en", "so what i would like is"),
        ("en", "what kind of"),
        ("en", "when i was at"),
        ("en", "M A R I A"),
        ("en", "It's S-M"),
        ("en", "five five twenty three"),
        ("en", "(555) 123"),
        ("en", "555.123"),
        ("de", "Ich wollte fragen, ob die"),
        ("de-AT", "Wir kommen, ähm"),
        ("de", "Meine Nummer ist fünf fünf fünf"),
        ("de", "Wo finde ich eine"),
        ("de", "null eins sieben zwo zwanzig"),
        ("de", "null eins sieben zwo einundzwanzig"),
        ("es", "seis cinco cinco treinta y cuatro"),
        ("es", "Quería preguntar si el"),
        ("es", "Mi número es cinco cinco cinco"),
        ("fr", "Je voudrais réserver une table pour"),
        ("fr", "On arrive euh"),
        ("fr", "Mon numéro est zéro six douze"),
        ("fr", "zéro six douze trente-quatre"),
        ("fr", "mon numéro est le 06"),
        ("fr", "on arrive heu"),
        (None, "Ich suche ein"),
        (None, "I want to know when the"),
        ("ja", "予約をしたいのですが、"),
        ("ja", "予約をしたいのですが､"),
        ("zh", "我想预订，"),
        ("ar", "أريد أن أحجز،"),
        ("fa", "من می‌خواهم؛"),
        ("hy", "Ես ուզում եմ՝"),
        ("am", "እኔ እፈልጋለሁ፣"),
        ("en", "the reason I call is that"),
        ("en", "I'm looking for a hotel near"),
        ("en", "I have been waiting since"),
        ("en", "my email is john dot"),
        ("en", "we want to travel through"),
        ("en", "Could you please"),
        ("de", "Mein Name ist"),
        ("de", "Ich hätte gerne"),
        ("de", "Könnten Sie mir bitte"),
        ("de", "Mein Geburtstag ist der dritte"),
        ("de", "Am Montag oder."),
        ("es", "Me gustaría"),
        ("es", "Podría por favor"),
        ("fr", "Je voulais savoir"),
        ("fr", "Pourriez-vous s'il vous plaît"),
        ("en", "My number is 2041."),
        ("en", "four one one one. One one one one. Two two two two."),
        ("de", "Meine Kartennummer ist vier eins eins eins. Eins eins eins eins."),
        ("es", "Mi número es 2034."),
        ("fr", "Mon IBAN est FR76 3000 6000 0112 3456."),
        ("it", "IT60 X054 2811 1010."),
        ("en", "Please hold on."),
        ("en", "Yes, let me check."),
        ("en", "Could you wait a second, please?"),
        ("de", "Warten Sie mal."),
        ("de", "Einen Moment, bitte."),
        ("es", "Un momento, por favor."),
        ("es", "Espere."),
        ("fr", "Attendez."),
        ("fr", "Un instant, s’il vous plaît."),
        (None, "Moment."),
        ("en", "My name is Smith, S for Sierra."),
        ("en", "S for Sierra. M, as in Mike."),
        ("de", "M wie Martha."),
        ("es", "A de Ana."),
        ("fr", "É comme Élodie."),
        ("en", "My phone number is 5."),
        ("en", "My number is, um, zero."),
        ("en", "My card ends in 5."),
        ("de", "Sie erreichen mich unter 0."),
        ("es", "Mi número es el seis."),
        ("fr", "Mon numéro, c'est zéro."),
        ("en", "Hmm."),
        ("en", "My name is, hmm."),
        ("en", "Yes. Well."),
        ("en", "Okay, let's see."),
        ("de", "Tja."),
        ("de", "Hm, also."),
        ("es", "Pues."),
        ("es", "Mmm."),
        ("fr", "Eh bien."),
        (None, "Voyons."),
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
        ("en", "No, it isn't."),
        ("en", "What time are you open until?"),
        ("en", "Plan A."),
        ("en", "My number is (555) 123-4567."),
        ("en", "At 8 p. m."),
        ("en", "No"),
        ("en", "Two."),
        ("en", "In 2026."),
        ("en", "My number is 555 123 4567."),
        ("en", "I want to cancel it."),
        ("de", "Das ist alles."),
        ("de", "Nein, danke."),
        ("de", "Wo ist er?"),
        ("de", "Keine."),
        ("de", "am 24.12.2026."),
        ("pt", "Mesa para um."),
        ("da", "Det er."),
        ("es", "si"),
        ("el", "Τι ώρα είναι;"),
        (None, "Τι ώρα είναι\u037e"),
        ("ko", "네."),
        ("es", "¿A qué hora abren mañana?"),
        ("fr", "Oui, s'il vous plaît."),
        (None, "Quiero reservar una mesa para dos personas."),
        ("ja", "明日は何時に開きますか。"),
        ("ja", "「予約をお願いします。」"),
        ("hi", "मुझे एक मेज़ चाहिए।"),
        ("ur", "مجھے میز چاہیے۔"),
        ("am", "እፈልጋለሁ።"),
        ("hy", "Ես ուզում եմ։"),
        ("it", "Che cosa devo portare?"),
        ("en", "That is what it is for."),
        ("en", "Yes, please."),
        ("en", "two please"),
        ("en", "I have never been there before."),
        ("en", "I don't know if."),
        ("en", "Yes, let's."),
        ("en", "Let us know if you can't."),
        ("de", "Das geht morgen, oder?"),
        ("de", "Mit oder ohne?"),
        ("de", "Es ist für meine Frau."),
        ("de", "Das freut mich sehr."),
        ("de", "Ich weiß nicht, wo er ist."),
        ("es", "¿Y cuando?"),
        ("es", "Sí, por favor."),
        ("fr", "C'est pour quand ?"),
        ("fr", "Qu'est-ce que c'est ?"),
        ("fr", "Je ne sais pas quand."),
        ("fr", "Mais si !"),
        ("fr", "C'est le son."),
        ("en", "Room 204."),
        ("en", "At five oh five."),
        ("en", "It costs 250."),
        ("en", "I lost my card in room 204."),
        ("en", "In flat B12."),
        ("en", "7PM."),
        ("de", "Zimmer 204."),
        ("es", "Son las 15 30."),
        ("fr", "Ça coûte 250."),
        (None, "€ 250."),
        ("en", "How long do I have to wait?"),
        ("en", "That took a moment."),
        ("en", "Let me see the other one."),
        ("de", "Das war ein schöner Moment."),
        ("fr", "Je ne peux pas attendre."),
        ("en", "Plan B for Friday."),
        ("en", "I like ice."),
        ("en", "That's for Sam."),
        ("es", "Vengo de León y de York."),
        ("en", "My room number is 5."),
        ("en", "I take number 5."),
        ("en", "I gave you my number, and we need a table for 5."),
        ("en", "I have a new phone number, so that is the old one."),
        ("en", "Mm-hm."),
        ("en", "Mm hm."),
        ("de", "Mhm."),
        ("en", "Hmm?"),
        ("en", "I am well."),
        ("en", "Well?"),
        ("de", "Ach so."),
        ("de", "Das ist es also."),
    ],
)
def test_words_that_are_all_are_answered_at_once(language, text):
    assert needed_s(likely_whole(text, language)) < PROMPT_S


@pytest.mark.parametrize("text", ["tak", "да", "はい", "نعم", "nee", "sim", "sì", "हाँ", "是的", "네", "ไม่ใช่", "όχι"])
def test_a_yes_or_a_no_needs_no_mark_whatever_the_language(text):
    for language in ("en", "it", None):
        assert needed_s(likely_whole(text, language, marks=True)) < PROMPT_S


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Ich nehme diese."),
        ("fr", "J'en veux un."),
        ("en", "What I need is."),
        ("en", "G A R C I A."),
        ("en", "S. M."),
        ("en", "S."),
        ("fr", "C'est le 06."),
        ("en", "The postcode is SW1A."),
        ("en", "It's 204."),
        ("en", "M for Mike. I for India. T for Tango."),
        ("en", "My name is Smith. S."),
        ("en", "My order number is 5."),
        ("en", "My order code is X. 5."),
    ],
)
def test_where_a_mark_and_the_words_disagree_they_are_waited_for_a_while(language, text):
    assert needed_s(0.92) < 0.3 < needed_s(likely_whole(text, language)) < PAUSE_S


@pytest.mark.parametrize(
    "text",
    [
        "yes i do",
        "no i can't",
        "what are you waiting for",
        "i know what it is",
        "that's what i'm looking for",
        "I lost it",
        "plan B",
    ],
)
def test_whole_words_without_marks_are_judged_by_the_voice(text):
    assert likely_whole(text, "en") == PLAIN


def test_marks_are_missed_where_the_recogniser_is_known_to_set_them():
    """Capital letters are no such sign: some recognisers write nothing else as people do."""
    for language, text in (("en", "After the meeting I had"), ("it", "Vorrei prenotare un tavolo per")):
        assert needed_s(likely_whole(text, language, marks=True)) > PAUSE_S
    assert likely_whole("Ich habe meine Karte verloren", "de") == PLAIN


def test_a_tag_question_is_whole_whatever_its_voice():
    assert needed_s(likely_whole("Das geht morgen, oder?", "de"), 0.01, 0.245) < PAUSE_S


def test_no_mark_is_missed_where_a_script_has_none_for_the_end_of_a_sentence():
    assert likely_whole("ขอจองโต๊ะสำหรับสองคน", "th", marks=True) == PLAIN


@pytest.mark.parametrize(
    ("known", "turns", "expected"),
    [
        (True, [], True),
        (None, [], True),
        (False, [], False),
        (None, ["i lost my card"], False),
        (None, ["I lost my card.", "415 555 0123", "yes"], True),
        (True, ["415 555 0123", "yes"], True),
        (True, ["i lost my card", "yes", "a blue one"], False),
        (False, ["i lost my card", "Yes."], True),
    ],
)
def test_marks_are_expected_of_who_is_known_to_set_them_until_several_turns_have_none(known, turns, expected):
    marks = Marks(are_set=known)
    for text in turns:
        marks.see(text)
        marks.end_turn()
    assert marks.are_expected is expected


def test_among_several_the_last_words_of_each_are_judged_without_the_name():
    assert last_lines("Ann: I would like \nBob: yes", ["Ann", "Bob"]) == {"Ann": "I would like ", "Bob": "yes"}
    assert last_lines("Ann: yes\nAnn: no", ["Ann", "Bob"]) == {"Ann": "no"}
    assert last_lines("at eight", ["Ann"]) == {"": "at eight"}


@pytest.mark.parametrize(
    ("ada", "waits"),
    [("I would like to book a table for", True), ("I would like to book a table for six.", False)],
)
async def test_what_another_says_into_a_pause_ends_nobodys_sentence(ada: str, *, waits: bool) -> None:
    quiet = SimpleNamespace(silence_s=1.0, speaking=False)
    voice = SimpleNamespace(is_judging=False, likely_whole=0.9)
    people: list[Any] = [
        SimpleNamespace(name=name, activity=quiet, intonation=voice, goes_on=False, voice_ended_at=ended_at)
        for name, ended_at in (("Ada", 1.0), ("Bob", 2.0))
    ]
    turn_end = TurnEnd(people, Marks(are_set=True), eager=0.1)
    turn_end.hear_words(said := f"Ada: {ada}\nBob: Yeah.")
    turn_end.hear_certain(said)
    waiting = asyncio.create_task(turn_end.predict_end_of_turn(chat_of(said)))
    await asyncio.sleep(3 * WINDOW_S)
    assert waiting.done() is not waits
    quiet.silence_s = MOST_S
    await waiting


async def test_who_has_gone_on_after_a_request_is_waited_for_longer_before_the_next_one() -> None:
    ear = SimpleNamespace(
        name="Ada",
        activity=SimpleNamespace(silence_s=GUESS_S, speaking=False),
        intonation=SimpleNamespace(is_judging=False, likely_whole=0.9),
        goes_on=False,
        voice_ended_at=0.0,
        voiced_at=0.0,
    )
    people: list[Any] = [ear]
    turn_end = TurnEnd(people, Marks(are_set=True), eager=0.1)

    async def asks(said: str) -> bool:
        """Whether the model is asked for the answer to this at once."""
        turn_end.hear_words(said)
        asking = asyncio.create_task(turn_end.draws_near(chat_of(said)))
        await asyncio.sleep(3 * WINDOW_S)
        is_asked = asking.done()
        asking.cancel()
        return is_asked

    assert await asks("I lost my card.")
    assert await asks("I lost my car.")  # the recogniser has changed its mind within the same silence
    ear.voiced_at = time.monotonic()
    assert not await asks("I lost my card. I want to block it.")
    ear.activity.silence_s = AGAIN_S
    assert await asks("I lost my card. I want to block it.")
    ear.activity.silence_s = MOST_S
    await turn_end.predict_end_of_turn(chat_of("I lost my card. I want to block it."))
    ear.activity.silence_s, ear.voiced_at = GUESS_S, time.monotonic()
    assert await asks("Thank you.")


@pytest.mark.parametrize(("take_s", "waits_s"), [(0.5, UNDERSTOOD_S), (2.5, 2.5), (60.0, LATE_S)])
async def test_a_turn_does_not_end_before_words_that_come_late_are_known(take_s: float, waits_s: float) -> None:
    ear = SimpleNamespace(
        name="Ada",
        activity=SimpleNamespace(silence_s=0.0, speaking=False),
        intonation=SimpleNamespace(is_judging=False, likely_whole=0.9),
        goes_on=True,
        voice_ended_at=0.0,
        words_take_s=take_s,
    )
    people: list[Any] = [ear]

    async def ends() -> bool:
        turn_end = TurnEnd(people, Marks(are_set=True), eager=0.1)
        turn_end.hear_certain(said := "That is all.")
        ending = asyncio.create_task(turn_end.predict_end_of_turn(chat_of(said)))
        await asyncio.sleep(2 * WINDOW_S)
        is_over = ending.done()
        ending.cancel()
        return is_over

    ear.activity.silence_s = waits_s - 2 * WINDOW_S
    assert not await ends()
    ear.activity.silence_s = waits_s
    assert await ends()
    ear.activity.silence_s, ear.goes_on = UNDERSTOOD_S / 2, False
    assert await ends()


def chat_of(said: str) -> llm.ChatContext:
    chat = llm.ChatContext.empty()
    chat.add_message(role="user", content=said)
    return chat


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
    "text",
    [
        "I would like a table",
        "My number is five five five, one two three",
        "I would like to book a table for",
    ],
)
def test_the_more_may_be_in_vain_the_sooner_the_model_is_asked_what_is_less_sure(text: str):
    words = likely_whole(text, "en", marks=True)
    end_s = needed_s(words)
    usual, *eager = [asked_after_s(end_s, share, words) for share in (0.1, 0.4, 0.7, 1)]
    assert usual == asked_after_s(end_s, 0.01, words) == end_s - ASK_S
    assert usual > eager[0] > eager[1] > 0 >= eager[2]


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("five five five one", 4),
        ("at seven", 0),
        ("555-123", 6),
        ("(555) 123-4567.", 10),
        ("555.123.", 6),
        ("12.50", 0),
        ("06", 2),
        ("in 1984", 0),
        ("a table for 12", 0),
        ("1984 12", 6),
        ("five five twenty one", 4),
        ("five five twenty-one", 4),
        ("five twenty", 0),
        ("a table for twenty one", 0),
    ],
)
def test_a_number_that_is_dictated_is_no_amount_no_time_and_no_year(text, digits):
    number = dictated(text, Digits.of("", "one five seven", "twenty"))
    assert (number.digits if number else 0) == digits


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("four one one one. One one one one. Two two two two.", False),
        ("four one one one one one one one two two two two", None),
        ("4111 1111 1111", False),
        ("4111 1111 1111 1111", True),
        ("3782 822463", None),
        ("3782 822463 10005", True),
        ("123 123 123 123", None),
        ("06 12 34 56", None),
        ("06 12 34 56 78", True),
        ("12 34 56 78 90", None),
        ("0176 123 456", None),
        ("0176 1234 5678", True),
        ("oh one seven six. One two three. Four five six.", None),
        ("+1 555 123", None),
        ("+1 555 123 4567", True),
        ("0049 176 123", None),
        ("DE89 3704 0044 0532", False),
        ("DE89 3704 0044 0532 0130 00", True),
        ("GB29 NWBK 6016 1331 9268 19", True),
        ("D E eight nine three seven zero four", False),
        ("my IBAN is 8 9 3 7 0 4. 0 0 4 4 0 5.", False),
        ("my card number is 4111", False),
        ("the last four of my card number are 4111", True),
        ("my number is 2041", False),
        ("my social security number is 123 45", False),
        ("my social security number is 123 45 6789", True),
    ],
)
def test_a_number_goes_on_until_it_has_the_length_of_such_numbers(text, whole):
    number = dictated(text, LANGUAGES["en"].digits)
    assert number is not None
    assert number.is_whole is whole

"""What is known by its words: who answers a goodbye with one, and that a voicemail has answered."""

import pytest

from worker.room.voicemail import is_voicemail
from worker.words import Signs, is_hello, is_hum, is_parting, last_question


@pytest.mark.parametrize(
    "text",
    [
        "Okay, bye.",
        "Bye-bye!",
        "Thank you, goodbye!",
        "Danke, tschüss.",
        "Gracias, adiós.",
        "Merci, au revoir.",
        "Mm-hm.",
    ],
)
def test_a_goodbye_is_no_objection_to_one(text):
    assert is_parting(text)


@pytest.mark.parametrize("text", ["Hello?", "Yes, hello?", "Good evening!", "Ja, guten Tag.", "¿Diga?", "もしもし"])
def test_who_says_this_into_a_first_message_asks_for_nothing(text):
    assert is_hello(text)


@pytest.mark.parametrize("text", ["Stop.", "No.", "Wait.", "A taxi, please.", "Hello, I need a taxi.", "Nein danke."])
def test_who_says_anything_else_into_it_is_not_to_wait_for_its_end(text):
    assert not is_hello(text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Uh-huh."),
        ("en-GB", "Okay, right. I see."),
        ("de", "Ja, genau."),
        ("de-AT", "Mhm, alles klar."),
        ("es", "Sí, claro."),
        ("fr", "D’accord."),
        ("fr", "Oui oui, très bien."),
        ("ja", "Mm."),
        ("de", "Mh."),
        ("it", "Mmh, mh."),
        ("fr", "Hum."),
        ("it", "Va bene."),
        ("it-IT", "Certo, certo."),
        ("ja", "はい、そうですね。"),
        ("ja", "うんうん"),
        (None, "Sí."),
        ("it", "Sì, sì."),
        ("hi", "हाँ, हाँ।"),
    ],
)
def test_who_says_this_while_another_speaks_only_listens(language, text):
    assert Signs(language, ["はい", "うん", "そうですね"] if language == "ja" else ()).are_all_of(text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Stop."),
        ("en", "No."),
        ("en", "Huh?"),
        ("en", "Yes please."),
        ("en", "Genau."),
        ("de", "Ja, aber nicht heute."),
        ("es", "Claro que no."),
        ("fr", "Attendez."),
        ("it", "Certo che no."),
        ("it", "Aspetti."),
        ("ja", "はい、でも"),
        ("hi", "है।"),
        ("en", "okay " * 20),
        ("en", f"Ah{'a' * 50}x"),
        ("en", ""),
    ],
)
def test_who_says_anything_else_wants_to_say_something(language, text):
    assert not Signs(language, ["はい"] if language == "ja" else ()).are_all_of(text)


@pytest.mark.parametrize(
    ("text", "is_so"), [("Mm-hm.", True), ("Uh-huh, hmm.", True), ("Ah, yes.", False), ("", False)]
)
def test_a_hum_has_no_word_in_it(*, text, is_so):
    assert is_hum(text) is is_so


@pytest.mark.parametrize(
    ("before", "question", "after"),
    [
        ("I have found 3.5 hours, at nine.", " Shall I cancel it now?", ""),
        ("Is that right? Good.", " Shall I book it?", " It costs nothing."),
        ("Βρήκα δύο.", " Να τις ακυρώσω;", ""),
        ("Βρήκα δύο.", " Να τις ακυρώσω\u037e", ""),
        ("وجدت حجزين.", " هل ألغيهما؟", ""),
        ("两个预订。", "要取消吗？", ""),
        ("二件ございます。", "取り消しますか。", "無料です。"),
        ("Գտա երկուսը։", " Ո՞րը չեղարկեմ։", ""),
        ("ሁለት አገኘሁ።", " ልሰርዝ፧", ""),
    ],
)
def test_a_question_is_found_by_its_mark_in_every_script(before, question, after):
    found = last_question(before + question + after)
    assert found is not None
    assert (before + question + after)[found.start : found.stop] == question


@pytest.mark.parametrize("text", ["", "Your table is booked.", "I have found it; it is late."])
def test_what_asks_nothing_is_no_question(text):
    assert last_question(text) is None


@pytest.mark.parametrize("text", ["No wait!", "One more thing.", "What time is it?", "Halt, noch etwas.", "No."])
def test_whatever_else_is_said_to_a_goodbye_objects(text):
    assert not is_parting(text)


@pytest.mark.parametrize(
    "text",
    [
        "Hi, you've reached John. I can't take your call right now.",
        "Please leave your name and a short message.",
        "Leave a message after the beep.",
        "The person you are calling is not available.",
        "The number you have dialed has been disconnected.",
        "Your call has been forwarded to an automatic voice message system.",
        "The mailbox is full.",
        "Hier ist die Mailbox von Anna Weber.",
        "Bitte hinterlassen Sie eine Nachricht nach dem Signalton.",
        "Der gewünschte Gesprächspartner ist zurzeit nicht erreichbar.",
        "Ha llamado al buzón de voz de Ana.",
        "Deje su mensaje después del tono.",
        "El número que usted marcó no está disponible.",
        "Vous êtes bien sur la messagerie de Paul.",
        "Laissez-moi un message après le bip.",
        "Votre correspondant n'est pas disponible.",
    ],
)
def test_a_voicemail_is_known_by_what_it_says(text):
    assert is_voicemail(text)


@pytest.mark.parametrize(
    "text",
    [
        "Hello?",
        "Smith speaking.",
        "He's not available, can I take a message?",
        "Would you like to leave a message?",
        "Can I leave a message?",
        "She can't come to the phone right now.",
        "Möchten Sie eine Nachricht hinterlassen?",
        "¿Quiere dejar un mensaje?",
        "Voulez-vous laisser un message ?",
    ],
)
def test_a_human_who_answers_for_another_is_none(text):
    assert not is_voicemail(text)

"""What of a model's text is said: the same whatever the pieces in which it comes."""

import time
from collections.abc import AsyncIterator

import pytest

from worker.speaker.words.plain import is_said_of, plain


async def said(text: str, size: int) -> str:
    async def stream() -> AsyncIterator[str]:
        for start in range(0, len(text), size):
            yield text[start : start + size]

    return "".join([piece async for piece in plain(stream())])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**Yes**, at *eight* o'clock.", "Yes, at eight o'clock."),
        ("# Menu\n- fish\n* soup\n\n1. rice", "Menu\nfish\nsoup\n\n1. rice"),
        ("See [our page](https://example.com) and `this`.", "See our page and this."),
        ("Fine 😀👍🏽!", "Fine !"),
        ("<think>They want *x* fish.\n</think>\n\nHello.", "Hello."),
        ("<thinking>They want fish", ""),
        ("*laughs* That's funny.", "That's funny."),
        ("(laughs) that's funny.", "that's funny."),
        ("Great. *Laughs softly* Let me see.", "Great. Let me see."),
        ("(pauses) Well. [sighs] Okay.", "Well. Okay."),
        ("（笑）はい、そうです。", "はい、そうです。"),
        # what may be words stays
        ("That is great. *Really* great.", "That is great. Really great."),
        ("*yes*, that works.", "yes, that works."),
        ("I *really* like it (a lot).", "I really like it (a lot)."),
        ("We close early. (On Sunday we are closed.) Bye.", "We close early. (On Sunday we are closed.) Bye."),
        ("Call (040) 123-45, or 2*3*4 = 24, 5 * 3.", "Call (040) 123-45, or 2*3*4 = 24, 5 * 3."),
        ("It is 1.234,50 € or -5 %, at 3:30 p.m., room #7.", "It is 1.234,50 € or -5 %, at 3:30 p.m., room #7."),
        ("a < b, and snake_case", "a < b, and snake_case"),
        ("Hm *", "Hm *"),
        ("<thin", "<thin"),
        ("<think>One</think>Two <reasoning>three</reasoning>four", "Two four"),
        (f"*a star, and then {'words ' * 100}and more", f"*a star, and then {'words ' * 100}and more"),
        ("(" * 300, "(" * 300),
    ],
)
async def test_what_nobody_says_is_left_out_and_all_else_stays_as_it_was_written(text, expected):
    for size in (1, 2, 3, 7, 1000):
        assert (await said(text, size)).strip() == expected


@pytest.mark.parametrize(
    "text", ["*a " * 3000, "(" * 9000, "[x" * 4500, "<think>" + "x" * 9000, "_a" * 4500, "`" * 9000]
)
async def test_no_text_takes_long(text):
    began = time.process_time()
    await said(text, 1)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "text", ["<reasoning>They want", "<think>They want</think>", "<thi", "[laughs", "*smiles*", "…"]
)
def test_of_what_may_be_a_thought_or_an_aside_nothing_is_said_for_certain(text: str) -> None:
    assert not is_said_of(text)
    assert is_said_of(f"Yes. {text}")

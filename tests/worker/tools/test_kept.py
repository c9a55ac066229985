"""What is written of a call of a tool, whatever its model or its server put into it."""

import json
import math
from typing import Any

import pytest

from calls.agent_config import Features
from worker.tools.kept import kept

CARD, PHONE, ADDRESS = "4111 1111 1111 1111", "+49 30 1234567", "anna@example.com"
ALL = Features(redact=["card", "email", "phone"])


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"card": CARD, "guests": 4}, {"card": "[card]", "guests": 4}),
        ({"card": int(CARD.replace(" ", ""))}, {"card": "[card]"}),
        ({"card": [int(digit) for digit in CARD.replace(" ", "")]}, {"card": ["[card]"] * 16}),
        ({"card": CARD.split(), "open": [True, None, 7.5]}, {"card": ["[card]"] * 4, "open": [True, None, 7.5]}),
        ({"who": [{"to": ADDRESS}, {"call": [PHONE]}]}, {"who": [{"to": "[email]"}, {"call": ["[phone]"]}]}),
        ({PHONE: "home", ADDRESS: 1}, {"[phone]": "home", "[email]": 1}),
        (json.dumps({"phone": PHONE, "at": "18:30"}), '{"phone": "[phone]", "at": "18:30"}'),
        ('{"card": ["4111", "1111", "1111", "1111"]}', '{"card": ["[card]", "[card]", "[card]", "[card]"]}'),
        ('{"card": "4111 1111 1111 1111", "card": 1}', '{"card": "[card]", "card": 1}'),
        ("[" * 10_000 + CARD, "[" * 10_000 + "[card]"),
        ({PHONE: 1, "+49 30 7654321": 2, "[phone] 2": 3}, {"[phone]": 1, "[phone] 2": 2, "[phone] 3": 3}),
        (["My card is 4111 1111", "1111 1111"], ["My card is [card]", "[card]"]),
        (f"HTTP status 422: {CARD} is no card of {ADDRESS}", "HTTP status 422: [card] is no card of [email]"),
    ],
)
def test_nothing_of_what_is_taken_out_is_kept(given: Any, written: Any) -> None:
    assert kept(given, ALL) == written
    assert kept(given, Features(redact=["card", "email", "phone"], transcription_enabled=False)) is None


@pytest.mark.parametrize(
    "given",
    [
        {"10115": 3, "20095": 1},
        {"rooms": [401, 402, 405], "prices": [19.99, 29.99], "zip": ["94103", "10001"], "seats": [45, 75, 60, 55, 50]},
        {"place": [52.520008, 13.404954], "lat": 52.5200081234567},
        '{"place": [52.520008, 13.404954],\n "rooms": [1203, 1201, 1210]}',
        "first line\nsecond line",
    ],
)
def test_numbers_that_each_tell_something_are_kept(given: Any) -> None:
    assert kept(given, ALL) == given


def test_the_rest_is_kept_as_it_is_and_as_databases_and_clients_take_it() -> None:
    given = {"n": [1, 2.5, "three", True], "no": None, "a\x00b": "\ud800", "long": 10**400, "endless": math.inf}
    expected = {"n": [1, 2.5, "three", True], "no": None, "ab": "?", "long": str(10**400), "endless": "inf"}
    for features in (Features(), Features(redact=["email"])):
        assert kept(given, features) == expected

"""Card numbers among digits: told by how many they are and their check digit, and by how those of the issuers begin."""

import re

SHORTEST, LONGEST = 13, 19
# Numbers of the large issuers, by their first digits and length.
ISSUED = re.compile(r"(?:4|5[1-5]|6|2[2-7]|35)\d+(?<=^.{16})|3[47]\d{13}|3[068]\d{12}")
ISSUER = re.compile(r"4|5[1-5]|6|2[2-7]|3[04-8]")


def is_card(digits: str) -> bool:
    """Whether these can be a card's number: one of ten of that length can."""
    return SHORTEST <= len(digits) <= LONGEST and has_check_digit(digits)


def has_check_digit(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0  # noqa: PLR2004 - the digits of a sum: Luhn's rule

"""Phone numbers among digits that were said in a row: told by how many they are, short ones by their first digits."""

import re
from collections.abc import Sequence

import phonenumbers

from calls.privacy.lists import Piece, is_sure_list

SHORTEST, SURE, LONGEST = 7, 10, 15
PREFIX = 2  # digits before one that is called from abroad
# Whose numbers are known by their first digits, where their length alone says nothing.
REGIONS = ("US", "GB", "DE", "AT", "CH", "ES", "MX", "FR", "BE")
_PAUSE = re.compile(r"[.,;?!…\n]|[^\W\d_]")


def holds_phone(pieces: Sequence[Piece], told: Sequence[str], *, is_international: bool) -> bool:
    """Whether it is a phone number, or several: many people say theirs twice.

    Args:
        pieces: what was said.
        told: the digits of each piece, as often as they were meant.
        is_international: whether a plus was said before them.
    """
    digits = "".join(told)
    from_abroad = is_international or digits.startswith("00")
    if len(digits) <= LONGEST + PREFIX * from_abroad:
        return _is_phone(digits, from_abroad=from_abroad) and (from_abroad or not is_sure_list(pieces))
    by_themselves = [number for number in _between_pauses(pieces, told) if len(number) >= SURE]
    if any(_is_phone(number, from_abroad=number.startswith("00")) for number in by_themselves):
        return True
    at_both_ends = _begins_as_phone(told) and _begins_as_phone(told, backwards=True)
    return (at_both_ends or _is_said_again(digits)) and not is_sure_list(pieces)


def _is_phone(digits: str, *, from_abroad: bool) -> bool:
    count = len(digits)
    if from_abroad or count >= SURE:
        return SHORTEST <= count <= LONGEST + PREFIX * from_abroad
    national = digits.startswith("0") or count == SURE - 1
    return count >= SHORTEST and national and _is_valid(digits)


def _between_pauses(pieces: Sequence[Piece], told: Sequence[str]) -> list[str]:
    numbers = [""]
    for piece, digits in zip(pieces, told, strict=True):
        if _PAUSE.search(piece.gap):
            numbers.append("")
        numbers[-1] += digits
    return numbers


def _is_said_again(digits: str) -> bool:
    half = digits[: len(digits) // 2]
    return len(half) <= LONGEST + PREFIX and half * 2 == digits


def _begins_as_phone(told: Sequence[str], *, backwards: bool = False) -> bool:
    """Whether what was said first, or last, is a valid number."""
    number = ""
    for digits in reversed(told) if backwards else told:
        number = digits + number if backwards else number + digits
        if len(number) > LONGEST:
            return False
        if len(number) >= SURE - 1 and _is_valid(number):
            return True
    return False


def _is_valid(digits: str) -> bool:
    return any(_is_valid_in(region, digits) for region in REGIONS)


def _is_valid_in(region: str, digits: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(digits, region))
    except phonenumbers.NumberParseException:
        return False

"""Whether a number that is dictated has all its digits: by the rhythm of its groups, and by how many such ones have."""

from collections.abc import Sequence

CARD = 16  # digits, in fours; as many in threes or pairs are enough too
USUAL = (10, 11, 15, CARD)  # of phones and cards
TRUNK = (11, 12)  # of phones in their own country, with the zero that dials out of town; with ten, in pairs,
PAIRS = 10  # or at once, or if their last group is long
LONG_GROUP = 4
ABROAD = range(11, 16)  # of phones, with their country's


def has_all(groups: Sequence[int], begins: str, length: tuple[int, int] | None) -> bool | None:
    """Whether nothing is missing; None if that cannot be known.

    Args:
        groups: how many digits each has; of one that holds several it is not known.
        begins: its digits, as far as they are known to begin with "+" or zeros.
        length: how many digits it has at least and at most, if that was said.
    """
    digits = sum(groups)
    if length is not None and (known := has_length(digits, length)) is not None:
        return known
    if digits < min(USUAL):
        return None
    if begins.startswith(("+", "00")):
        return digits - 2 * begins.startswith("00") in ABROAD or None
    if begins.startswith("0"):
        return digits in TRUNK or _is_phone(groups) or None
    return _by_rhythm(groups, digits)


def has_length(digits: int, length: tuple[int, int]) -> bool | None:
    """Whether so many are all, where it was said how many there are at least and at most; None between these."""
    return False if digits < length[0] else digits >= length[1] or None


def _is_phone(groups: Sequence[int]) -> bool:
    """Whether ten digits from a zero on are all: "06 12 34 56 78", "03 1234 5678"; "0176 123 456" is not."""
    return sum(groups) == PAIRS and (set(groups) == {2} or groups[-1] >= LONG_GROUP)


def _by_rhythm(groups: Sequence[int], digits: int) -> bool | None:
    if digits == CARD:
        return True
    several = len(groups) > 1
    if several and all(group % 4 == 0 for group in groups[:-1]):
        return False if digits < CARD and groups[-1] % 4 == 0 else None
    has_rhythm = len(groups) > 2 and (set(groups[:-1]) <= {1, 2} or set(groups) == {3})  # noqa: PLR2004 - pairs, threes
    return True if digits in USUAL and not has_rhythm else None

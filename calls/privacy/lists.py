"""Numbers in a row that are several, as of rooms, prices or times, and not pieces of one long number."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# Four numbers that grow by less than a half are a list, five however they grow: the pieces of a card hardly ever do.
_FEW, _MANY = 4, 5
_STEEP = 1.5
_WHOLE = 4  # digits: long numbers are told in fours, or digit by digit, or in pairs without a comma after each
_MARK = re.compile(r"[.,]")
_AND = re.compile(r"[\s,]*\b(?:and|und|y|et)\b\s*", re.IGNORECASE)
# Those of a phone may grow too, where they are told in pairs.
_LONG = 3  # digits
# With nothing but threes it may be a phone's number.
_AMOUNT = re.compile(r" (?!\d{3}(?:[.,]\d{3})+$)\d{1,3}([.,])\d{3}(?:(?:\1\d{3})*(?!\1)[.,]\d{1,2}|(?:\1\d{3})+)")
_EVEN = 3  # numbers at equal distances, or prices
_LAST_DIGIT, _ROUND = 9, 5  # rooms go up by one or two, prices by five or ten
# Six, six thirty; or 630, 1830.
_FORMS_OF_TIMES = (
    re.compile(r"[ ,](?P<hours>\d{1,2})(?: (?P<minutes>[0-5]\d))?(?!\d)"),
    re.compile(r"[ ,](?P<hours>\d{1,2})(?P<minutes>[0-5]\d)(?!\d)"),
)
_HOURS = 24
_QUARTER, _HALF_DAY, _AFTERNOON = 15, 720, 780  # minutes


@dataclass(frozen=True)
class Piece:
    """Digits that were said or written as one, and what stood between them and those before."""

    gap: str
    digits: str

    @property
    def is_behind_mark(self) -> bool:
        """As in 41.50, 41,50 and 1,234,567."""
        return _MARK.fullmatch(self.gap) is not None and len(self.digits) < _WHOLE

    @property
    def is_behind_comma(self) -> bool:
        """Or a full stop, or "and". At the end of a line these say only that the recogniser heard a pause."""
        is_apart = self.is_behind_and or (_MARK.search(self.gap) is not None and not self.is_behind_mark)
        return is_apart and "\n" not in self.gap

    @property
    def is_behind_and(self) -> bool:
        return _AND.fullmatch(self.gap) is not None


def is_list(pieces: Sequence[Piece]) -> bool:
    """Whether the numbers grow, or most of them stand alone between commas, or are said as times of day are.

    None of a list begins with 0.
    """
    if _has_leading_zero(pieces):
        return False
    groups = _between_commas(pieces)
    numbers = ["".join(piece.digits for piece in group) for group in groups]
    alone = sum(len(number) for group, number in zip(groups, numbers, strict=True) if _stands_alone(group))
    return (
        _grow([piece.digits for piece in pieces])
        or _grow(numbers)
        or _are_enumerated(groups)
        or _are_amounts(groups)
        or 2 * alone > sum(map(len, numbers))
        or _are_times(pieces)
    )


def is_sure_list(pieces: Sequence[Piece]) -> bool:
    """Whether it is a list by more than that: also the pieces of a phone's number grow, or stand between commas.

    These are at equal distances, or long and growing, or times of day in their order, or all of them prices or large
    amounts, or enumerated up to an "and".
    """
    if _has_leading_zero(pieces):
        return False
    groups = _between_commas(pieces)
    for numbers in ([piece.digits for piece in pieces], ["".join(piece.digits for piece in group) for group in groups]):
        is_long = min(map(len, numbers)) >= _LONG
        if _are_even([float(number) for number in numbers]) or (is_long and _grow(numbers)):
            return True
    times = _times(pieces)
    in_order = all(one < later and later % _QUARTER == 0 for one, later in pairwise(times))
    in_order = in_order and len(times) >= _FEW
    return in_order or _are_even(times) or _are_prices(groups) or _are_amounts(groups) or _are_enumerated(groups)


def _has_leading_zero(pieces: Sequence[Piece]) -> bool:
    return any(piece.digits.startswith("0") and len(piece.digits) > 1 and not piece.is_behind_mark for piece in pieces)


def _between_commas(pieces: Sequence[Piece]) -> list[list[Piece]]:
    groups: list[list[Piece]] = [[]]
    for piece in pieces:
        if piece.is_behind_comma:
            groups.append([])
        groups[-1].append(piece)
    return groups


def _stands_alone(group: Sequence[Piece]) -> bool:
    """Whether it is a number by itself: not single digits, of which any number may be told, and not a long piece."""
    is_short = sum(len(piece.digits) for piece in group) < _WHOLE and any(len(piece.digits) > 1 for piece in group)
    return is_short or any(piece.is_behind_mark for piece in group)


def _grow(numbers: Sequence[str]) -> bool:
    sizes = [(len(number), number) for number in numbers]
    if len(numbers) < _FEW or not all(one < later for one, later in pairwise(sizes)):
        return False
    return len(numbers) >= _MANY or float(numbers[-1]) < _STEEP * float(numbers[0])


def _are_times(pieces: Sequence[Piece]) -> bool:
    """Whether hours and minutes take turns: six, six thirty, seven."""
    turns = sum(
        1 in lengths and not lengths.isdisjoint({2, 3})
        for lengths in ({len(one.digits), len(later.digits)} for one, later in pairwise(pieces))
    )
    return 2 * turns > len(pieces) - 1


def _are_even(numbers: Sequence[float]) -> bool:
    """Whether they grow by the same each time; single digits alone do not, for long numbers are told so."""
    steps = {later - one for one, later in pairwise(numbers)}
    if len(numbers) < _EVEN or len(steps) > 1 or numbers[-1] <= _LAST_DIGIT:
        return False
    step = steps.pop()
    return 0 < step < _ROUND or (step > 0 and step % _ROUND == 0)


def _are_prices(groups: Sequence[Sequence[Piece]]) -> bool:
    """Whether each has a mark within: 41.50, 42.50, or 1,250, 1,300."""
    marked = [len(group) > 1 and all(piece.is_behind_mark for piece in group[1:]) for group in groups]
    return len(groups) >= _EVEN and all(marked)


def _are_amounts(groups: Sequence[Sequence[Piece]]) -> bool:
    """Whether each is one of thousands with cents, or of millions: 1,299.00 or 10,000,000,000."""
    return all(_AMOUNT.fullmatch("".join(_mark(piece) + piece.digits for piece in group)) for group in groups)


def _mark(piece: Piece) -> str:
    return piece.gap if piece.is_behind_mark else " "


def _are_enumerated(groups: Sequence[Sequence[Piece]]) -> bool:
    """Whether they are told as "12, 14, 15 and 22" or "401 and 405 and 412" are, and go up or down.

    Nobody writes a phone's number down from that but where its pieces happen to be alike.
    """
    if len(groups) < _EVEN or any(len(group) > 1 for group in groups) or not groups[-1][0].is_behind_and:
        return False
    if len({group[0].is_behind_and for group in groups[1:-1]}) > 1:
        return False
    numbers = [int(group[0].digits) for group in groups]
    lengths = {len(group[0].digits) for group in groups}
    steps = [later - one for one, later in pairwise(numbers)]
    are_alike = max(lengths) < _LONG or (len(lengths) == 1 and max(numbers) < _STEEP * min(numbers))
    return are_alike and (min(steps) > 0 or max(steps) < 0)


def _times(pieces: Sequence[Piece]) -> list[int]:
    """The minutes of the day of each, those before the first one in its other half; none if one is no time."""
    text = "".join(f"{',' if piece.is_behind_comma else ' '}{piece.digits}" for piece in pieces)
    for form in _FORMS_OF_TIMES:
        told = [(int(time["hours"]), int(time["minutes"] or 0)) for time in form.finditer(text)]
        if form.sub("", text) == "" and max(told)[0] <= _HOURS:
            times = [hours * 60 + minutes for hours, minutes in told]
            return [time + _HALF_DAY * (time < times[0] < _AFTERNOON) for time in times]
    return []

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
        """Or a full stop. At the end of a line either says only that the recogniser heard a pause."""
        return _MARK.search(self.gap) is not None and "\n" not in self.gap and not self.is_behind_mark


def is_list(pieces: Sequence[Piece]) -> bool:
    """Whether the numbers grow, or most of them stand alone between commas, or are said as times of day are.

    None of a list begins with 0.
    """
    if any(piece.digits.startswith("0") and len(piece.digits) > 1 and not piece.is_behind_mark for piece in pieces):
        return False
    groups = _between_commas(pieces)
    numbers = ["".join(piece.digits for piece in group) for group in groups]
    alone = sum(len(number) for group, number in zip(groups, numbers, strict=True) if _stands_alone(group))
    return (
        _grow([piece.digits for piece in pieces])
        or _grow(numbers)
        or 2 * alone > sum(map(len, numbers))
        or _are_times(pieces)
    )


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

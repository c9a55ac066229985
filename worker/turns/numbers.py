"""Numbers that are dictated, in words or as a recogniser writes them: "five five five", "555-123"."""

import re
from dataclasses import dataclass
from itertools import takewhile

_WRITTEN = re.compile(r"\+?\d[\d-]*|0\d(?:\.\d\d)+|\d{3,4}(?:\.\d{3,4})+")  # with points: neither a price nor a date
_AMOUNT = re.compile(r"0|[1-9]\d?|(?:19|20)\d\d")  # or a year
_AND = re.compile(r"(nt[ae]|vingt) (?:y|et) ")  # "treinta y cuatro"


@dataclass(frozen=True)
class Digits:
    """The words of a language that dictate a number, in small letters.

    Args:
        ones: each a digit.
        tens: each two digits, also with a digit behind it; a number begins with those of them only that are `ones` too.
    """

    ones: frozenset[str] = frozenset()
    tens: frozenset[str] = frozenset()

    @classmethod
    def of(cls, ones: str, tens: str) -> "Digits":
        """Of words with spaces between them."""
        return cls(frozenset(ones.split()), frozenset(tens.split()))

    def count(self, group: str) -> int:
        """How many digits a word, or what is written as one, is; 0 if it is none."""
        if _WRITTEN.fullmatch(group) is not None:
            return sum(sign.isdigit() for sign in group)
        parts = group.split("-")
        if not self.ones.union(self.tens).issuperset(parts):
            return 0
        return len(parts) if self.tens.isdisjoint(parts) else 2

    def begins(self, group: str) -> bool:
        """Whether a number may begin with it, or go on after one digit: "five twenty" is a time."""
        return not group[0].isalpha() or group.partition("-")[0] in self.ones

    def ends_tens(self, group: str, before: str) -> bool:
        """Whether it is the second half of two digits: "twenty three"."""
        return before in self.tens and group in self.ones - self.tens


def dictated(text: str, words: Digits) -> int:
    """How many digits of a number stand at the end of a text; 0 if it is an amount, a year or a time."""
    tokens = [token.strip(".,;?!()") for token in _AND.sub(r"\1-", text.lower()).split()]
    groups = list(takewhile(words.count, reversed(tokens)))[::-1]
    while groups and not all(words.begins(group) for group in groups[:2]):
        del groups[0]
    if len(groups) == 1 and (groups[0][0].isalpha() or _AMOUNT.fullmatch(groups[0])):
        return 0
    pairs = zip(groups, ["", *groups], strict=False)
    return sum(0 if words.ends_tens(group, before) else words.count(group) for group, before in pairs)

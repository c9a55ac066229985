"""Numbers that are dictated, in words or as a recogniser writes them: "five five five", "555-123", "DE89 3704"."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from worker.turns.ibans import iban_length
from worker.turns.rhythm import has_all, has_length

_WRITTEN = re.compile(r"\+?\d[\d-]*|0\d(?:\.\d\d)+|\d{3,4}(?:\.\d{3,4})+")  # with points: neither a price nor a date
_CODE = re.compile(r"(?=[A-Z-]*\d)(?=\d*[A-Z])(?!\d+[AP]M$)[A-Z\d-]{2,34}")
_COUNTRY = re.compile(r"[A-Z]{2}")  # of an IBAN
_LETTERS = re.compile(r"[A-Za-z]|(?!IBAN)[A-Z]{4}")  # of one, spelled or its bank's
_SHORT = re.compile(r"0|[1-9]\d?")  # alone, an amount
_YEAR = re.compile(r"(?:19|20)\d\d")
_AMOUNT = 4  # digits, at most: "room 2041", "at 15 30"
_ROOM = 3  # digits, at most, of what may well have one
_AND = re.compile(r"(nt[ae]|vingt) (?:y|et) ", re.IGNORECASE)  # "treinta y cuatro"
_IS = re.compile(  # between what announces a number and its first digit: "is", "is the", "is X"
    r" (?:is|was|ist|war|lautet|es|est|c'est)(?: (?:the|a|die|der|el|la|le|um|uh|er|äh|ähm|eh|euh|heu|[a-z]))*$"
)
_MARKS = ".,;:?!()"
_CURRENCIES = (" €", " $", " £", " ¥")
_ANNOUNCED_BEFORE = 8  # words


@dataclass(frozen=True)
class Number:
    """A number that is being dictated.

    Args:
        digits: how many it has so far, with the letters among them.
        is_whole: whether it has all; None if that cannot be known.
    """

    digits: int
    is_whole: bool | None


@dataclass(frozen=True)
class Digits:
    """The words of a language that dictate a number, in small letters.

    Args:
        zeros: each a zero,
        ones: and each one digit, zeros as well.
        tens: each two digits, also with a digit behind it; a number begins with those of them only that are `ones` too.
        announced: how many digits a number has, at least and at most, that these words announce: "card number".
        counted: words before an amount, a time or a room's number, each with a space before it.
    """

    zeros: frozenset[str] = frozenset()
    ones: frozenset[str] = frozenset()
    tens: frozenset[str] = frozenset()
    announced: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    counted: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, zeros: str, ones: str, tens: str, announced: Mapping[tuple[int, int], str] | None = None, counted: str = ""
    ) -> "Digits":
        """Of words with spaces between them; `|` is a space within a phrase."""
        return cls(
            frozenset(zeros.split()),
            frozenset(f"{zeros} {ones}".split()),
            frozenset(tens.split()),
            {
                words.replace("|", " "): length
                for length, all_words in (announced or {}).items()
                for words in all_words.split()
            },
            tuple(f" {words}".replace("|", " ") for words in counted.split()),
        )

    def sizes(self, token: str) -> list[int]:
        """How many digits a word is, or each group of what is written as one; none if it is no number."""
        if _WRITTEN.fullmatch(token) is not None:
            return [len(group) for group in re.findall(r"\d+", token)]
        if _CODE.fullmatch(token) is not None:
            return [sum(sign.isalnum() for sign in token)]
        parts = token.lower().split("-")
        if not self.ones.union(self.tens).issuperset(parts):
            return []
        return [len(parts) if self.tens.isdisjoint(parts) else 2]

    def begins(self, token: str) -> bool:
        """Whether a number may begin with it, or go on after one digit: "five twenty" is a time."""
        return _is_written(token) or token.lower().partition("-")[0] in self.ones

    def ends_tens(self, token: str, before: str) -> bool:
        """Whether it is the second half of two digits: "twenty three"."""
        return before.lower() in self.tens and token.lower() in self.ones - self.tens

    def first(self, token: str) -> str:
        """As digits, as far as they are zeros or written so."""
        return "0" if token.lower() in self.zeros else token if _is_written(token) else "?"

    def length(self, before: str) -> tuple[int, int] | None:
        """What was announced, the shorter one of several: "the last four of my card number"."""
        lengths = [length for words, length in self.announced.items() if f" {words} " in f"{before} "]
        return min(lengths, key=lambda length: length[1], default=None)

    def announces_first(self, before: str) -> bool:
        """Whether what follows, be it one digit, begins a number: "my number is", "it ends in"; not "number"."""
        length = self.length(before)
        if length is None or length[1] <= _ROOM:
            return False
        straight = [length for words, length in self.announced.items() if before.endswith(f" {words}")]
        if straight:
            return max(straight)[0] > 1
        end = _IS.search(before)
        return end is not None and not before.endswith(self.counted)


def dictated(text: str, words: Digits) -> Number | None:
    """The number at the end of a text; None if there is none, or an amount, a year or a time."""
    tokens = [token for token in _AND.sub(r"\1-", text.replace("’", "'")).split() if token.strip(_MARKS)]
    return _iban(tokens, words) or _number(tokens, words)


def _number(tokens: Sequence[str], words: Digits) -> Number | None:
    bare = [token.strip(_MARKS) for token in tokens]
    run = len(list(takewhile(words.sizes, reversed(bare))))
    while run and not all(words.begins(token) for token in bare[len(bare) - run :][:2]):
        run -= 1
    number, before = bare[len(bare) - run :], _words_before(bare[: len(bare) - run])
    if not number:
        return None
    is_short = len(number) == 1 and (not _is_written(number[0]) or _SHORT.fullmatch(number[0]) is not None)
    if is_short and not words.announces_first(before):
        return None
    length, groups = words.length(before), _groups(tokens[-run:], words)
    if length is None and _is_amount(number, groups, before, words):
        return None
    return Number(sum(groups), has_all(groups, "".join(map(words.first, number)), length))


def _words_before(tokens: Sequence[str]) -> str:
    """What may announce a number, back to another one."""
    near = list(takewhile(lambda token: not token[0].isdigit(), reversed(tokens)))[:_ANNOUNCED_BEFORE]
    return "".join(f" {token.lower()}" for token in reversed(near))


def _is_amount(number: Sequence[str], groups: Sequence[int], before: str, words: Digits) -> bool:
    """Whether it is that by itself, or by the word before it: a code alone is one too, as in "gate B12"."""
    if len(number) == 1 and (_YEAR.fullmatch(number[0]) or (before and _CODE.fullmatch(number[0]))):
        return True
    return sum(groups) <= _AMOUNT and before.endswith((*words.counted, *_CURRENCIES))


def _groups(tokens: Sequence[str], words: Digits) -> list[int]:
    """How many digits each group has, as far as they are told apart: by marks, or by how they are written."""
    groups: list[int] = []
    before = ""
    goes_on = False  # a digit that follows is of the same group
    for token in tokens:
        bare = token.strip(_MARKS)
        sizes = [0] if words.ends_tens(bare, before) else words.sizes(bare)
        is_digit = len(bare) == 1 or not _is_written(bare)
        if goes_on and is_digit:
            groups[-1] += sizes[0]
        else:
            groups += sizes
        goes_on = is_digit and token[-1] not in _MARKS
        before = bare
    return groups


def _iban(tokens: Sequence[str], words: Digits) -> Number | None:
    """An IBAN that is announced, or begins as one; its letters are spelled or written among the digits."""
    bare = [token.strip(_MARKS) for token in tokens]
    is_announced = "iban" in map(str.lower, bare)
    has_country = is_announced and any(map(str.islower, bare))  # without small letters any short word looks like one
    signs = ""
    for token in reversed(bare):
        if _is_written(token) or _LETTERS.fullmatch(token) or (has_country and _COUNTRY.fullmatch(token)):
            signs = token.replace("-", "").upper() + signs
        elif sizes := words.sizes(token):
            signs = "0" * sum(sizes) + signs
        else:
            break
    length = iban_length(signs, is_announced=is_announced)
    if length is None or not any(map(str.isdigit, signs)):
        return None
    return Number(len(signs), has_length(len(signs), length))


def _is_written(token: str) -> bool:
    return not token[0].isalpha() or _CODE.fullmatch(token) is not None

"""Numbers of cards and phones and e-mail addresses in what people say, written or spoken, and what stands for them.

Spoken are digits and numbers up to 999, in English, German, Spanish and French at once, for callers change languages
and recognisers do not always say which they heard. A card number is told by its check digit, or by how it begins and
that it is no list, for recognisers lose digits and add some; a phone number by its length. Rather one number too many
is taken out than one too few.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from typing import Literal

from calls.privacy import addresses, card_numbers
from calls.privacy.lists import Piece, is_list
from calls.privacy.number_words import ENGLISH, NUMBERS, SPANISH
from calls.privacy.phone_numbers import holds_phone

Redaction = Literal["card", "email", "phone"]

PLAIN = 4  # so many digits of a number that may still go on are no secret, more are
UNDECIDED = "[number]"
MADE_UP = 2  # digits that a recogniser may add to a card's number


def redact(lines: Sequence[str], kinds: Collection[Redaction], *, more: bool) -> list[str]:
    """What one speaker said, line by line, with `[card]`, `[email]` or `[phone]` for what is of these kinds.

    A number that goes on in the next line is one number. With `more` the last line may go on, too: digits at its
    end stand as `[number]` until it is known what they are. A line of earlier may have been redacted already: digits
    that go on where a number was taken out go, too. Line breaks within a line become spaces where something was taken
    out of it.
    """
    redacted: list[str] = []
    for first, last in _units(lines, more=more):
        given = lines[first : last + 1]
        read = [line.replace("\n", " ") for line in given]
        text = "\n".join(read)
        is_open = more and last == len(lines) - 1
        written = _replace(text, _found(text, kinds, is_open=is_open)).split("\n")
        redacted += [line if same == text else text for line, same, text in zip(given, read, written, strict=True)]
    return redacted


def affected(lines: Sequence[str], index: int) -> int:
    """The first line whose redaction depends on what is in the line at `index`, or on that it is there."""
    first = _first_of_unit(lines, index)
    return _first_of_unit(lines, first - 1) if first else 0


def _first_of_unit(lines: Sequence[str], index: int) -> int:
    while index and _goes_on(lines[index - 1], lines[index], may_grow=True):
        index -= 1
    return index


def _units(lines: Sequence[str], *, more: bool) -> list[tuple[int, int]]:
    """First and last line of what belongs together: all the others hold nothing that begins in another line."""
    units: list[tuple[int, int]] = []
    for index in range(len(lines)):
        may_grow = more and index == len(lines) - 1
        if index and _goes_on(lines[index - 1], lines[index], may_grow=may_grow):
            units[-1] = (units[-1][0], index)
        else:
            units.append((index, index))
    return units


def _replace(text: str, found: Sequence["_Span"]) -> str:
    pieces, at = [], 0
    for span in found:
        lines = text[span.start : span.end].split("\n")
        # What is said between two parts of a number tells nothing of it.
        is_number = span.label != "[email]"
        written = (line if is_number and not _said(line) else span.label for line in lines)
        pieces += [text[at : span.start], "\n".join(written)]
        at = span.end
    return "".join([*pieces, text[at:]])


@dataclass(frozen=True, order=True)
class _Span:
    start: int
    end: int
    label: str


def _found(text: str, kinds: Collection[Redaction], *, is_open: bool) -> list[_Span]:
    told = addresses.addresses(text, is_open=is_open) if "email" in kinds else ()
    spans = [_Span(start, end, "[email]") for start, end in told]
    for run in _runs(text):
        label = run.label(kinds, is_open=is_open and run.may_go_on)
        if label is not None:
            bracketed = text[: run.start].endswith("(") and ")" in text[run.start : run.end]
            spans.append(_Span(run.start - bracketed, run.end, label))
    apart: list[_Span] = []
    for span in sorted(spans):
        if not apart or apart[-1].end <= span.start:
            apart.append(span)
        elif span.end > apart[-1].end:
            apart[-1] = _Span(apart[-1].start, span.end, apart[-1].label)
    return apart


# --- numbers

_FIRST_WORDS = {words[0] for words in NUMBERS}
_MOST_WORDS = max(map(len, NUMBERS))
_TIMES = {"double": 2, "doppel": 2, "doble": 2, "triple": 3, "dreifach": 3}
_BESIDE_ZERO = ENGLISH | _TIMES.keys()
_PAUSES = {
    *("uh", "uhm", "um", "er", "erm", "hm", "hmm", "äh", "ähm", "euh", "eh", "ehm"),
    *("dash", "hyphen", "strich", "bindestrich", "tiret", "guion", "guión", "minus"),
    *("slash", "schrägstrich", "dot", "punkt", "space", "leerzeichen", "espacio"),
    # What is said between the parts of a number that somebody else writes down.
    *("and", "then", "next", "so", "sorry", "und", "dann", "y", "luego", "et", "puis", "ensuite"),
}
# These may also answer a question that was asked between two numbers.
_ANSWERS = {
    *("okay", "ok", "yes", "yeah", "yep", "right", "sure", "got it", "mhm", "mm", "huh"),
    *("ja", "genau", "sí", "si", "vale", "oui"),
}
# What recognisers write for a digit that is read out with others.
_SOUNDS = {"to": "2", "too": "2", "for": "4", "won": "1", "ate": "8"}

_TOKEN = re.compile(
    r"""
      (?P<date>   (?<![\d./-]) (?: \d{4}-\d{2}-\d{2} | \d{1,2}([./])\d{1,2}\2\d{2,4} ) (?![./-]?\d) )
    | (?P<withheld> \[ (?: card | number | phone ) \] )
    | (?P<digits> (?<![^\W\d_]) \d+ (?![^\W\d_]) )
    | (?P<word>   (?i: got[ ]it ) (?![^\W_]) | [^\W_]+ )
    | (?P<plus>   \+ )
    | (?P<pause>  [\s.,;?!…()/·*\#\u2010-\u2015-]+ )
    | (?P<other>  . )
    """,
    re.VERBOSE | re.DOTALL,
)
_GAP = re.compile(r"[\s-]+")


@dataclass(frozen=True)
class _Token:
    """A piece of what was said: `number`, `withheld`, `times`, `plus`, `pause`, `answer`, `sound` or `other`."""

    kind: str
    start: int
    end: int
    digits: str = ""


def _tokens(text: str) -> Iterator[_Token]:
    matches = list(_TOKEN.finditer(text))
    at = 0
    while at < len(matches):
        match = matches[at]
        kind, said = str(match.lastgroup), match.group()
        length, digits = 1, ""
        if kind == "digits":
            kind, digits = "number", "".join(str(int(digit)) for digit in said)
        elif kind == "word":
            kind, digits, length = _spoken(matches, at)
        elif kind == "date":
            kind = "other"
        yield _Token(kind, match.start(), matches[at + length - 1].end(), digits)
        at += length


def _spoken(matches: Sequence[re.Match[str]], at: int) -> tuple[str, str, int]:
    """What the word at that place is, its digits, and of how many matches: the longest number that begins with it."""
    word = matches[at].group().lower()
    if word == "o" and not _is_zero(matches, at):
        return "other", "", 1
    if word in _FIRST_WORDS:
        words, longest = [word], ("other", "", 1)
        for length in range(1, 2 * _MOST_WORDS, 2):  # between two words stands a gap
            if tuple(words) in NUMBERS:
                longest = ("number", NUMBERS[tuple(words)], length)
            following = matches[at + length : at + length + 2]
            if [one.lastgroup for one in following] != ["pause", "word"] or not _GAP.fullmatch(following[0].group()):
                break
            words.append(following[1].group().lower())
        return longest
    kinds = {"times": _TIMES, "plus": {"plus"}, "pause": _PAUSES, "answer": _ANSWERS, "sound": _SOUNDS}
    return next((kind for kind, words in kinds.items() if word in words), "other"), _SOUNDS.get(word, ""), 1


def _is_zero(matches: Sequence[re.Match[str]], at: int) -> bool:
    """Whether the "o" there is said among English digits: in Spanish it is "or"."""
    around = {one.group().lower() for one in (*matches[max(at - 2, 0) : at], *matches[at + 1 : at + 3])}
    return not around.isdisjoint(_BESIDE_ZERO) and around.isdisjoint(SPANISH)


@dataclass
class _Run:
    """Digits in a row, however they were said; `stops` says after how many of them a word or a group ended."""

    start: int
    end: int
    digits: str = ""
    stops: list[int] = field(default_factory=lambda: [0])
    pieces: list[Piece] = field(default_factory=list)
    is_international: bool = False
    withheld: str | None = None  # what stands where a part of it was taken out before
    may_go_on: bool = False  # nothing but pauses came behind it

    def add(self, piece: Piece, times: int, end: int) -> None:
        self.digits += piece.digits * times
        self.stops.append(len(self.digits))
        self.pieces.append(piece)
        self.end = end

    def label(self, kinds: Collection[Redaction], *, is_open: bool) -> str | None:
        if "card" in kinds and self._holds_card():
            return "[card]"
        if "phone" in kinds and self._holds_phone():
            return UNDECIDED if is_open and "card" in kinds else "[phone]"
        if {"card", "phone"}.isdisjoint(kinds):
            return None
        return self.withheld or (UNDECIDED if is_open and len(self.digits) > PLAIN else None)

    def _holds_card(self) -> bool:
        """Whether it is a card's number, with what else stands on a card before or behind it, or a misheard one."""
        if card_numbers.is_card(self.digits):
            return True
        stops = set(self.stops)
        parts = (
            self.digits[stop : stop + length] for stop in stops for length in (14, 15, 16) if stop + length in stops
        )
        if any(card_numbers.ISSUED.fullmatch(part) and card_numbers.has_check_digit(part) for part in parts):
            return True
        return self._begins_as_misheard_card() and not is_list(self.pieces)

    def _begins_as_misheard_card(self) -> bool:
        if self.is_international or not card_numbers.ISSUER.match(self.digits):
            return False
        # Of 13 digits are only old Visa cards, and many orders and goods.
        shortest, longest = card_numbers.SHORTEST, card_numbers.LONGEST + MADE_UP
        is_shortest = len(self.digits) == shortest and self.digits.startswith("4") and len(self.pieces) > 1
        return is_shortest or any(shortest < stop <= longest for stop in self.stops)

    def _holds_phone(self) -> bool:
        told = [self.digits[one:later] for one, later in pairwise(self.stops)]
        return holds_phone(self.pieces, told, is_international=self.is_international)


def _runs(text: str) -> Iterator[_Run]:
    run: _Run | None = None
    before: _Token | None = None  # "plus" or "double", as part of the number that follows
    tokens = _said(text)
    for token, kind in zip(tokens, _kinds(text, tokens), strict=True):
        match kind:
            case "number":
                start = token.start if before is None else before.start
                run = run or _Run(start, token.end, is_international=before is not None and before.kind == "plus")
                times = _TIMES[text[before.start : before.end].lower()] if before and before.kind == "times" else 1
                run.add(Piece(text[run.end : start], token.digits), times, token.end)
            case "withheld":
                run = run or _Run(token.start, token.end)
                run.withheld, run.end = text[token.start : token.end], token.end
            case "times" | "sound":
                pass
            case _:
                if run is not None:
                    yield run
                run = None
        before = token if token.kind in {"plus", "times"} else None
    if run is not None:
        run.may_go_on = True
        yield run


# Behind these begins the next of several numbers.
_BETWEEN = re.compile(r"[.,;?!…]|\b(?:and|und|y|et)\b", re.IGNORECASE)


def _kinds(text: str, tokens: Sequence[_Token]) -> list[str]:
    """What each is, where words that sound like digits are some only between two others.

    "Two to four" are the hours between which it is, or the goals of either side, but not beside a part of a number.
    What such a word is at the end is not known yet.
    """
    kinds = [token.kind for token in tokens]
    groups = _groups(text, tokens)
    told = [[tokens[index] for index in group] for group in groups]
    are_parts = [_digits(one) >= _PART and all(token.kind != "sound" for token in one) for one in told]
    for one, group in enumerate(groups):
        is_range = _is_range(told[one]) and not any(are_parts[max(one - 1, 0) : one + 2])
        for index in group:
            if kinds[index] == "sound":
                kinds[index] = "other" if is_range else _kind_between(tokens[max(index - 1, 0) : index + 2])
    return kinds


def _kind_between(around: Sequence[_Token]) -> str:
    if any(len(token.digits) != 1 for token in around):
        return "other"
    return "number" if len(around) > 2 else "sound"  # noqa: PLR2004 - it and those beside it


def _is_range(tokens: Sequence[_Token]) -> bool:
    return len(tokens) == 3 and tokens[1].kind == "sound"  # noqa: PLR2004 - a word between two numbers


def _groups(text: str, tokens: Sequence[_Token]) -> list[list[int]]:
    """Which of them stand together, without a pause in between; an empty group where something else is said."""
    groups: list[list[int]] = [[]]
    for index, token in enumerate(tokens):
        if token.kind not in _DIGITS:
            groups += [[], []]
        elif index and _BETWEEN.search(text, tokens[index - 1].end, token.start):
            groups.append([index])
        else:
            groups[-1].append(index)
    return groups


# --- where a line begins and ends

_IN_NUMBER = {"number", "withheld", "times", "plus"}
_DIGITS = _IN_NUMBER | {"sound"}
_PART = 3  # digits of a part of a number; with fewer on one side of it, a "yes" between two lines answers a question


def _goes_on(line: str, later: str, *, may_grow: bool) -> bool:
    """Whether the speaker may have been in the middle of a number, or of an address, when the line ended.

    With `may_grow` the later line is not yet known to its end.
    """
    if addresses.may_go_on(line, later):
        return True
    ended, began = list(_tokens(line))[::-1], list(_tokens(later))
    sides = [[token for token in tokens if not _is_no_part(token)] for tokens in (ended, began)]
    if any(side and side[0].kind not in _IN_NUMBER for side in sides):
        return False
    between = (token.kind for tokens in (ended, began) for token in takewhile(_is_no_part, tokens))
    if "answer" not in between:
        return True
    return all(_digits(side) >= _PART for side in (sides[:1] if may_grow else sides) if side)


def _is_no_part(token: _Token) -> bool:
    return token.kind in {"pause", "answer"}


def _digits(tokens: Sequence[_Token]) -> int:
    told = takewhile(lambda token: token.kind in _DIGITS, tokens)
    return sum(_PART if token.kind == "withheld" else len(token.digits) for token in told)


def _said(text: str) -> list[_Token]:
    """Its pieces but for what only stands between them; a line that is but a pause has none."""
    return [token for token in _tokens(text) if not _is_no_part(token)]

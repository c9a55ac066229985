"""E-mail addresses in what people say: written, or told with an "at" and a "dot" in one of four languages."""

import re
from collections.abc import Iterator

from calls.privacy.number_words import NUMBERS

_DOTS, _AND_JOINTS = (
    "dot|punkt|punto|point",
    "underscore|unterstrich|dash|hyphen|minus|bindestrich|plus|tiret|guion|guión",
)
_ATS = "at|ät|arroba|arobase|arobas|klammeraffe"
# Recognisers end sentences where somebody only takes a breath: beside words, but not beside a sign.
_GAP = r"[\s,.]{1,5}"
_DOT = rf"(?:\.|{_GAP}(?:{_DOTS}){_GAP})"
_JOINT = rf"(?:[._+-]|{_GAP}(?:{_DOTS}|{_AND_JOINTS}){_GAP})"
# Letter by letter, or as a word.
_PIECE = r"(?:(?<!['’])\b[^\W_](?:[.,]?[\s-]+[^\W_]\b)+|[^\W_]+)"
_AT = re.compile(rf"\s*@\s*|{_GAP}(?:{_ATS})(?![^\s,.])[\s,.]*", re.IGNORECASE)
_NAME = re.compile(rf"{_PIECE}(?:{_JOINT}{_PIECE})*$", re.IGNORECASE)
_LAST_WORD = re.compile(r"[\s-]+([^\W_]+)$")
_NUMBER_WORDS = {word for words in NUMBERS for word in words}
_LAST_PART = r"(?:[^\W\d_]{2,}|[^\W\d_](?:[\s-]+[^\W\d_]\b){1,2})"
_END = rf"{_LAST_PART}(?:{_DOT}{_LAST_PART})*"
# The provider's name may come in two: "g mail", "hot mail".
_DOMAIN = re.compile(
    rf"(?:[^\W_]{{1,2}}\s+)?{_PIECE}(?:{_JOINT}{_PIECE})*?{_DOT}{_END}"
    rf"|[^\W_]+\s+{_PIECE}(?:{_JOINT}{_PIECE})*?{_GAP}(?:{_DOTS}){_GAP}{_END}",
    re.IGNORECASE,
)
_DOMAIN_BEHIND_SIGN = re.compile(r"[^\W_]+(?:-[^\W_]+)*\s*\.\s*[^\W\d_]{2,3}\b")  # "anna@ example. com"
_LONGEST = 200  # characters of either side of an address that are looked at

# What nobody says before an "at" or after it but in an address, and what there may be of a domain.
_SPELLED = re.compile(rf"\s(?:{_DOTS}|{_AND_JOINTS})\s|(?:\b[^\W_]\s+){{2}}[^\W_]$", re.IGNORECASE)
_UNFINISHED = re.compile(
    rf"(?:[^\W_]+\s+)??(?:{_PIECE}(?:{_JOINT}{_PIECE})*)?({_GAP}(?:{_DOTS}))?[\s,.]*$", re.IGNORECASE
)
# What is said before the "at" of a place, and names nobody: "You can book at example.com".
_NO_NAME = {
    *("it", "us", "them", "here", "there", "is", "are", "was", "be"),
    *("book", "look", "buy", "bought", "ordered", "available", "online"),
}

_BEGINS_IN_ADDRESS = re.compile(rf"\s*(?:@|(?:{_ATS}|{_DOTS})[\s,.])", re.IGNORECASE)
_ENDS_IN_ADDRESS = re.compile(rf"(?:@|\b(?:{_ATS}|{_DOTS}))[\s.,]*$", re.IGNORECASE)


def addresses(text: str, *, is_open: bool) -> Iterator[tuple[int, int]]:
    """Where every address begins and ends, with `is_open` also what can only be one that is not yet said to its end."""
    for at in _AT.finditer(text):
        name = _name_before(at)
        if name is None:
            continue
        start = at.start() - len(name)
        domain = _DOMAIN.match(text, at.end(), at.end() + _LONGEST)
        if domain is None and at[0].startswith("@"):
            domain = _DOMAIN_BEHIND_SIGN.match(text, at.end(), at.end() + _LONGEST)
        if domain is not None:
            yield start, domain.end()
        elif is_open and _is_unfinished(at, name):
            yield start, len(text)


def may_go_on(line: str, later: str) -> bool:
    """Whether the speaker may have been in the middle of an address when the line ended."""
    if _ENDS_IN_ADDRESS.search(line) or _BEGINS_IN_ADDRESS.match(later):
        return True
    return any(_UNFINISHED.match(line, at.end()) for at in _AT.finditer(line))


def _name_before(at: re.Match[str]) -> str | None:
    before = at.string[max(at.start() - _LONGEST, 0) : at.start()]
    end = len(before)
    while (last := _LAST_WORD.search(before[:end])) and (last[1].isdecimal() or last[1].lower() in _NUMBER_WORDS):
        end = last.start()
    name = _NAME.search(before[:end]) or _NAME.search(before)
    if name is None or ("@" not in at[0] and name.group().lower() in _NO_NAME):
        return None
    return before[name.start() :]


def _is_unfinished(at: re.Match[str], name: str) -> bool:
    so_far = _UNFINISHED.match(at.string, at.end())
    return so_far is not None and ("@" in at[0] or _SPELLED.search(name) is not None or so_far[1] is not None)

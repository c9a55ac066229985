"""Words that are spelled: "M A R I A", "S-M-I", "S for Sierra"."""

import re
from itertools import takewhile
from unicodedata import normalize

_LETTER = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿ]\.?")  # elsewhere one sign may be a word
_WORDS = frozenset("aàeéioóuyI")  # "il y a", "o a", "I"
_HALVES_OF_A_DAY = frozenset({"am", "pm"})
_NAMED = re.compile(
    r"(?<![\w'’])(?!I like)([^\W\d_])[.,\"”“»]* (?:for|as in|as|like|wie(?: in)?|de|comme|como|come) ([^\W\d_]+)\W*"
)
_FEWEST = 3  # letters of a word for which somebody names one after the other


def is_spelled(text: str) -> bool:
    """Whether a text ends in letters of a word that is spelled; one behind words is none, as in "Plan A"."""
    if _named(text):
        return True
    tokens = re.split(r"[\s-]+", text.rstrip(" -,;?!"))
    letters = [token[0] for token in takewhile(_LETTER.fullmatch, reversed(tokens))][::-1]
    if _WORDS.issuperset(letters) or "".join(letters) in _HALVES_OF_A_DAY:
        return False
    before = tokens[: len(tokens) - len(letters)]
    return len(letters) > 1 or not before or before[-1].endswith((".", ",", ":"))


def begins_to_spell(text: str) -> bool:
    """Whether more letters certainly follow: it ends in one of the first that are named, "S for Sierra"."""
    return 0 < _named(text) < _FEWEST


def _named(text: str) -> int:
    """How many letters are named in a text that ends in such a one; "B for six" is none."""
    named = [one for one in _NAMED.finditer(text) if one[1] not in _WORDS - {"I"} and _base(one[1]) == _base(one[2])]
    return len(named) if named and named[-1].end() == len(text) else 0


def _base(word: str) -> str:
    """The first letter without its accent: "É" of "Émile"."""
    return normalize("NFD", word)[0].casefold()

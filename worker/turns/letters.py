"""Words that are spelled: "M A R I A", "S-M-I"."""

import re
from itertools import takewhile

_LETTER = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿ]\.?")  # elsewhere one sign may be a word
_WORDS = frozenset("aàeéioóuyI")  # "il y a", "o a", "I"
_HALVES_OF_A_DAY = frozenset({"am", "pm"})


def spelled(text: str) -> int:
    """How many letters of a word that is spelled stand at the end of a text; 0 for one behind words, as in "Plan A"."""
    tokens = re.split(r"[\s-]+", text.rstrip(" -,;?!"))
    letters = [token[0] for token in takewhile(_LETTER.fullmatch, reversed(tokens))][::-1]
    if _WORDS.issuperset(letters) or "".join(letters) in _HALVES_OF_A_DAY:
        return 0
    return len(letters) if len(letters) > 1 or len(letters) == len(tokens) else 0

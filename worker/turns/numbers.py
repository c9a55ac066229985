"""Numbers that are dictated, in words or as a recogniser writes them: "five five five", "555-123"."""

import re
from collections.abc import Collection

_WRITTEN = re.compile(r"\d[\d-]*")
_AMOUNT = re.compile(r"\d\d?|(?:19|20)\d\d")  # or a year


def dictated(text: str, spoken: Collection[str]) -> int:
    """How many digits of a number stand at the end of a text; 0 if it is an amount, a year or a time.

    Args:
        text: what was said.
        spoken: the words that stand for digits, in small letters.
    """
    groups: list[str] = []
    digits = 0
    for token in reversed(text.lower().split()):
        group = token.strip(".,;?!")
        if group not in spoken and _WRITTEN.fullmatch(group) is None:
            break
        groups.append(group)
        digits += sum(sign.isdigit() for sign in group) or 1
    if len(groups) == 1 and (groups[0] in spoken or _AMOUNT.fullmatch(groups[0])):
        return 0
    return digits

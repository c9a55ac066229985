"""How fast is spoken, as far as that is known without having heard it."""

import unicodedata

# In letters, and in signs such as Chinese ones, a second.
SLOW = (14, 5)  # few speak slower for long
FAST = (20, 8)  # nor faster


def reached(text: str, start: int, seconds: float, pace: tuple[int, int]) -> int:
    """About the character that is being said, so long after the one at `start`."""
    letters, signs = pace
    for place in range(start, len(text)):
        seconds -= 1 / (signs if is_sign(text[place]) else letters)
        if seconds < 0:
            return place
    return len(text)


def seconds_of(text: str, pace: tuple[int, int]) -> float:
    """About how long it takes to say that."""
    letters, signs = pace
    dense = sum(map(is_sign, text))
    return (len(text) - dense) / letters + dense / signs


def is_sign(character: str) -> bool:
    """Whether it is of a script that is dense and sets no spaces."""
    return unicodedata.east_asian_width(character) in "WF"

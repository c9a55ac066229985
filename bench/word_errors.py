"""How far what was heard is from what was said, in words."""

import re

from rapidfuzz.distance import Levenshtein

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def words(text: str) -> list[str]:
    """The words of a text without case and punctuation, each digit spelled out."""
    spelled = re.sub(r"\d", lambda digit: f" {_DIGITS[int(digit[0])]} ", text.lower())
    return re.sub(r"[^a-z' ]", " ", spelled).split()


def word_errors(said: str, heard: str) -> int:
    """The words to change, leave out or put in."""
    return Levenshtein.distance(words(said), words(heard))


def word_error_rate(said: str, heard: str) -> float:
    """Words wrong for each word that was said: 0 is perfect, and much that nobody said makes it more than 1."""
    return word_errors(said, heard) / len(words(said))

"""Where the words of a text end, in languages that write spaces between them and in those that do not."""

import unicodedata
from collections.abc import Iterable

# The beginnings of the Unicode names of what is written without spaces.
UNSPACED = (
    "CJK ",
    "FULLWIDTH ",
    "HALFWIDTH ",
    "HIRAGANA ",
    "IDEOGRAPHIC ",
    "KATAKANA",
    "KHMER ",
    "LAO ",
    "MYANMAR ",
    "THAI ",
)
OPENING = ("Pi", "Ps")


def joined(pieces: Iterable[str]) -> str:
    """The pieces as one text, with a space between two of them where their script has some."""
    whole = ""
    for piece in filter(None, map(str.strip, pieces)):
        whole += f" {piece}" if whole and _is_spaced(whole[-1], piece[0]) else piece
    return whole


def after(known: str, text: str) -> str:
    """What `text` says beyond what is known of it, whatever its punctuation; nothing if it begins otherwise."""
    left = letters(known)
    end = 0
    while left and end < len(text):
        letter = letters(text[end])
        if not left.startswith(letter):
            return ""
        left = left[len(letter) :]
        end += 1
    begin = end
    while begin < len(text) and _closes(text[begin]):
        begin += 1
    if left or (end and begin < len(text) and _is_within_word(text[end - 1], text[begin])):
        return ""
    return text[begin:].strip()


def letters(text: str) -> str:
    """A text without what differs when the same words are written again: spaces, marks and capitals."""
    return "".join(filter(_is_letter, text)).casefold()


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"  # the vowels of some scripts are marks


def _closes(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "P" and category not in OPENING


def _is_within_word(before: str, character: str) -> bool:
    if unicodedata.category(character)[0] == "M":
        return True
    return _is_letter(before) and _is_letter(character) and _is_spaced(before, character)


def _is_spaced(before: str, character: str) -> bool:
    unspaced = [unicodedata.name(one, "").startswith(UNSPACED) for one in (before, character)]
    spaced = any(one.isalpha() and not without for one, without in zip((before, character), unspaced, strict=True))
    return spaced or not any(unspaced)

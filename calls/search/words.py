"""The words of a text, and those that are looked for: the same in every database and whatever its locale is.

Words are compared without case and without the accents of Latin, Greek and Cyrillic. In scripts that are written
without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) every two neighbouring characters stand for a word, and
what is looked for is found wherever its characters follow each other.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

BREAK = "¶"  # stands between two who speak: no phrase goes on behind it
LONGEST = 100  # characters of a word, by which it is known
MAX_BYTES = 1_000_000  # that Postgres takes of one text: some 16 hours of talk; what comes later is not found

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUNS = re.compile(f"[{_UNSPACED}]+|[^\\s{_UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_ACCENTS = re.compile("[\u0300-\u036f]")
_ASKED = re.compile(r'"([^"]*)"?|([^\s"]+)')
_ZERO_WIDTH_SPACE = "\u200b"


class _Characters(dict[int, str]):
    """For `str.translate`: letters, digits and their marks stay, what shows nothing goes, all others part words."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        kept = character if kind[0] in "LNM" else "" if kind == "Cf" and character != _ZERO_WIDTH_SPACE else " "
        self[code] = kept
        return kept


_CHARACTERS = _Characters()


@dataclass(frozen=True)
class Phrase:
    """Words that follow each other; the last one may be only the beginning of one if `goes_on`."""

    words: tuple[str, ...]
    goes_on: bool = False

    @property
    def is_one_character(self) -> bool:
        """Whether it is one character of a script without spaces: all places of all pairs that it begins are read."""
        return self.goes_on and len(self.words) == 1


def words_of(texts: Iterable[str]) -> list[str]:
    """The words of what was said, text by text, in order, with a BREAK behind each; cut at `MAX_BYTES`."""
    words: list[str] = []
    size = 0
    for text in texts:
        for word in [*(word for run in _runs(text) for word in _written(run)), BREAK]:
            size += len(word.encode()) + 1
            if size > MAX_BYTES:
                return words
            words.append(word)
    return words


def phrases_of(asked: str) -> list[Phrase]:
    """What is looked for, all of it: each word, and as one what stands in double quotes or is joined as in `don't`."""
    pieces = (quoted or plain for quoted, plain in _ASKED.findall(asked))
    return [_phrase(runs) for runs in map(_runs, pieces) if runs]


def _phrase(runs: list[str]) -> Phrase:
    before = [word for run in runs[:-1] for word in _written(run)]
    last = _written(runs[-1])
    is_unspaced = _IS_UNSPACED.match(runs[-1]) is not None
    if is_unspaced and len(last) > 1:
        last.pop()  # the character that ends what is looked for may be followed by others
    return Phrase((*before, *last), goes_on=is_unspaced and len(runs[-1]) == 1)


def _runs(text: str) -> list[str]:
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text).casefold())
    return _RUNS.findall(unicodedata.normalize("NFC", plain).translate(_CHARACTERS))


def _written(run: str) -> list[str]:
    if _IS_UNSPACED.match(run) is None:
        return [run[:LONGEST]]
    return list(_pairs(run))


def _pairs(run: str) -> Iterator[str]:
    """Each character with the one behind it; so the last one stands alone."""
    for at in range(len(run)):
        yield run[at : at + 2]

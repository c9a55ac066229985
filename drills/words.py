"""Which of the words that were said are in the transcript."""

import re
from collections.abc import Sequence
from itertools import accumulate, chain

from rapidfuzz.distance import LCSseq


def lost(sentences: Sequence[str], heard: str) -> list[tuple[int, float]]:
    """How many words of each sentence were not heard, or were misheard, and their share of it."""
    said = [_words(sentence) for sentence in sentences]
    edits = LCSseq.editops(list(chain(*said)), _words(heard))
    gone = {edit.src_pos for edit in edits if edit.tag == "delete"}
    ends = accumulate(len(words) for words in said)
    missing = [sum(index in gone for index in range(end - len(one), end)) for one, end in zip(said, ends, strict=True)]
    return [(count, count / len(words)) for count, words in zip(missing, said, strict=True)]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())

"""Which of the words that were said are in the transcript."""

import re
from collections.abc import Sequence
from itertools import accumulate, chain


def lost(sentences: Sequence[str], heard: str) -> list[tuple[int, float]]:
    """How many words of each sentence were not heard, or were misheard, and their share of it."""
    said = [_words(sentence) for sentence in sentences]
    kept = _common(list(chain(*said)), _words(heard))
    ends = accumulate(len(words) for words in said)
    missing = [
        sum(index not in kept for index in range(end - len(one), end)) for one, end in zip(said, ends, strict=True)
    ]
    return [(count, count / len(words)) for count, words in zip(missing, said, strict=True)]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _common(said: Sequence[str], heard: Sequence[str]) -> set[int]:
    """The indices in `said` of a longest common subsequence of both."""
    longest = [[0] * (len(heard) + 1) for _ in range(len(said) + 1)]  # of so many first words of each
    for i, word in enumerate(said, 1):
        for j, other in enumerate(heard, 1):
            longest[i][j] = longest[i - 1][j - 1] + 1 if word == other else max(longest[i - 1][j], longest[i][j - 1])
    common = set()
    i, j = len(said), len(heard)
    while i and j:
        if said[i - 1] == heard[j - 1]:
            i, j = i - 1, j - 1
            common.add(i)
        elif longest[i - 1][j] >= longest[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return common

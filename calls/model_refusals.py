"""How servers of language models word what they refuse: everyone as they like, so words alone decide nothing."""

import re

_TOO_LONG = re.compile(
    r"context.?(?:length|size|window)|too (?:long|large)|(?:be|please) reduced?|token count|number of tokens",
    re.IGNORECASE,
)


def speaks_of_length(text: str) -> bool:
    """Whether these words are those of a request that is too long."""
    return bool(_TOO_LONG.search(text))

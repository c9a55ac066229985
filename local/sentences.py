"""Where sentences end, so that nothing is spoken or written that breaks off in the middle of one."""

import re

_TITLES = "".join(rf"(?<!\b{title})" for title in ("Mr", "Mrs", "Ms", "Dr", "St"))
_CLOSED = r"[\"'”’)\]]*"
_END = re.compile(rf"{_TITLES}[.!?…。！？]{_CLOSED}(?=\s*$|\s+[^a-z\s])|\n")
_END_SO_FAR = re.compile(rf"{_TITLES}[.!?…。！？]{_CLOSED}(?=\s+[^a-z\s])|\n")


def whole_sentences(text: str, *, goes_on: bool = False, enough: int | None = None) -> str:
    """The beginning of a text up to the end of its last whole sentence, nothing if there is none.

    Args:
        text: what was written.
        goes_on: whether more is to come, which alone can tell that the last full stop ends a sentence.
        enough: characters after which the first sentence that ends is the last.
    """
    last = 0
    for end in (_END_SO_FAR if goes_on else _END).finditer(text):
        last = end.end()
        if enough is not None and last >= enough:
            break
    return text[:last]

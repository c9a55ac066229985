"""The language of a call, as a BCP 47 tag."""

import re

SEVERAL = "multi"  # what some recognisers call a conversation in more than one language
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})"
    r"(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
)


def normalise_language(text: str) -> str:
    """The tag in its usual letters, `en_us` as `en-US`; ValueError for what is none, as "English"."""
    lowered = text.strip().replace("_", "-").lower()
    if lowered == SEVERAL:
        return SEVERAL
    found = _TAG.fullmatch(lowered)
    if found is None:
        raise ValueError('a BCP 47 tag as "en", "en-US" or "zh-Hant-TW"')
    parts = (found["language"], (found["script"] or "").title(), (found["region"] or "").upper())
    return "-".join(part for part in parts if part) + found["variants"]


def primary(tag: str) -> str:
    """The language without script and region: `en` of `en-US`."""
    return tag.partition("-")[0]

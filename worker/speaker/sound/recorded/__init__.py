"""Our own phrases as recordings, for an agent whose voice fails before it was ever kept how it says them."""

from functools import cache
from pathlib import Path

from calls.phrases import Phrases, written

LANGUAGES = ("en", "de", "es", "fr")
_HERE = Path(__file__).parent


def path(language: str, key: str) -> Path:
    """Where the phrase of that name is."""
    return _HERE / language / f"{key}.ogg"


@cache
def recordings() -> dict[str, Path]:
    """Each phrase's recording by its text."""
    return {
        text: path(language, key)
        for language in LANGUAGES
        for key, text in (written(language) or Phrases()).model_dump(exclude_none=True).items()
    }

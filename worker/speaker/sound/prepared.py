"""The agent's own phrases as sound that is there beforehand, and needs no provider.

Said by its own voice in an earlier call on this machine; else as we have recorded them; else two soft tones, which at
least tell that somebody is there: English with a voice of another language would be worse. A first message that is the
same in every call is kept like them.
"""

import asyncio
import hashlib
import logging
import os
import tempfile
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from worker.speaker.sound.files import decoded, encoded, is_audible, tone
from worker.speaker.sound.recorded import recordings
from worker.speaker.sound.voice import SAMPLE_RATE
from worker.speaker.words.language import Language
from worker.speaker.words.pace import FAST, SLOW, reached
from worker.speaker.words.plain import said_of

logger = logging.getLogger(__name__)

URGENT = ("moment", "sorry", "failed", "unheard")  # what is said where a provider fails
HURRY = 1.5  # times as fast as is spoken: a voice may be told to
MOST_BYTES = 30_000_000  # of all agents' voices: some 2,000 phrases
LONGEST_S = 20.0  # of a first message, at a slow pace: longer ones would be kept in the place of phrases


@dataclass(frozen=True)
class Sound:
    """Linear16 mono at the rate of the voice; `text` is what it says: nothing, if it is only a tone."""

    pcm: bytes
    text: str


class Prepared:
    """Finds the sound of a text: of a phrase, though it may be written with other marks and in another case.

    What the agent's voice has said is found by the very text: "-5" and "5", or "C++" and "C#", are not said alike.

    Args:
        language: whose phrases they are.
        folder: where what the voice has said is kept.
        voice: tells one voice from all others, with all that changes how it sounds.
    """

    def __init__(self, language: Language, folder: Path, voice: str) -> None:
        self._language = language
        self._folder = folder
        self._voice = voice
        self._also: set[str] = set()

    def include(self, text: str) -> None:
        """Count this, which is said in every call, among the phrases, unless it is long.

        Nothing else can be said in its place.
        """
        if reached(text, 0, LONGEST_S, SLOW) == len(text):
            self._also.add(_written(text))

    def has_substitute(self, text: str) -> bool:
        """Whether there is some sound for it, whatever the voice does."""
        return _written(text) not in self._also

    def may_become_phrase(self, text: str) -> bool:
        """Whether a text that begins so may turn out to be a phrase of the agent's own."""
        return any(
            phrase.startswith(begun)
            for phrases, begun in ((self._also, _written(text)), (self._phrases(), _letters(text)))
            for phrase in phrases
        )

    def is_phrase(self, text: str) -> bool:
        """Whether this is one."""
        return _written(text) in self._also or _letters(text) in self._phrases()

    async def own(self, text: str) -> Sound | None:
        """As the agent's voice says it, if that is kept."""
        return await asyncio.to_thread(_used, self._file(text), text)

    async def any(self, text: str) -> Sound:
        """Whatever sound there is for it."""
        recorded = next((file for said, file in recordings().items() if _letters(said) == _letters(text)), None)
        found = await self.own(text)
        if found is None and recorded is not None:
            found = await asyncio.to_thread(_read, recorded, text)
        return found or Sound(tone(), "")

    async def keep(self, text: str, pcm: bytes) -> bool:
        """Keep how the agent's voice says it; False if that is not possible: it is said anew each time.

        Nor is what can be no more than its beginning: it would be said so from then on.
        """
        can_hold = reached(text, 0, HURRY * len(pcm) / 2 / SAMPLE_RATE, FAST)
        is_all = can_hold == len(text) and is_audible(pcm)
        return is_all and await asyncio.to_thread(self._write, self._file(text), pcm)

    async def missing(self) -> list[str]:
        """The phrases whose sound is not kept, the most wanted ones first."""
        urgent = [self._language.phrase(key) for key in URGENT]
        said = [await said_of(text) for text in (*urgent, *self._language.phrases()) if text]
        phrases = dict.fromkeys(text for text in said if _letters(text))
        return await asyncio.to_thread(lambda: [text for text in phrases if not self._file(text).exists()])

    def _phrases(self) -> set[str]:
        return {letters for text in self._language.phrases() if (letters := _letters(text))}

    def _file(self, text: str) -> Path:
        said = hashlib.sha256(f"{self._voice}\n{_written(text)}".encode()).hexdigest()
        return self._folder / f"{said}.ogg"

    def _write(self, file: Path, pcm: bytes) -> bool:
        sound = encoded(pcm)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, written = tempfile.mkstemp(dir=self._folder)  # for nobody else to read
            try:
                with os.fdopen(handle, "wb") as raw:
                    raw.write(sound)
                Path(written).rename(file)
            finally:
                Path(written).unlink(missing_ok=True)
            self._leave_last_used()
        except OSError as error:
            logger.warning("what the voice has said could not be kept", extra={"error": type(error).__name__})
            return False
        return True

    def _leave_last_used(self) -> None:
        files = []
        for file in self._folder.glob("*.ogg"):
            with suppress(FileNotFoundError):  # another call's worker does the same
                files.append((file.stat(), file))
        files.sort(key=lambda found: found[0].st_mtime_ns, reverse=True)
        kept = accumulate(stat.st_size for stat, _ in files)
        for size, (_, file) in zip(kept, files, strict=True):
            if size > MOST_BYTES:
                file.unlink(missing_ok=True)


def _used(file: Path, text: str) -> Sound | None:
    """The sound in a file that is kept, which counts as used from now on; without sound in it, it is kept no more."""
    sound = _read(file, text)
    with suppress(OSError):
        if sound is None:
            file.unlink(missing_ok=True)
        else:
            os.utime(file)
    return sound


def _read(file: Path, text: str) -> Sound | None:
    with suppress(OSError, ValueError):
        return Sound(decoded(file.read_bytes()), text)
    return None


def _written(text: str) -> str:
    return " ".join(text.split())


def _letters(text: str) -> str:
    """Its letters with the signs on them, as vowels and tones of many scripts are, and its figures."""
    return "".join(letter for letter in text.casefold() if unicodedata.category(letter)[0] in "LMN")
